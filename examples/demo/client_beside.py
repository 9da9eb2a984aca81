"""The client that runs beside the releases: started as soon as there is a front door, counted for each release."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from examples.client import MAX_SECONDS, Client
from examples.demo.surroundings import Shop

RATE = 20.0


@dataclass
class Beside:
    """A client that starts once the shop answers. ``during`` gives what it counted since the last time it was asked."""

    shop: Shop
    client: Client | None = None
    _before: dict[str, Any] = field(default_factory=lambda: {"sent": 0, "failed": 0, "failures": {}})

    def start_if_there_is_a_door(self) -> bool:
        """Start it, if it is not running and the shop answers; return whether it was started now."""
        if self.client is not None or not self.shop.version():
            return False
        self.client = Client(f"{self.shop.front()}/items", seconds=MAX_SECONDS, rate=RATE).start()
        return True

    def counts(self) -> dict[str, Any]:
        """Return what was sent and what failed so far."""
        return self.client.counts() if self.client else {"sent": 0, "failed": 0, "failures": {}}

    def during(self) -> dict[str, Any]:
        """Return sent, failed and failures (by kind) since this was last asked."""
        now, before = self.counts(), self._before
        self._before = now
        kinds = {kind: n - before["failures"].get(kind, 0) for kind, n in now["failures"].items()}
        return {
            "sent": now["sent"] - before["sent"],
            "failed": now["failed"] - before["failed"],
            "failures": {kind: n for kind, n in kinds.items() if n},
        }

    def stop(self) -> None:
        """Stop it."""
        if self.client is not None:
            self.client.stop()
