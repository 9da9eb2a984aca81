"""A router that the team started itself: it is told who serves, and never started, stopped or spoilt by a release."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, Protocol

from runwright.engine.actions import Do
from runwright.errors import InputError
from runwright.routers import containers
from runwright.routers.base import TargetFile
from runwright.routers.target import Target
from runwright.runbook.drill import Break, require_way
from runwright.traffic import Stand, Upstream, reached

LINES = "docs/how-to/zero-downtime.md has the lines that its configuration needs once."


class Own(Protocol):
    """What the runbook says of one."""

    @property
    def front(self) -> str: ...
    @property
    def container(self) -> str | None: ...
    @property
    def drain_timeout(self) -> float: ...


class OwnRouter(TargetFile):
    """One that somebody else started. file: the one that it reads. stand: where slots are found if they are containers."""

    breaks: ClassVar[frozenset[Break]] = frozenset()
    mode = 0o644

    def __init__(self, own: Own, file: Path, token: int | None = None, stand: Stand | None = None) -> None:
        super().__init__(own.drain_timeout, file.with_name(f".{file.name}.fence"), token)
        self._own, self._file, self._stand = own, file, stand
        self.log = file

    @property
    def target_file(self) -> Path:
        """The file that it reads."""
        return self._file

    def shares(self) -> bool:
        """It can."""
        return True

    def front(self, do: Do) -> str:  # noqa: ARG002
        """Return the address that the runbook names."""
        return self._own.front

    def known(self, target: Target) -> Target:
        """Return ``target`` with the names that slots always have among containers."""
        return target.moved(self._named) if self._stand is not None else target

    def _named(self, to: Upstream) -> Upstream:
        assert self._stand is not None
        first = self._stand.entries[0]
        return Upstream(to.slot, reached(first.service, to.slot), first.port)

    def door(self, do: Do, slot: str) -> Upstream | None:  # noqa: ARG002
        """Return None: no way of its own leads to a slot."""
        return None

    @abstractmethod
    def require(self, do: Do) -> None:
        """Raise RefusedError if its configuration does not have what it needs, ActionError if it does not answer."""

    def ensure(self, do: Do, key: str, first: Upstream | None = None) -> None:
        """See that it runs and has what it needs; nobody but its owner starts it. It serves ``first`` if it was never told anything."""
        if self._stand is not None and self._own.container is not None:
            containers.joins(do, self._own.container, self._stand.network, f"{key}/network")
        self.require(do)
        self.announce(do, f"{key}/fence")
        self.begin_with(do, first, key)
        running, served, written = self._targets(do, self._told)
        if running and written is not None and served != written:  # it was restarted, or we were ended in between
            self.tell(do, written, f"{key}/told")

    def inject(self, do: Do, slot: str, by: Break, seconds: float, key: str) -> None:  # noqa: ARG002
        """Raise InputError: it is not ours to be spoilt."""
        require_way(self.breaks, by)
        raise InputError("A router of the team's own spoils nothing on purpose.")

    def stop(self, do: Do, key: str) -> None:
        """Leave it running: it is not ours, and may serve others."""
