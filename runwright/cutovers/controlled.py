"""Controllers that roll by themselves: new instances are started and old ones ended by who runs the platform."""

from __future__ import annotations

from typing import ClassVar

from runwright.cutovers.recreate import Recreate


class Controlled(Recreate):
    """The platform's own rolling update: its controller starts new instances and ends old ones, as it was told.

    There is no moment at which a candidate could be asked: the platform's own probes decide who gets users, and for a while both
    versions do. The way back is to start what the version before was started with, by name and digest.
    """

    strategy: ClassVar[str] = "rolling"

    @property
    def two_live(self) -> bool:
        """Return True: instances of both versions get users while they are replaced."""
        return True

    def downtime(self, *, needs_stop: bool, first: bool) -> str:
        """Return when users are not served."""
        if needs_stop and not first:
            return super().downtime(needs_stop=needs_stop, first=first)
        return "none, as far as the instances' own probes tell the truth"

    def retire(self, do: object, key: str) -> str:  # noqa: ARG002
        """Do nothing: the controller has ended the old ones."""
        return "rolled by its controller: nothing was kept running"
