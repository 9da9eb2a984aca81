"""A program of the team's own migrates: what is pending is what its listing says, and how it ended is all that is known."""

from __future__ import annotations

from typing import Any

import pytest

from runwright.errors import VerificationError
from runwright.migrators.command import CommandMigrator
from runwright.policy.levels import Level
from runwright.runbook.migrators.command import CommandMigrate

MIGRATE, LIST = ("./migrate", "up"), ("./migrate", "list")


class Jobs:
    """Jobs of a version: what each listing prints in turn, and the changes that were run."""

    def __init__(self, *lists: bytes) -> None:
        self.lists, self.ran = list(lists), list[tuple[tuple[str, ...], str | None]]()

    def __call__(self, argv: tuple[str, ...], *, key: str | None, says: str, deadline_seconds: float) -> bytes:
        if argv == LIST:
            assert key is None, "a listing changes nothing"
            return self.lists.pop(0)
        self.ran.append((argv, key))
        return b""


def migrator(**more: Any) -> CommandMigrator:
    return CommandMigrator.of(CommandMigrate(tool="command", command=list(MIGRATE), **more))


def test_without_a_listing_it_is_always_run_and_counts_as_l3() -> None:
    """Nobody knows what it does to data; the plan says the very command."""
    jobs = Jobs()
    plan = migrator().plan(None, jobs, ())  # type: ignore[arg-type]
    (one,) = plan.pending
    assert plan.level is Level.L3 and plan.needs_stop and not plan.versioned
    assert one.operations == ("run `./migrate up`",) and "`./migrate up`" in one.reasons[0]
    migrator().upgrade(None, jobs, plan, "deploy/migrate")  # type: ignore[arg-type]
    assert jobs.ran == [(MIGRATE, "deploy/migrate")]


def test_what_the_listing_shows_is_pending() -> None:
    """A line is a migration; without any nothing is run."""
    jobs = Jobs(b"", b"002_rename\n\n003_drop\n", b"")
    own = migrator(pending=list(LIST))
    assert own.plan(None, jobs, ()).pending == ()  # type: ignore[arg-type]
    plan = own.plan(None, jobs, ())  # type: ignore[arg-type]
    assert plan.pending[0].operations == ("002_rename", "003_drop")
    own.upgrade(None, jobs, plan, "deploy/migrate")  # type: ignore[arg-type]
    assert jobs.ran == [(MIGRATE, "deploy/migrate")]


def test_a_command_that_ends_well_and_leaves_something_pending_is_no_success() -> None:
    """An exit code proves nothing."""
    jobs = Jobs(b"002_rename\n", b"002_rename\n")
    own = migrator(pending=list(LIST))
    plan = own.plan(None, jobs, ())  # type: ignore[arg-type]
    with pytest.raises(VerificationError, match="something is pending still: 002_rename"):
        own.upgrade(None, jobs, plan, "deploy/migrate")  # type: ignore[arg-type]
