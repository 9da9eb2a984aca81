"""A migration is believed when the database says so; and nobody uses a schema that is half changed."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from runwright.errors import VerificationError
from runwright.ledger.states import ReleaseState
from runwright.migrators.shape import Migration, MigrationPlan
from runwright.policy.levels import Level
from runwright.release import drivers
from runwright.release.work import Work
from tasks.migrate import migrate
from tests.unit.release.conftest import Opener


def planned(work: Work, level: Level = Level.L1, current: str = "a1", head: str = "b2") -> MigrationPlan:
    """Write down a plan from ``current`` to ``head``, as the plan step does."""
    pending = (Migration(head, (current,), "", f"{head}.py", level, (), ()),) if head != current else ()
    plan = MigrationPlan((head,), (current,), pending)
    work.write_down("migrations", plan.as_json())
    for state in (ReleaseState.PLANNED, ReleaseState.APPROVED):
        work.ledger.releases.advance(work.id, state, "so it went")
    return plan


class Database:
    """A real SQLite file that is at a revision, and a job that exits 0 after it moved it (or did not)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(exist_ok=True)
        self.ask("CREATE TABLE alembic_version (version_num TEXT)")
        self.ask("INSERT INTO alembic_version VALUES ('a1')")

    def ask(self, statement: str) -> None:
        """Execute one statement."""
        with sqlite3.connect(self.path) as connection:
            connection.execute(statement)
        connection.close()

    def job(self, leaves: str | None, jobs: list[str]) -> Any:
        """Return what takes the place of ``drivers.job``: its jobs leave the database at ``leaves``; None: at nothing."""

        def run(_argv: tuple[str, ...], *, says: str, **_others: Any) -> bytes:
            jobs.append(says)
            self.ask("DELETE FROM alembic_version")
            if leaves:
                self.ask(f"INSERT INTO alembic_version VALUES ('{leaves}')")
            return b""

        return lambda *_: run


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """The database of ``work``."""
    return Database(tmp_path / "run" / "data.db")


@pytest.fixture
def work(opened: Opener, database: Database) -> Work:
    """A release with migrations on the host platform."""
    return opened(local={"database": {"kind": "sqlite", "path": "data.db"}}, migrate={"tool": "alembic"})


@pytest.mark.parametrize(("leaves", "is_at"), [("a1", "a1"), ("zz", "zz"), (None, "no revision")])
def test_a_migration_that_ends_well_and_leaves_the_database_elsewhere_fails_the_release(
    work: Work, database: Database, monkeypatch: pytest.MonkeyPatch, leaves: str | None, is_at: str
) -> None:
    """An exit code is what a program says of itself; the new version would meet another schema than it expects."""
    planned(work)
    jobs: list[str] = []
    monkeypatch.setattr(drivers, "job", database.job(leaves, jobs))
    with pytest.raises(VerificationError, match=f"The database is at {is_at}, and the version's code expects b2"):
        migrate.fn(work.id)
    assert jobs == ["migrate the database from a1 to b2 (1 migration)"]
    work.refresh()
    assert work.release.schema_after is None


def test_a_database_that_somebody_moved_meanwhile_fails_the_release_too(work: Work, database: Database) -> None:
    """No migration is pending, and the database is not where the new version expects it."""
    planned(work, current="b2")
    with pytest.raises(VerificationError, match="is at a1, and the version's code expects b2"):
        migrate.fn(work.id)


def test_a_migration_that_arrived_is_recorded(work: Work, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Later releases learn from it what the way back meets."""
    planned(work)
    monkeypatch.setattr(drivers, "job", database.job("b2", []))
    assert migrate.fn(work.id) == ["b2"]
    work.refresh()
    assert work.release.schema_after == ["b2"]
