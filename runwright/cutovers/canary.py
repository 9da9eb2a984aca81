"""Two places, and a part of the users first: the new version gets a small share of the requests, then larger ones, then all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from runwright.cutovers.blue_green import BlueGreen
from runwright.cutovers.shape import ALL
from runwright.engine.actions import Do
from runwright.platforms.shape import Going, Platform
from runwright.routers.shape import Router
from runwright.versions import Version

RUNGS = (10, 50)
"""The shares where the runbook names none."""


class Canary(BlueGreen):
    """Blue-green, but the router sends a part of the requests to the new version before it sends all.

    rungs: the shares on the way there, in percent.
    """

    strategy: ClassVar[str] = "canary"
    climbs: ClassVar[bool] = True

    def __init__(self, platform: Platform, router: Router | None, rungs: Sequence[int] = ()) -> None:
        super().__init__(platform, router)
        self.rungs = (*(rung for rung in rungs or RUNGS if rung < ALL), ALL)

    def stage(self, do: Do, version: Version, slot: str, going: Going, key: str) -> None:
        """Start ``version`` in ``slot``; if users are still sent there, by another release that did not come to its end, no more of them."""
        live = self.router.target(do)
        left = live is not None and live.slot != slot and self.router.facts(do).share(slot)
        if live is not None and left and not self._staged(version, slot, going):
            self.router.switch(do, live, f"{key}/alone")
        super().stage(do, version, slot, going, key)

    def shift(self, do: Do, version: Version, slot: str, going: Going, key: str, share: int = ALL) -> int | None:
        """Let the router send ``share`` percent of the new requests to ``slot`` and the rest to the other one; with all of them
        replace what does not run in slots."""
        if share >= ALL or going.previous is None:
            return super().shift(do, version, slot, going, key)
        stays = self._serves(do, self._beside(slot))
        to = self._serves(do, slot)
        self._stands(do, stays, f"{key}/{share}/router", going)
        self.router.switch(do, to, f"{key}/{share}/switch", share, stays)
        return None
