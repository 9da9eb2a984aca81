"""Whatever a team has: a program of the version's own that changes the schema, and tells nobody what it did.

Nothing is known of it but how it ended, so each of its runs counts as L3, unless the team also has a program that lists what
is pending: then a release without any runs nothing.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from runwright.engine.actions import Do
from runwright.errors import InputError, VerificationError
from runwright.migrators.shape import Job, Migration, MigrationPlan, Place
from runwright.policy.levels import Level
from runwright.runbook.migrators.command import CommandMigrate

READ_SECONDS = 120.0
SHOWN = 20
"""So many pending lines a plan shows."""


@dataclass(frozen=True)
class CommandMigrator:
    """Runs ``command``. lists: a command that prints a line for each thing that is pending, and changes nothing; () if there
    is none. timeout_seconds: for the command."""

    command: tuple[str, ...]
    lists: tuple[str, ...] = ()
    timeout_seconds: float = 600.0

    @classmethod
    def of(cls, migrate: CommandMigrate) -> CommandMigrator:
        """Return the migrator that a runbook describes."""
        return cls(tuple(migrate.command), tuple(migrate.pending), migrate.timeout)

    def locate(self, do: Do, job: Job) -> tuple[Place, ...]:  # noqa: ARG002
        """Return (): where it keeps what it has done is its own affair."""
        return ()

    def plan(self, do: Do, job: Job, current: tuple[str, ...]) -> MigrationPlan:  # noqa: ARG002 - the job acts
        """Return what is pending, as the listing command says; without one, that it is run. The database is not touched."""
        lines = self._listed(job) if self.lists else ()
        if self.lists and not lines:
            return MigrationPlan((), current, ())
        what = shlex.join(self.command)
        told = (*lines[:SHOWN], *([f"{len(lines) - SHOWN} more"] if len(lines) > SHOWN else []))
        reason = f"what `{what}` does to data is not known beforehand"
        one = Migration("command", (), what, "", Level.L3, (reason,), told or (f"run `{what}`",))
        return MigrationPlan((), current, (one,))

    def upgrade(self, do: Do, job: Job, plan: MigrationPlan, key: str) -> None:  # noqa: ARG002 - the job acts
        """Run the command. Raise ActionError if it fails, VerificationError if something is pending afterwards."""
        if not plan.pending:
            return
        if not self.command:
            raise InputError("The runbook's `migrate` has no `command`.", next="Add it: the program and its arguments.")
        says = f"migrate by `{shlex.join(self.command)}`"
        job(self.command, key=key, says=says, deadline_seconds=self.timeout_seconds)
        if self.lists and (left := self._listed(job)):
            raise VerificationError(
                f"The migrations ended well, and something is pending still: {'; '.join(left[:3])}.",
                state="The schema is changed in part, or the listing is wrong.",
                next=f"Run `{shlex.join(self.lists)}` by hand and look at what it prints.",
            )

    def verify(self, current: tuple[str, ...], plan: MigrationPlan) -> None:
        """Prove nothing: there is no revision to compare. What can be asked was asked when it ran."""

    def accepts(self, revisions: tuple[str, ...], plan: MigrationPlan) -> bool:  # noqa: ARG002
        """Return True: nobody can tell otherwise."""
        return True

    def _listed(self, job: Job) -> tuple[str, ...]:
        output = job(self.lists, key=None, says="list the pending migrations", deadline_seconds=READ_SECONDS)
        return tuple(line.strip() for line in (output or b"").decode("utf-8", "replace").splitlines() if line.strip())


class _Kind:
    def made(self, migrate: CommandMigrate, python: str) -> CommandMigrator:  # noqa: ARG002
        return CommandMigrator.of(migrate)


MIGRATOR = _Kind()
