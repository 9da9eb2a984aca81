"""How one version gets the users of another on a cluster."""

from __future__ import annotations

from typing import ClassVar

from runwright.cutovers.recreate import Recreate


class OwnRolling(Recreate):
    """Each workload's own rolling update: its controller starts new pods and ends old ones, as its `strategy` says.

    There is no moment at which a candidate could be asked: readiness probes decide who gets users. The way back is to apply what
    the version before was started with.
    """

    strategy: ClassVar[str] = "rolling"

    @property
    def two_live(self) -> bool:
        """Return True: pods of both versions get users while they are replaced."""
        return True

    def downtime(self, *, needs_stop: bool, first: bool) -> str:
        """Return when users are not served."""
        if needs_stop and not first:
            return super().downtime(needs_stop=needs_stop, first=first)
        return "none, as far as the pods' readiness probes tell the truth and their workloads roll one after the other"

    def retire(self, do: object, key: str) -> str:  # noqa: ARG002
        """Do nothing: the controller has ended the old pods."""
        return "rolled by its controller: nothing was kept running"
