"""What every migrator offers: the migrations that a version brings, carrying them out, and the proof that it happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from runwright.engine.actions import Do
from runwright.errors import VerificationError
from runwright.policy.levels import Level
from runwright.policy.reversibility import level_of, needs_stop


class Job(Protocol):
    """Runs a one-off job of the new version's own artifact, with its configuration (a platform's ``run_job``, bound).

    With a ``key`` it is a change: a cancel waits for its end, it is never repeated by itself, and it returns b"".
    Without a key it only reads, and returns its standard output. ActionError if it exits non-zero.
    """

    def __call__(self, argv: tuple[str, ...], *, key: str | None, says: str, deadline_seconds: float) -> bytes: ...


@dataclass(frozen=True)
class Migration:
    """One migration that is not applied yet.

    revision, down_revisions: its id, and the ids that it follows. path: its file, relative to the artifact's folder.
    level, reasons: what the way back costs, and why it costs more than L1. operations: what it does, a sentence each.
    creates: the tables that it makes for certain, and fails if they are there.
    """

    revision: str
    down_revisions: tuple[str, ...]
    title: str
    path: str
    level: Level
    reasons: tuple[str, ...]
    operations: tuple[str, ...]
    creates: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {name: list(v) if isinstance(v, tuple) else str(v) for name, v in vars(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Migration:
        """Return the migration that ``as_json`` gave."""
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in data.items()}
        return cls(**{**values, "level": Level(data["level"])})


@dataclass(frozen=True)
class MigrationPlan:
    """What a version's migrations mean for a database.

    heads: the revisions that the version's code expects. current: those that the database is at.
    pending: what has to be applied, in that order. unknown_current: revisions of the database that the code does not
    know: the database is ahead of it (or of another history), nothing can be said, and a deploy is to be refused.
    ahead: where the database is and stays, although the code does not know it, because what serves has proven that it
    serves there, and this version has the same migrations.
    """

    heads: tuple[str, ...]
    current: tuple[str, ...]
    pending: tuple[Migration, ...]
    unknown_current: tuple[str, ...] = ()
    ahead: tuple[str, ...] = ()

    @property
    def versioned(self) -> bool:
        """Whether the database tells where it is; else nothing but the end of the job is known."""
        return bool(self.heads)

    @property
    def expected(self) -> tuple[str, ...]:
        """The revisions that the database must be at once the plan is carried out."""
        return self.ahead or self.heads

    @property
    def level(self) -> Level:
        """The rollback level of a release with these migrations; L3 if the database is at an unknown revision."""
        return Level.L3 if self.unknown_current else level_of(self.pending)

    @property
    def needs_stop(self) -> bool:
        """Whether the version before must not run while these migrations do."""
        return bool(self.unknown_current) or needs_stop(self.pending)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "heads": list(self.heads),
            "current": list(self.current),
            "pending": [migration.as_json() for migration in self.pending],
            "unknown_current": list(self.unknown_current),
            "ahead": list(self.ahead),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MigrationPlan:
        """Return the plan that ``as_json`` gave."""
        return cls(
            heads=tuple(data["heads"]),
            current=tuple(data["current"]),
            pending=tuple(Migration.from_json(m) for m in data["pending"]),
            unknown_current=tuple(data["unknown_current"]),
            ahead=tuple(data.get("ahead", ())),
        )


@dataclass(frozen=True)
class Place:
    """Where the revisions of one database are kept. schema: None for what the server looks in first, or where none is yet."""

    database: str
    schema: str | None
    table: str
    revisions: tuple[str, ...]


class Migrator(Protocol):
    """A tool that moves a database's schema."""

    def locate(self, do: Do, job: Job) -> tuple[Place, ...]:
        """Return the databases that ``job``'s version migrates, and where each keeps its revisions. Nothing is changed.

        Raise ObservationError if the version's own configuration does not tell.
        """
        ...

    def plan(self, do: Do, job: Job, current: tuple[str, ...]) -> MigrationPlan:
        """Return what ``job``'s version brings for a database that is at ``current``. It does not touch the database.

        Raise InputError if the version's migrations cannot be read.
        """
        ...

    def upgrade(self, do: Do, job: Job, plan: MigrationPlan, key: str) -> None:
        """Carry out ``plan``, and nothing else: if the database is not where the plan saw it, nothing is changed.

        Raise RefusedError if the database is at a revision that the version does not know, and ActionError if it fails.
        """
        ...

    def verify(self, current: tuple[str, ...], plan: MigrationPlan) -> None:
        """Raise VerificationError unless a database at ``current`` is exactly where the plan's version expects it."""
        ...

    def accepts(self, revisions: tuple[str, ...], plan: MigrationPlan) -> bool:
        """Whether a database at ``revisions`` is exactly what the plan's version expects."""
        ...


def matches(revisions: tuple[str, ...], heads: tuple[str, ...]) -> bool:
    """Whether two lists of revisions are the same set. Nothing never matches: an empty answer proves nothing."""
    return bool(revisions) and set(revisions) == set(heads)


def check_matches(current: tuple[str, ...], heads: tuple[str, ...]) -> None:
    """Raise VerificationError unless the database's revisions are the heads, as sets, and there is at least one."""
    if matches(current, heads):
        return
    raise VerificationError(
        f"The database is at {shown(current)}, and the version's code expects {shown(heads)}.",
        state="The schema does not fit the code.",
        next="Look at the output of the migration, and at the revision that the database holds.",
    )


def shown(revisions: tuple[str, ...]) -> str:
    """Return revisions as people read them: "no revision", "a1b2" or "a1b2 and c3d4"."""
    return " and ".join(sorted(revisions)) if revisions else "no revision"


class MigratorKind(Protocol):
    """What a migrator is registered as: it makes its driver."""

    def made(self, migrate: Any, python: str) -> Migrator:
        """Return the driver. migrate: what the runbook says of it. python: the Python of a one-off job."""
        ...
