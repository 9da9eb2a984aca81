"""One place: the new version takes the old one's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from runwright.cutovers.shape import ALL, DRAIN_KEY, Cutover
from runwright.engine.actions import Do
from runwright.platforms.shape import Beside, Going, Platform
from runwright.routers.shape import Router
from runwright.versions import Version


class Recreate(Cutover):
    """The services are replaced in place: users are not served until the new ones are healthy."""

    strategy: ClassVar[str] = "recreate"
    stages: ClassVar[bool] = False
    warm: ClassVar[bool] = False

    def __init__(self, platform: Platform, router: Router | None = None, rungs: Sequence[int] = ()) -> None:  # noqa: ARG002
        super().__init__(platform)

    def candidate(self, do: Do, chosen: str) -> str:  # noqa: ARG002
        """Return "": there is one place."""
        return ""

    def stage(self, do: Do, version: Version, slot: str, going: Going, key: str) -> None:
        """Do nothing: it is started in place of what runs."""

    def door(self, do: Do, slot: str) -> None:  # noqa: ARG002
        """Return None: it is verified live."""
        return

    def shift(self, do: Do, version: Version, slot: str, going: Going, key: str, share: int = ALL) -> int | None:  # noqa: ARG002
        """Replace the services, and start the rest of the system where nothing ran before: not even a proxy does."""
        # asked for real, also where only the plan is written: what lives beside is part of it
        beside = self.platform.beside(going.reads, version)
        self.platform.start(do, version, slot, key, going.release_id, anew=going.anew, beside=beside)
        if going.previous is None:
            self.platform.start_rest(do, version, key)
        return None

    def served(self, do: Do) -> str | None:  # noqa: ARG002
        """Return "": there is one place."""
        return ""

    def traffic(self, do: Do) -> list[str | int] | None:  # noqa: ARG002
        """Return None: nobody sends users here or there."""
        return None

    def home(self, do: Do, previous: Version, own: str) -> str:  # noqa: ARG002
        """Return "": there is one place."""
        return ""

    def back(self, do: Do, previous: Version, slot: str, going: Going, key: str) -> None:
        """Replace the services by those of ``previous``. What of it runs still is left as it is."""
        beside: Beside = self.platform.beside(do, previous)
        self.platform.start(do, previous, slot, key, going.release_id, keep=True, anew=going.anew, beside=beside)

    def clear(self, do: Do, slot: str, key: str) -> None:
        """Do nothing: nothing runs beside."""

    def darken(self, do: Do, own: str) -> None:  # noqa: ARG002
        """Stop the application's services."""
        self.platform.stop(do, "", DRAIN_KEY)

    def stop(self, do: Do, slot: str, key: str) -> None:
        """Stop the application's services."""
        self.platform.stop(do, slot, key)

    def retire(self, do: Do, key: str) -> str:  # noqa: ARG002
        """Do nothing: nothing was kept warm."""
        return "replaced in place: nothing was kept running"

    def kept_warm(self, do: Do) -> bool:  # noqa: ARG002
        """Return False: what was replaced is gone."""
        return False

    def downtime(self, *, needs_stop: bool, first: bool) -> str:  # noqa: ARG002
        """Return when users are not served."""
        if needs_stop:
            return "from the first migration until the services are replaced: the old version may not run meanwhile"
        return "while the services are replaced"
