"""What every platform offers, and the facts that it observes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, Protocol

from runwright.engine.actions import Do
from runwright.runbook.drill import Break
from runwright.traffic import Upstream
from runwright.versions import Version

Strategy = Literal["two_colours", "recreate"]


@dataclass(frozen=True)
class ServiceFact:
    """One running (or stopped) instance of a service, as the platform sees it.

    identity: the artifact that it really runs (image id, git tree). healthy: None if it has no healthcheck.
    restarts: how often it was restarted by itself. release: the release that started it, "" if we did not.
    mounts: what is mounted into it, as (where it comes from, path inside of it).
    """

    service: str
    instance: str
    identity: str
    running: bool
    healthy: bool | None = None
    restarts: int = 0
    slot: str = ""
    commit: str = ""
    release: str = ""
    port: int | None = None
    mounts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Observed:
    """What a platform sees of a system, at one moment. ``services`` holds the application's services only."""

    services: tuple[ServiceFact, ...]

    @property
    def running(self) -> tuple[ServiceFact, ...]:
        """The instances that run."""
        return tuple(s for s in self.services if s.running)

    def identities(self, slot: str = "") -> dict[str, str]:
        """Return {service: identity} of what runs, in ``slot`` if one is given."""
        return {s.service: s.identity for s in self.running if not slot or s.slot == slot}


@dataclass(frozen=True)
class KeysSeen:
    """Which environment variables one running instance sees, by name (those that are set to nothing are left out), and
    since when: what was changed later it cannot see."""

    names: frozenset[str]
    since: datetime


class Platform(Protocol):
    """Where a system runs. All methods aim at an absolute target: done twice, they change nothing the second time.

    ``prefix`` starts the keys of the changes that a method makes ("deploy", "rollback"), so that they are unique in a
    release. ``release_id`` is left on what is started, so that it can be recognised.
    """

    strategy: Strategy
    breaks: ClassVar[frozenset[Break]]
    """The ways in which it can break what it runs, for a drill."""

    def observe(self, do: Do) -> Observed:
        """Return what runs now."""
        ...

    def prepare(self, do: Do, version: Version, prefix: str) -> Version:
        """Put in place what ``version`` needs and prove that its artifacts exist; stop nothing.

        Return the version with what is needed to start it again (``extra``). Raise ActionError if an artifact is missing.
        """
        ...

    def run_job(
        self,
        do: Do,
        version: Version,
        argv: tuple[str, ...],
        *,
        service: str,
        key: str | None,
        says: str,
        release_id: str,
        deadline_seconds: float,
    ) -> bytes:
        """Run a one-off job of ``version``'s own artifact, with its configuration; return its standard output.

        With a key it is a change that a cancel waits for, is never repeated by itself, and returns b"".
        Without a key it only reads. Raise ActionError if it exits non-zero.
        """
        ...

    def start(self, do: Do, version: Version, slot: str, prefix: str, release_id: str) -> None:
        """Make ``version`` run and wait until it is healthy: in ``slot`` beside the other one (two_colours), or in
        place of what runs (recreate; ``slot`` is ""). Raise DeadlineError if it does not get healthy."""
        ...

    def upstream(self, do: Do, slot: str) -> Upstream | None:
        """Return where ``slot`` serves, or None if it does not run (or the platform has no slots)."""
        ...

    def stop(self, do: Do, slot: str, prefix: str) -> None:
        """Stop what runs in ``slot`` (two_colours) or all of the application's services (recreate)."""
        ...

    def spoil(self, do: Do, slot: str, by: Break, prefix: str) -> None:
        """Break what runs in ``slot`` (or the application's services) on purpose, in one of the ways in ``breaks``.

        Starting a version there again, in place of it, ends that. Raise ActionError if there is nothing to break.
        """
        ...

    def adopt(self, do: Do, prefix: str) -> Version | None:
        """Return what runs now as a version that can be started again (its artifacts kept), or None if nothing runs."""
        ...
