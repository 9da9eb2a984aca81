"""Out of two places and into one: what ran beside another is taken away with the router before it, and then replaced in place."""

from __future__ import annotations

from typing import ClassVar

from runwright.cutovers.blue_green import BlueGreen
from runwright.cutovers.recreate import Recreate
from runwright.cutovers.shape import ALL
from runwright.engine.actions import Do
from runwright.errors import RefusedError
from runwright.platforms.shape import Going, Platform
from runwright.traffic import Upstream
from runwright.versions import Version


class Leaving(Recreate):
    """The first release in place after those of ``old``, whose slots may run still.

    As long as the router stands, or could stand again, the way back is to the slots as they were. Once it has forgotten where it
    sent users, it is the old version in the one place.
    """

    strategy: ClassVar[str] = "recreate"

    def __init__(self, platform: Platform, old: BlueGreen) -> None:
        super().__init__(platform)
        self.old = old

    def require(self, do: Do) -> None:
        """Raise RefusedError if users are sent to the slots by a router that is not ours to be taken away."""
        if self._told(do) is not None and not self.old.router.leaves:
            raise RefusedError(
                "Users are sent to the colours by a router of your own, which would go on to do so when they are gone.",
                state="Nothing was changed.",
                next="Say `router: {kind: caddy}` with the strategy from before, let your router ask for the services by their own names, and "
                "release once; then release with `strategy: recreate`.",
            )

    def shift(self, do: Do, version: Version, slot: str, going: Going, key: str, share: int = ALL) -> int | None:  # noqa: ARG002
        """Take away the router and the slots, then start ``version`` in the one place."""
        beside = self.platform.beside(going.reads, version)  # looked at before: from then on nobody is served
        self._leave(do, key)
        self.platform.start(do, version, slot, key, going.release_id, anew=going.anew, beside=beside)
        return None

    def _leave(self, do: Do, key: str) -> None:
        """Nobody is served from here on until the one place serves."""
        self.old.router.leave(do, f"{key}/leave")
        for slot in self.old.platform.slots:
            self.old.platform.stop(do, slot, f"{key}/leave")

    def served(self, do: Do) -> str | None:
        """Return the slot that users reach, "" once none does."""
        return self.old.served(do)

    def traffic(self, do: Do) -> list[str | int] | None:
        """Return what users reach as long as it is a slot."""
        return self.old.traffic(do)

    def home(self, do: Do, previous: Version, own: str) -> str:
        """Return the slot of ``previous`` as long as the router stands or could stand again; else there is one place."""
        return self.old.home(do, previous, own) if self._told(do) is not None else ""

    def _told(self, do: Do) -> Upstream | None:
        return self.old.router.target(do)

    def at_once(self, do: Do, previous: Version, slot: str, key: str) -> None:
        """Send the users to ``slot`` if it is one, and runs."""
        if slot:
            self.old.at_once(do, previous, slot, key)

    def back(self, do: Do, previous: Version, slot: str, going: Going, key: str) -> None:
        """Start ``previous`` where it was: in its slot with the router before it, or in the one place."""
        if slot:
            self.old.back(do, previous, slot, going, key)
            return
        self._leave(do, key)
        super().back(do, previous, slot, going, key)

    def darken(self, do: Do, own: str) -> None:
        """Stop both slots, and what runs beside them."""
        self.old.darken(do, own)

    def downtime(self, *, needs_stop: bool, first: bool) -> str:
        """Return when users are not served."""
        if needs_stop:
            return super().downtime(needs_stop=needs_stop, first=first)
        return "from when the switch is taken away until the services run in its place"
