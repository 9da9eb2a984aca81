"""What the host platform says before there is a driver of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from runwright.platforms.host.driver import SLOTS, Host
from runwright.platforms.host.leftovers import in_slots
from runwright.platforms.shape import Kept, Kind
from runwright.runbook.model import Runbook
from runwright.runbook.platforms.host import HostTarget
from runwright.site import Site
from runwright.versions import Version

if TYPE_CHECKING:
    from runwright.testing.truth import Truth


class HostKind(Kind):
    """Processes on this machine, in two colours."""

    name = "host"
    strategies = ("blue_green", "canary", "rolling")

    def made(
        self,
        site: Site,
        env: Mapping[str, str],
        before: Version | None = None,  # noqa: ARG002 - one process, whatever ran before
        version: Version | None = None,  # noqa: ARG002
    ) -> Host:
        """Return the driver."""
        return Host(_target(site), site.root, env, sys.executable, site.folders)

    def settings(self, site: Site) -> tuple[tuple[str, str], ...]:
        """Return the variables of its process that the runbook names."""
        return tuple(_target(site).process.env.items())

    def needed(self, site: Site) -> Kept:
        """Return what the slots run, or ran last. Raise ObservationError if one of them is not understood."""
        return in_slots(site.root, SLOTS)

    def truth(self, book: Runbook, environment: str, releases: frozenset[str]) -> Truth:
        """Return what the processes, the front door's files and the database's file show."""
        from runwright.platforms.host.truth import look

        return look(book, environment, releases)


def _target(site: Site) -> HostTarget:
    assert isinstance(site.place.target, HostTarget)
    return site.place.target
