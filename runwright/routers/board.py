"""What the forwarder knows of itself: where it sends requests, and what it counted."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Target:
    """Where requests are sent."""

    slot: str
    host: str
    port: int


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

    def turned_away(self) -> None:
        """Count a client for whom there was no room."""
        self.unserved["503"] += 1

    @contextlib.contextmanager
    def counted(self, counter: Counter[str], slot: str) -> Iterator[None]:
        """Count one in ``counter`` for as long as the block runs."""
        counter[slot] += 1
        try:
            yield
        finally:
            counter[slot] -= 1
