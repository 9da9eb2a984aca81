"""What a plan says about the way back."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from runwright.migrators.shape import Migration, MigrationPlan
from runwright.policy.levels import Level
from runwright.release import at_start
from runwright.release.back_up import why_not
from runwright.release.plan import cannot_return, level_of, notes, seen_now
from runwright.runbook.migrators.alembic import AlembicMigrate
from runwright.versions import Version
from tests.fixtures.engine import Docker
from tests.unit.release.conftest import Opener


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


ALEMBIC, FLYWAY = ["alembic", "start.sh line 2", "alembic upgrade head"], ["flyway", "pom.xml line 9", "flyway-core"]
ADDS = ["create_all", "app/db.py line 3", "Base.metadata.create_all(engine)"]
MIGRATE = AlembicMigrate(tool="alembic")


def starting(**extra: Any) -> Version:
    return Version("shop", "local", "v1", "c" * 40, extra=extra)


@pytest.mark.parametrize("kept", [{"api": [ALEMBIC]}, ["api"]])
def test_a_version_that_migrates_when_it_starts_is_no_way_back_from_newer_migrations(kept: Any) -> None:
    """It would find a revision that it does not know, and end; without pending migrations it comes back as any other.
    What earlier versions of Runwright wrote down says the same."""
    old = starting(migrates_at_start=kept)
    why = cannot_return(old, migrations(Level.L1), MIGRATE)
    assert "what starts api of v1 (cccccccc) migrates" in why
    assert cannot_return(old, migrations(None), MIGRATE) == ""
    assert cannot_return(old, None, MIGRATE) == ""
    assert cannot_return(None, migrations(Level.L1), MIGRATE) == ""
    assert cannot_return(starting(), migrations(Level.L1), MIGRATE) == ""
    assert cannot_return(starting(migrates_at_start={"api": [FLYWAY]}), migrations(Level.L1), MIGRATE) == ""


@pytest.mark.parametrize(
    ("extra", "migrate", "level"),
    [
        ({}, None, Level.L0),
        ({"migrates_at_start": {"api": [ALEMBIC]}}, MIGRATE, Level.L0),
        ({"migrates_at_start": {"api": [ALEMBIC]}}, None, Level.L3),
        ({"migrates_at_start": {"api": [FLYWAY]}}, MIGRATE, Level.L3),
        ({"migrates_at_start": {"api": [ADDS]}}, MIGRATE, Level.L1),
        ({"run_once_migrates": {"migrate": [ALEMBIC]}}, MIGRATE, Level.L0),
        ({"run_once_migrates": {"migrate": [ALEMBIC]}}, None, Level.L3),
    ],
)
def test_what_migrates_without_runwright_is_never_l0(
    extra: dict[str, Any], migrate: AlembicMigrate | None, level: Level
) -> None:
    """What Runwright runs itself is judged by its migrations; all else by what is known of it, which is mostly nothing."""
    assert at_start.level_of(starting(**extra), migrate) is level


def test_a_plan_tells_what_migrates_without_runwright_and_where_that_is_written() -> None:
    """File, line and text, for who has to judge it; and what would let Runwright read it."""
    extra = {"migrates_at_start": {"api": [ALEMBIC, FLYWAY]}, "run_once_migrates": {"prestart": [ALEMBIC]}}
    start, once = notes(starting(**extra), None)
    assert "start.sh line 2: alembic upgrade head; pom.xml line 9: flyway-core" in start
    assert "L3" in start and "`tool: alembic`" in start
    assert once.startswith("prestart migrates (start.sh line 2") and "no release runs it" in once
    (adds,) = notes(starting(migrates_at_start={"api": [ADDS]}), MIGRATE)
    assert adds.endswith(
        "makes the tables that are missing (app/db.py line 3: Base.metadata.create_all(engine)) beside what the migrations make."
    )


def test_a_plan_tells_what_a_release_leaves_out_and_what_it_keeps() -> None:
    """Mounts over code of the image, services that run once, and a start command that migrates; nothing if there is nothing."""
    told = {
        "migrates_at_start": {"api": [ALEMBIC]}, "left_out": ["/opt/shop/src on /app/src of api"],
        "kept_mounted": ["shop_static on /static of api (app.css)"], "run_once": ["prestart"],
        "behind": ["nginx.conf of front"],
    }  # fmt: skip
    found = notes(starting(**told), MIGRATE)
    assert [next(word for word in ("What starts api", "/opt/shop/src", "shop_static", "nginx.conf", "prestart") if word in one) for one in found] == [
        "What starts api", "/opt/shop/src", "shop_static", "nginx.conf", "prestart",
    ]  # fmt: skip
    assert notes(starting(), MIGRATE) == []


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
