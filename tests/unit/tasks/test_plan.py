"""What a plan says about the way back."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from runwright.migrators.shape import Migration, MigrationPlan
from runwright.policy.levels import Level
from tasks.back_up import why_not
from tasks.plan import level_of, seen_now
from tests.fixtures.engine import Docker
from tests.unit.tasks.conftest import Opener


def migrations(level: Level | None, unknown: tuple[str, ...] = ()) -> MigrationPlan:
    pending = (Migration("a1", (), "", "a1.py", level, (), ()),) if level else ()
    return MigrationPlan(("a1",), (), pending, unknown)


@pytest.mark.parametrize(
    ("plan", "new", "level"),
    [
        (None, False, Level.L0),
        (migrations(None), True, Level.L0),
        (migrations(Level.L3), False, Level.L3),
        (migrations(Level.L3), True, Level.L1),
        (migrations(Level.L1), True, Level.L1),
        (migrations(None, unknown=("zz",)), True, Level.L3),
    ],
)
def test_a_new_database_has_nothing_to_lose(plan: MigrationPlan | None, new: bool, level: Level) -> None:
    """The first release brings all migrations there ever were; that some of them drop something harms nobody."""
    assert level_of(plan, new=new) is level


@pytest.mark.parametrize(("tables", "new"), [([], True), (["alembic_version"], True), (["customers"], False)])
def test_a_database_without_a_revision_is_new_only_if_it_is_empty(
    opened: Opener, tmp_path: Path, tables: list[str], new: bool
) -> None:
    """Tables that no migration made hold somebody's data: they are backed up, and what migrations do to them counts."""
    (tmp_path / "run").mkdir()
    with sqlite3.connect(tmp_path / "run" / "data.db") as connection:
        for table in tables:
            connection.execute(f"CREATE TABLE {table} (version_num TEXT)")
    connection.close()
    work = opened(local={"database": {"kind": "sqlite", "path": "data.db"}}, migrate={"tool": "alembic"})
    assert seen_now(work)["revisions"] == []
    assert work.fact("new-database") is new


@pytest.mark.docker
def test_a_database_that_the_release_makes_is_not_backed_up_without_migrations_either(
    docker: Docker, opened: Opener, tmp_path: Path
) -> None:
    """It does not run yet, so nobody could dump it; only where the project was never started."""
    place = {
        "target": {"platform": "compose", "project": f"never-started-{os.getpid()}", "directory": str(tmp_path)},
        "router": None,
        "database": {"kind": "postgres", "service": "db", "name": "shop", "user": "shop"},
    }
    work = opened(local=place, backup={"directory": str(tmp_path / "backups")})
    assert why_not(work) == ""
    assert seen_now(work)["revisions"] is None
    assert why_not(work) == "the database is new"
