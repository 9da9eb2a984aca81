"""What the forwarder knows of itself: where it sends requests, and what it counted."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

MOST_SPOILT_SECONDS = 86400.0
"""How long anything may be spoilt, whoever asks: it ends by itself, also if everybody has forgotten it."""


@dataclass(frozen=True)
class Target:
    """Where requests are sent."""

    slot: str
    host: str
    port: int


@dataclass(frozen=True)
class Spoilt:
    """What a drill spoils on purpose: answers of a slot, until a moment of the event loop's clock."""

    slot: str
    errors: bool
    delay_seconds: float
    until: float


@dataclass
class Board:
    """What the forwarder knows of itself: its target, and what it counted, by slot."""

    target: Target | None = None
    connections: int = 0
    in_flight: Counter[str] = field(default_factory=Counter)
    upgraded: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    unserved: Counter[str] = field(default_factory=Counter)
    stopping: bool = False
    spoilt: Spoilt | None = None

    def turned_away(self) -> None:
        """Count a client for whom there was no room."""
        self.unserved["503"] += 1

    def spoilt_now(self, slot: str, now: float) -> Spoilt | None:
        """Return what is spoilt for ``slot`` at this moment, if anything is."""
        found = self.spoilt
        return found if found is not None and found.slot == slot and now < found.until else None

    @contextlib.contextmanager
    def counted(self, counter: Counter[str], slot: str) -> Iterator[None]:
        """Count one in ``counter`` for as long as the block runs."""
        counter[slot] += 1
        try:
            yield
        finally:
            counter[slot] -= 1
