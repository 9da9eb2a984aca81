"""Alembic projects on SQLite and PostgreSQL: plans, upgrades, and every way that they must refuse."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import create_engine, inspect, pool, text

from runwright.engine.actions import Command
from runwright.errors import ActionError, InputError, ObservationError, RefusedError, VerificationError
from runwright.migrators.alembic import Alembic
from runwright.migrators.alembic_job import LOCK, MARKER
from runwright.migrators.shape import MigrationPlan, Place
from runwright.policy.levels import Level
from runwright.testing.direct import Direct
from tests.fixtures.postgres import PostgresServer

SHOP = Path(__file__).parent.parent / "data" / "migrations" / "shop"
HEAD = ("0003_drop",)
ORDER = ["0001_shops", "0002_note", "9f2b7c4d1a0e", "merge_20260224_01", "0003_drop"]


@dataclass
class Artifact:
    """A version that a job can run in: a folder, and the configuration that its processes get."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    do: Direct = field(default_factory=Direct)

    def job(self, argv: tuple[str, ...], *, key: str | None, says: str, deadline_seconds: float) -> bytes:
        return self.do(
            Command(
                argv=argv, env=self.env, cwd=self.folder, key=key, says=says, deadline_seconds=deadline_seconds,
                parse=lambda output: output.stdout,
            )
        )  # fmt: skip

    def write(self, name: str, source: str) -> None:
        path = self.folder / "backend" / "db" / name
        path.write_text(source)


ALEMBIC = Alembic(directory="backend", python=sys.executable)


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    """The shop's project, with no database in its configuration."""
    shutil.copytree(SHOP, tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    return Artifact(tmp_path / "app")


@pytest.fixture
def sqlite(artifact: Artifact, tmp_path: Path) -> str:
    """The URL of an empty SQLite database, which is in the artifact's configuration."""
    artifact.env["DATABASE_URL"] = f"sqlite:///{tmp_path / 'shop.db'}"
    return artifact.env["DATABASE_URL"]


@pytest.fixture
def postgres(artifact: Artifact, postgres_database: str) -> str:
    """The URL of an empty PostgreSQL database, which is in the artifact's configuration."""
    artifact.env["DATABASE_URL"] = postgres_database.replace("postgresql://", "postgresql+psycopg://")
    return postgres_database


def plan(artifact: Artifact, *current: str) -> MigrationPlan:
    return ALEMBIC.plan(artifact.do, artifact.job, current)


def upgrade(artifact: Artifact, planned: MigrationPlan) -> None:
    ALEMBIC.upgrade(artifact.do, artifact.job, planned, "migrate")


def current(artifact: Artifact) -> tuple[str, ...]:
    engine = create_engine(artifact.env["DATABASE_URL"], poolclass=pool.NullPool)
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return ()
        return tuple(row[0] for row in connection.execute(text("SELECT version_num FROM alembic_version")))


def bounded(seconds: float) -> Alembic:
    return Alembic(directory="backend", python=sys.executable, lock_timeout_seconds=seconds, timeout_seconds=60.0)


# ---------------------------------------------------------------------------------------------------------------- plan


def test_a_plan_lists_what_is_pending_in_upgrade_order(artifact: Artifact) -> None:
    """Each revision comes after those that it follows, with what it does and its level."""
    found = plan(artifact)
    assert found.heads == HEAD
    assert sorted(m.revision for m in found.pending) == sorted(ORDER)
    place = {m.revision: i for i, m in enumerate(found.pending)}
    assert all(place[down] < place[m.revision] for m in found.pending for down in m.down_revisions)
    by_id = {m.revision: m for m in found.pending}
    assert by_id["merge_20260224_01"].down_revisions == ("0002_note", "9f2b7c4d1a0e")
    assert by_id["9f2b7c4d1a0e"].operations == ("adds table orders", "adds index uq_orders_shop on orders")
    assert by_id["0003_drop"].title == "the note is not used"
    assert by_id["0003_drop"].path == "backend/db/extra/0003_drop.py"
    assert (found.level, found.needs_stop) == (Level.L3, True)


def test_a_plan_starts_where_the_database_is(artifact: Artifact) -> None:
    """Only what the database lacks is pending: from one branch, from both, and from the head nothing."""
    assert [m.revision for m in plan(artifact, "0002_note").pending] == ORDER[2:]
    assert [m.revision for m in plan(artifact, "0002_note", "9f2b7c4d1a0e").pending] == ORDER[3:]
    at_head = plan(artifact, *HEAD)
    assert (at_head.pending, at_head.level, at_head.needs_stop) == ((), Level.L0, False)


def test_a_plan_does_not_touch_the_database(artifact: Artifact, sqlite: str) -> None:
    """Neither a file nor a table comes into being, and reading is no change."""
    plan(artifact)
    assert not Path(sqlite.removeprefix("sqlite:///")).exists()
    assert artifact.do.done == []


def test_a_database_that_is_ahead_is_seen_and_never_upgraded(artifact: Artifact, sqlite: str) -> None:
    """Revisions that the code does not know are named, and refuse the upgrade."""
    found = plan(artifact, "0099_future")
    assert (found.unknown_current, found.pending, found.level) == (("0099_future",), (), Level.L3)
    with pytest.raises(RefusedError, match="0099_future"):
        upgrade(artifact, found)
    assert artifact.do.done == []


def test_several_heads_are_all_heads(artifact: Artifact, sqlite: str) -> None:
    """A history with two heads is planned and carried out; the database must then hold both."""
    (artifact.folder / "backend/db/extra/0003_drop.py").unlink()
    (artifact.folder / "backend/db/core/merge_20260224_01.py").unlink()
    found = plan(artifact)
    assert found.heads == ("0002_note", "9f2b7c4d1a0e")
    upgrade(artifact, found)
    ALEMBIC.verify(current(artifact), found)
    with pytest.raises(VerificationError):
        ALEMBIC.verify(("0002_note",), found)


def test_dependencies_come_first(artifact: Artifact) -> None:
    """A revision that depends on one of another branch comes after it."""
    source = (artifact.folder / "backend/db/core/0002_note.py").read_text()
    artifact.write("core/0002_note.py", f'{source}\ndepends_on = "9f2b7c4d1a0e"\n')
    order = [m.revision for m in plan(artifact).pending]
    assert order.index("9f2b7c4d1a0e") < order.index("0002_note")


def test_nothing_of_the_repository_is_taken_for_what_the_job_needs(artifact: Artifact, sqlite: str) -> None:
    """Many projects keep their migrations in a folder alembic, and some have a json.py; also where PYTHONPATH names it."""
    (artifact.folder / "backend" / "alembic").mkdir()
    (artifact.folder / "backend" / "alembic" / "__init__.py").write_text("raise SystemExit('the wrong alembic')\n")
    (artifact.folder / "alembic").mkdir()
    (artifact.folder / "alembic" / "__init__.py").write_text("raise SystemExit('the wrong alembic')\n")
    for name in ("json", "typing", "logging", "tokenize", "queue"):
        (artifact.folder / f"{name}.py").write_text(f"raise SystemExit('the wrong {name}')\n")
    artifact.env["PYTHONPATH"] = str(artifact.folder)
    upgrade(artifact, plan(artifact))
    assert current(artifact) == HEAD


BROKEN: list[tuple[str, str, str]] = [
    ("core/0009_x.py", "import nothing_of_that_name\n", "ModuleNotFoundError"),
    ("core/0009_x.py", "def upgrade(:\n", "SyntaxError"),
    ("core/0009_x.py", "raise ValueError('postgres://user:hunter2@db/x')\n", "ValueError"),
    ("core/0009_x.py", "revision = '0009'\ndown_revision = 'nowhere'\n", "nowhere"),
    ("core/0009_x.py", "revision = '0001_shops_again'\ndown_revision = '0001_shops_again'\n", "0001_shops_again"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "source", "said"), BROKEN)
def test_migrations_that_cannot_be_read_are_refused(artifact: Artifact, name: str, source: str, said: str) -> None:
    """Files that do not load, and histories with holes or loops, end the plan with what is wrong."""
    artifact.write(name, source)
    with pytest.raises(InputError) as caught:
        plan(artifact)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_missing_configuration_is_refused(artifact: Artifact) -> None:
    """An alembic.ini that is not where the runbook says."""
    with pytest.raises(InputError, match=r"no alembic\.ini"):
        Alembic(directory=".", python=sys.executable).plan(artifact.do, artifact.job, ())


def test_an_artifact_that_does_not_answer_is_an_observation_error(artifact: Artifact) -> None:
    """An entry point that swallows the command is told from an empty list of migrations."""
    with pytest.raises(ObservationError):
        Alembic(python="true").plan(artifact.do, artifact.job, ())


# ------------------------------------------------------------------------------------------------------------- upgrade


def test_an_upgrade_on_sqlite_ends_at_the_heads(artifact: Artifact, sqlite: str) -> None:
    """One change carries out the plan; afterwards the database is verified and nothing is pending."""
    first = plan(artifact)
    upgrade(artifact, first)
    assert artifact.do.keys == ["migrate"]
    ALEMBIC.verify(current(artifact), first)
    upgrade(artifact, plan(artifact, *current(artifact)))
    assert artifact.do.keys == ["migrate"]


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgres", marks=pytest.mark.docker)])
def test_a_database_that_has_moved_is_not_migrated(
    artifact: Artifact, database: str, request: pytest.FixtureRequest
) -> None:
    """If the database is not where the plan saw it, nothing is changed; at the heads there is nothing to do."""
    request.getfixturevalue(database)
    stale = plan(artifact, "0001_shops")
    with pytest.raises(ActionError, match="nothing was changed: the database is at"):
        upgrade(artifact, stale)
    assert current(artifact) == ()
    fresh = plan(artifact)
    upgrade(artifact, fresh)
    upgrade(artifact, stale)
    assert current(artifact) == HEAD


def test_code_that_is_not_the_planned_one_is_not_run(artifact: Artifact, sqlite: str) -> None:
    """If the artifact's heads are others than planned, nothing is changed."""
    planned = plan(artifact)
    (artifact.folder / "backend/db/extra/0003_drop.py").unlink()
    with pytest.raises(ActionError, match="nothing was changed: the code's heads are"):
        upgrade(artifact, planned)
    assert current(artifact) == ()


@pytest.mark.docker
@pytest.mark.parametrize("per_migration", ["", "yes"])
def test_an_upgrade_on_postgres_ends_at_the_heads(artifact: Artifact, postgres: str, per_migration: str) -> None:
    """Whether all migrations are one transaction or each its own; the lock is gone afterwards."""
    artifact.env["PER_MIGRATION"] = per_migration
    planned = plan(artifact)
    upgrade(artifact, planned)
    ALEMBIC.verify(current(artifact), planned)
    with psycopg.connect(postgres) as connection:
        assert connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() == (0,)


@pytest.mark.docker
def test_a_migration_does_not_wait_for_a_lock_for_ever(artifact: Artifact, postgres: str) -> None:
    """A statement that a long transaction blocks gives up after the lock timeout, and nothing has changed."""
    before = plan(artifact)
    (artifact.folder / "backend/db/extra/0003_drop.py").rename(artifact.folder / "later.py")
    upgrade(artifact, plan(artifact))
    (artifact.folder / "later.py").rename(artifact.folder / "backend/db/extra/0003_drop.py")
    assert current(artifact) == ("merge_20260224_01",)
    with psycopg.connect(postgres) as blocker:
        blocker.execute("SELECT * FROM shops")  # holds its lock until the transaction ends
        planned = plan(artifact, *current(artifact))
        with pytest.raises(ActionError, match="lock timeout"):
            bounded(0.3).upgrade(artifact.do, artifact.job, planned, "migrate")
        assert current(artifact) == ("merge_20260224_01",)
    bounded(0.3).upgrade(artifact.do, artifact.job, planned, "migrate")
    ALEMBIC.verify(current(artifact), before)


CONCURRENTLY = """from alembic import op

revision = "0004_index"
down_revision = "merge_20260224_01"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index("by_name", "shops", ["name"], postgresql_concurrently=True)
    op.execute("ALTER TABLE orders ADD COLUMN note text")
"""


@pytest.mark.docker
def test_what_is_built_concurrently_waits_and_nothing_else_does(artifact: Artifact, postgres: str) -> None:
    """It holds up nobody while it waits for a long transaction, and would be left invalid; the ALTER TABLE after it gives
    up as any other."""
    (artifact.folder / "backend/db/extra/0003_drop.py").unlink()
    upgrade(artifact, plan(artifact))
    artifact.write("extra/0004_index.py", CONCURRENTLY)
    planned = plan(artifact, *current(artifact))
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%' AND wait_event_type = 'Lock'"
    with (
        psycopg.connect(postgres) as writer,
        psycopg.connect(postgres) as reader,
        psycopg.connect(postgres, autocommit=True) as watcher,
        ThreadPoolExecutor(1) as pool,
    ):
        writer.execute("INSERT INTO shops (id, name) VALUES (7, 'long')")
        reader.execute("SELECT * FROM orders")
        job = pool.submit(bounded(0.2).upgrade, artifact.do, artifact.job, planned, "migrate")
        seen = 0
        while seen < 5 and not job.done():  # for longer than the limit on locks
            row = watcher.execute(waiting).fetchone()
            seen += bool(row and row[0])
            watcher.execute("SELECT pg_sleep(0.1)")
        writer.commit()
        with pytest.raises(ActionError, match="lock timeout"):
            job.result(timeout=60)
        assert seen == 5
        valid = watcher.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_name'::regclass").fetchone()
        assert valid == (True,)


ENV_PY = """import os
from alembic import context
from sqlalchemy import create_engine, pool

for url, schema in zip(os.environ["URLS"].split(), os.environ["SCHEMAS"].split()):
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        if os.environ.get("MAKES"):
            connection.exec_driver_sql("CREATE TABLE made_by_the_application (n int)")
        context.configure(connection=connection, version_table="revisions", version_table_schema=schema)
        with context.begin_transaction():
            context.run_migrations(engine_name="x")
"""
FOR_EACH = """from alembic import op
import sqlalchemy as sa

revision = "a1"
down_revision = None


def upgrade(engine_name: str) -> None:
    globals()["upgrade_%s" % engine_name]()


def upgrade_x() -> None:
    op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))


def upgrade_y() -> None:
    op.add_column("t", sa.Column("note", sa.Text))
"""


@pytest.fixture
def several(artifact: Artifact, postgres_server: PostgresServer, postgres_database: str) -> Iterator[tuple[str, str]]:
    """The URLs of two databases that one env.py migrates, with a table of revisions of another name in a schema."""
    shutil.rmtree(artifact.folder / "backend/db/core")
    shutil.rmtree(artifact.folder / "backend/db/extra")
    artifact.write("env.py", ENV_PY)
    (artifact.folder / "backend/db/core").mkdir()
    artifact.write("core/a1.py", FOR_EACH)
    other = f"{postgres_database}_2"
    postgres_server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(other.rpartition("/")[2])))
    for url in (postgres_database, other):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA own")
    urls = [url.replace("postgresql://", "postgresql+psycopg://") for url in (postgres_database, other)]
    artifact.env |= {"URLS": " ".join(urls), "SCHEMAS": "own own"}
    yield postgres_database, other
    postgres_server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(other.rpartition("/")[2])))


@pytest.mark.docker
def test_where_revisions_are_kept_is_as_env_py_says(artifact: Artifact, several: tuple[str, str]) -> None:
    """Its version_table, its schema, and all databases that it connects to, before and after the migration."""
    names = [url.rpartition("/")[2] for url in several]
    found = ALEMBIC.locate(artifact.do, artifact.job)
    assert found == tuple(Place(name, "own", "revisions", ()) for name in names)
    planned = plan(artifact)
    assert planned.pending[0].operations == ("adds table t", "adds nullable column t.note")
    artifact.write("core/a1.py", FOR_EACH.replace('op.add_column("t", sa.Column("note", sa.Text))', "pass"))
    upgrade(artifact, planned)
    assert [place.revisions for place in ALEMBIC.locate(artifact.do, artifact.job)] == [("a1",), ("a1",)]


@pytest.mark.docker
def test_to_ask_where_revisions_are_changes_nothing(artifact: Artifact, several: tuple[str, str]) -> None:
    """An application that makes tables when it is loaded is told so, and makes none."""
    artifact.env["MAKES"] = "yes"
    with pytest.raises(ObservationError, match="only read"):
        ALEMBIC.locate(artifact.do, artifact.job)
    with psycopg.connect(several[0]) as connection:
        assert connection.execute("SELECT to_regclass('made_by_the_application')").fetchone() == (None,)


@pytest.mark.docker
def test_two_do_not_migrate_at_once(artifact: Artifact, postgres: str) -> None:
    """While another process holds the advisory lock, an upgrade refuses and changes nothing."""
    planned = plan(artifact)
    with psycopg.connect(postgres) as other:
        other.execute(f"SELECT pg_advisory_lock({LOCK[0]}, {LOCK[1]})")
        with pytest.raises(ActionError, match="another process migrates this database now"):
            upgrade(artifact, planned)
        assert current(artifact) == ()
    upgrade(artifact, planned)
    assert current(artifact) == HEAD


@pytest.mark.docker
def test_a_failed_migration_leaves_revision_and_schema_as_they_were(artifact: Artifact, postgres: str) -> None:
    """On PostgreSQL a migration that fails in the middle of several is undone with all of them."""
    source = (artifact.folder / "backend/db/extra/0003_drop.py").read_text()
    artifact.write("extra/0003_drop.py", source.replace('"note"', '"no_such_column"'))
    with pytest.raises(ActionError):
        upgrade(artifact, plan(artifact))
    assert current(artifact) == ()
    with psycopg.connect(postgres) as connection:
        assert connection.execute("SELECT to_regclass('shops')").fetchone() == (None,)


DROP = """import sqlalchemy as sa
from alembic import op

revision = "0003_drop"
down_revision = "merge_20260224_01"


def upgrade() -> None:
    {statement}
"""
FAILURES = [
    ("op.drop_column('shops', 'no_such_column')", r'UndefinedColumn: column "no_such_column" of relation "shops"'),
    # goes on after it, so that the last error is only "current transaction is aborted"
    (
        "import contextlib\n    with contextlib.suppress(Exception):\n        op.execute('SELECT 1 FROM gone')",
        r'UndefinedTable: relation "gone" does not exist',
    ),
    ("raise ValueError('KEY must be set')", r"ValueError: KEY must be set"),
]


@pytest.mark.docker
@pytest.mark.parametrize(("statement", "cause"), FAILURES)
def test_a_migration_that_fails_is_named_with_its_cause(
    artifact: Artifact, postgres: str, statement: str, cause: str
) -> None:
    """What somebody has to know at night: which one of how many, what the database said first, and where it is."""
    artifact.write("extra/0003_drop.py", DROP.format(statement=statement))
    with pytest.raises(ActionError) as caught:
        upgrade(artifact, plan(artifact))
    assert re.fullmatch(rf"Migration 0003_drop \(5 of 5\) failed: {cause}(.*[^.])?\.", caught.value.what)
    assert "db/extra/0003_drop.py" in caught.value.next
    assert current(artifact) == ()


@pytest.mark.docker
def test_a_version_that_does_not_reach_its_database_says_so(artifact: Artifact, postgres: str) -> None:
    """A wrong address, user or password is no migration's fault, and the last lines of a traceback tell nobody."""
    planned = plan(artifact)
    artifact.env["DATABASE_URL"] = "postgresql+psycopg://shop:secret-1@127.0.0.1:1/shop"
    with pytest.raises(ActionError, match="Migrating failed outside of any migration: OperationalError: ") as caught:
        upgrade(artifact, planned)
    assert "password in the env file" in caught.value.next
    assert "secret-1" not in str(caught.value)


@pytest.mark.docker
def test_no_row_of_the_data_is_told_when_a_migration_fails(artifact: Artifact, postgres: str) -> None:
    """Neither the parameters of a statement nor the details of a refusal: they hold what users wrote."""
    insert = (
        "op.get_bind().execute(sa.text('INSERT INTO shops (id, name) VALUES (:i, :n)'), {'i': 1, 'n': 'Anna Test'})"
    )
    artifact.write("extra/0003_drop.py", DROP.format(statement=f"{insert}\n    {insert}"))
    with pytest.raises(ActionError, match="UniqueViolation") as caught:
        upgrade(artifact, plan(artifact))
    assert "Anna Test" not in str(caught.value)


@pytest.mark.docker
def test_options_of_the_address_are_kept(artifact: Artifact, postgres: str) -> None:
    """A search path in the database's address still holds while the lock timeout is set."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA own")
    artifact.env["DATABASE_URL"] += "?options=-csearch_path%3Down"
    upgrade(artifact, plan(artifact))
    with psycopg.connect(postgres) as connection:
        assert connection.execute("SELECT to_regclass('own.shops') IS NOT NULL").fetchone() == (True,)


# -------------------------------------------------------------------------------------------------------------- answer


def test_the_last_marked_line_is_the_answer(artifact: Artifact) -> None:
    """Whatever is printed before, after, or in imitation of the answer, the job's own line counts."""
    real = artifact.job

    def noisy(argv: tuple[str, ...], *, key: str | None, says: str, deadline_seconds: float) -> bytes:
        found = real(argv, key=key, says=says, deadline_seconds=deadline_seconds)
        return b"waiting for db\n" + MARKER.encode() + b"{}\n" + found + b"\xff\xfebye\n"

    job: Callable[..., bytes] = noisy
    assert ALEMBIC.plan(artifact.do, job, ()).heads == HEAD
