"""A migration that makes a table which is there would fail: that is told before anything is stopped for it."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runwright.errors import RefusedError
from runwright.migrators.shape import Migration, MigrationPlan
from runwright.policy.reversibility import classify_all
from runwright.policy.starts.tools import ONLY_ADDS
from runwright.release import schema, there_already
from runwright.release.work import Work
from tests.unit.policy.test_reversibility import revision
from tests.unit.release.conftest import Opener

USERS, ORDERS = 'op.create_table("users")', 'op.create_table("orders")'


def release(opened: Opener, tmp_path: Path, **how: Any) -> Work:
    """Return a release whose database holds the table users."""
    folder = tmp_path / "run"
    folder.mkdir(exist_ok=True)
    with sqlite3.connect(folder / "data.db") as connection:
        connection.execute("CREATE TABLE users (a)")
    return opened(migrate={"tool": "alembic"}, local={"database": {"kind": "sqlite", "path": "data.db"}}, **how)


def plan(*statements: str, current: tuple[str, ...] = ()) -> MigrationPlan:
    """Return a plan of migrations, one for each of the statements, read as Alembic's are."""
    read = classify_all(revision(one) for one in statements)
    names = [f"r{n}" for n in range(len(read))]
    pending = [
        Migration(name, (), "", f"{name}.py", one.level, one.reasons, one.operations, one.creates)
        for name, one in zip(names, read, strict=True)
    ]
    return MigrationPlan((names[-1],), current, tuple(pending))


@pytest.mark.parametrize(
    ("current", "way"),
    [((), "run `alembic stamp head` with that version's code"), (("a1",), "is at a1: a newer version")],
)
def test_a_table_that_is_there_refuses_the_migration_that_makes_it(
    opened: Opener, tmp_path: Path, current: tuple[str, ...], way: str
) -> None:
    """With the migration, its file, and what to do: it is another thing where no migration ever ran."""
    work = release(opened, tmp_path)
    with pytest.raises(
        RefusedError, match=r"make tables that are there already: r1 makes users \(r1\.py\)\."
    ) as caught:
        there_already.require(work, plan(ORDERS, USERS, current=current))
    assert way in caught.value.next and "--attest tables-are-there=NAME" in caught.value.next


def test_a_database_that_this_release_makes_is_not_asked(opened: Opener, tmp_path: Path) -> None:
    """It does not run yet: who asks is told so, and a first release would end there."""
    work = release(opened, tmp_path)
    work.write_down(schema.MAKES_DATABASE, True)
    assert there_already.require(work, plan(USERS)) == []


def test_what_starts_the_application_is_named(opened: Opener, tmp_path: Path) -> None:
    """It makes the tables that are missing, and so it is who made these."""
    work = release(opened, tmp_path)
    found = {"api": [[ONLY_ADDS, "src/db.py line 3", "Base.metadata.create_all(engine)"]]}
    work.ledger.releases.record(work.id, version=replace(work.version, extra={"migrates_at_start": found}))
    work.refresh()
    with pytest.raises(RefusedError) as caught:
        there_already.require(work, plan(USERS))
    assert caught.value.next.startswith("What starts api makes missing tables (src/db.py line 3")


@pytest.mark.parametrize(
    "statements",
    [
        (ORDERS,),
        ('op.create_table("users", if_not_exists=True)',),
        ('op.execute("CREATE TABLE IF NOT EXISTS users (a int)")',),
        ('if not sa.inspect(op.get_bind()).has_table("users"):\n    op.create_table("users")',),
        ('op.rename_table("users", "old")', USERS),
        ('op.drop_table("users")\nop.create_table("users")',),
        ('op.add_column("users", sa.Column("b", sa.Text))',),
    ],
)
def test_a_migration_that_may_succeed_is_let_through(
    opened: Opener, tmp_path: Path, statements: tuple[str, ...]
) -> None:
    """It looks first, it moved the old one away, or it makes another."""
    assert there_already.require(release(opened, tmp_path), plan(*statements)) == []


def test_a_person_may_know_better(opened: Opener, tmp_path: Path) -> None:
    """Who says by name that the migrations expect it is believed, and the plan says so."""
    work = release(opened, tmp_path, parameters={"attestations": {"tables-are-there": "Ada"}})
    (said,) = there_already.require(work, plan(USERS))
    assert said.endswith("Stated by name that they expect that.")


def test_nothing_to_migrate_asks_nobody(opened: Opener, tmp_path: Path) -> None:
    """Most releases bring no migration: the database is not asked for its tables then."""
    work = release(opened, tmp_path)
    assert there_already.require(work, None) == []
    assert there_already.require(work, replace(plan(USERS), pending=())) == []
