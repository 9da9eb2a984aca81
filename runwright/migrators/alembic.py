"""Alembic: its migrations are read and run inside of the new version's own artifact, the only place that has them all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runwright.engine.actions import Do
from runwright.errors import ActionError, InputError, ObservationError, RefusedError
from runwright.migrators import alembic_job
from runwright.migrators.shape import Job, Migration, MigrationPlan, Place, check_matches, matches, shown
from runwright.plural import plural
from runwright.policy.reversibility import classify_all
from runwright.runbook.migrators.alembic import AlembicMigrate

READ_SECONDS = 120.0  # starting a container and loading some hundred revision files
# Before the job's first import: a json.py or a folder alembic/ of the repository, found by way of the current folder or
# of PYTHONPATH, must not be taken for what the job needs. Not -P or -I: older Pythons have no -P, and env.py needs PYTHONPATH.
_INTERPRETER_FIRST = """import os, sys
given_path = [folder for folder in sys.path if folder not in ("", ".")]
named = [os.path.abspath(folder) for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep)]
sys.path[:] = sorted(given_path, key=lambda folder: os.path.abspath(folder) in named)
"""


@dataclass(frozen=True)
class Alembic:
    """Alembic migrations. ``directory`` and ``config`` are where alembic.ini is in the artifact, as the runbook says.

    timeout_seconds: for all migrations together. lock_timeout_seconds: for one statement that waits for a lock of
    PostgreSQL; SQLite has no such limit. python: the interpreter of the artifact that has Alembic.
    """

    directory: str = "."
    config: str = "alembic.ini"
    timeout_seconds: float = 600.0
    lock_timeout_seconds: float = 5.0
    python: str = "python"

    @classmethod
    def of(cls, migrate: AlembicMigrate, *, python: str = "python") -> Alembic:
        """Return the migrator that a runbook describes."""
        return cls(migrate.directory, migrate.config, migrate.timeout, migrate.lock_timeout, python)

    def locate(self, do: Do, job: Job) -> tuple[Place, ...]:  # noqa: ARG002 - the job acts
        """Return the databases that env.py connects to, and where each keeps its revisions; with read-only connections.

        Raise ObservationError if env.py cannot be run so.
        """
        says = "ask the new version's env.py which databases it migrates"
        found = _document(job(self._argv("locate"), key=None, says=says, deadline_seconds=READ_SECONDS))
        if "error" in found:
            raise ObservationError(
                f"env.py cannot be run with connections that only read: {found['error']}.",
                state="The database was not changed.",
                next="Let env.py, and what it imports, change nothing before it runs migrations.",
            )
        return tuple(Place(**{**one, "revisions": tuple(one["revisions"])}) for one in found["databases"])

    def plan(self, do: Do, job: Job, current: tuple[str, ...]) -> MigrationPlan:  # noqa: ARG002 - the job acts
        """Return what ``job``'s version brings for a database at ``current``; the database is not touched.

        Raise InputError if the version's migrations cannot be read.
        """
        output = job(
            self._argv("read", *current),
            key=None,
            says="read the migrations of the new version",
            deadline_seconds=READ_SECONDS,
        )
        return _planned(_answer(output), current)

    def upgrade(self, do: Do, job: Job, plan: MigrationPlan, key: str) -> None:  # noqa: ARG002 - the job acts
        """Upgrade the database to the plan's heads, if it is still where the plan saw it; else nothing is changed.

        Raise RefusedError if the database is at a revision that the version does not know, and ActionError if it fails.
        """
        if plan.unknown_current:
            raise RefusedError(
                f"The database is at {shown(plan.unknown_current)}, which the version's code does not know.",
                state="The database was not changed.",
                next="Deploy a version that contains this revision; going back to an older schema is a decision of its own.",
            )
        if not plan.pending:
            return
        expected = json.dumps({"heads": sorted(plan.heads), "current": sorted(plan.current)})
        argv = self._argv("upgrade", str(round(self.lock_timeout_seconds * 1000)), expected)
        says = f"migrate the database from {shown(plan.current)} to {shown(plan.heads)} ({plural(len(plan.pending), 'migration')})"
        try:
            job(argv, key=key, says=says, deadline_seconds=self.timeout_seconds)
        except ActionError as error:
            raise (_failed(error, plan) if type(error) is ActionError else error) from None

    def verify(self, current: tuple[str, ...], plan: MigrationPlan) -> None:
        """Raise VerificationError unless the database's revisions are the plan's heads, as sets, and not empty."""
        check_matches(current, plan.expected)

    def accepts(self, revisions: tuple[str, ...], plan: MigrationPlan) -> bool:
        """Whether a database at ``revisions`` is exactly what the plan's version expects."""
        return matches(revisions, plan.expected)

    def _argv(self, mode: str, *rest: str) -> tuple[str, ...]:
        program = Path(alembic_job.__file__).read_text(encoding="utf-8")
        return (self.python, "-c", f"{_INTERPRETER_FIRST}exec({program!r})", mode, self.directory, self.config, *rest)


def _document(output: bytes) -> dict[str, Any]:
    """Return the document in the job's output, whatever else was printed there."""
    marked = [
        line.removeprefix(alembic_job.MARKER)
        for line in output.decode("utf-8", "replace").splitlines()
        if line.startswith(alembic_job.MARKER)
    ]
    try:
        return dict(json.loads(marked[-1]))
    except (IndexError, ValueError) as error:
        raise ObservationError(
            "The job that reads the version's migrations ended well, but did not answer.",
            state="The database was not touched.",
            next='See whether the artifact starts the command that it is given: its entry point must end in exec "$@".',
        ) from error


def _answer(output: bytes) -> dict[str, Any]:
    """Return the document of the job that reads the migrations. Raise InputError if they cannot be read."""
    found = _document(output)
    if "error" in found:
        raise InputError(
            f"The migrations of this version cannot be read: {found['error']}.",
            next="Run `alembic heads` in the version's image, and look at `migrate` in the runbook (directory, config).",
        )
    return found


def _planned(found: dict[str, Any], current: tuple[str, ...]) -> MigrationPlan:
    try:
        classified = classify_all(item["source"] or "" for item in found["pending"])
        pending = tuple(
            Migration(
                revision=item["revision"],
                down_revisions=tuple(item["down_revisions"]),
                title=item["title"],
                path=item["path"],
                level=one.level,
                reasons=one.reasons,
                operations=one.operations,
                creates=one.creates,
            )
            for item, one in zip(found["pending"], classified, strict=True)
        )
        return MigrationPlan(tuple(sorted(found["heads"])), current, pending, tuple(found["unknown"]))
    except (KeyError, TypeError) as error:
        raise ObservationError(
            "The job that reads the version's migrations answered something that is not understood.",
            state="The database was not touched.",
            next="Report it, with the version of Alembic in the image.",
        ) from error


def _failed(error: ActionError, plan: MigrationPlan) -> ActionError:
    """Return ``error`` with the migration that failed and its cause in front, if the job told them."""
    told = [line.partition(alembic_job.FAILED)[2] for line in error.what.splitlines() if alembic_job.FAILED in line]
    try:
        found = json.loads(told[-1])
        if "revision" not in found:
            return ActionError(
                f"Migrating failed outside of any migration: {found['error'].rstrip('.')}.",
                state="The database is looked at next; what PostgreSQL did in one transaction is undone by itself.",
                next="See whether the version reaches its database: its address, user and password in the env file.",
            )
        number = [migration.revision for migration in plan.pending].index(found["revision"]) + 1
    except (IndexError, KeyError, ValueError):
        return error
    return ActionError(
        f"Migration {found['revision']} ({number} of {len(plan.pending)}) failed: {found['error'].rstrip('.')}.",
        state="The database is looked at next; what PostgreSQL did in one transaction is undone by itself.",
        next=f"Correct {found['path']}, or the data that it meets.",
    )


class _Kind:
    def made(self, migrate: AlembicMigrate, python: str) -> Alembic:
        return Alembic.of(migrate, python=python)


MIGRATOR = _Kind()
