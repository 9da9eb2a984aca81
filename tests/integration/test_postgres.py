"""The PostgreSQL driver against a real server: over the network, and inside of a Compose project."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from runwright.databases.postgres import Postgres
from runwright.engine.actions import Command
from runwright.errors import ActionError, InputError, RefusedError, VerificationError
from runwright.runbook.databases.postgres import PostgresDatabase
from runwright.testing.direct import Direct
from tests.fixtures.engine import Docker
from tests.fixtures.postgres import PostgresServer

pytestmark = pytest.mark.docker

SCHEMA = """
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('merge_20260224_01');
CREATE TABLE customer (id serial PRIMARY KEY, name text NOT NULL);
INSERT INTO customer (name) SELECT md5(n::text) || md5((n * 7)::text) FROM generate_series(1, 3000) n;
CREATE TABLE "Odd Name" (id int);
CREATE VIEW names AS SELECT name FROM customer;
"""


@pytest.fixture
def place(postgres_database: str, postgres_server: PostgresServer) -> PostgresDatabase:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(SCHEMA)
    return PostgresDatabase(
        kind="postgres",
        name=urlsplit(postgres_database).path[1:],
        user=postgres_server.user,
        host=postgres_server.host,
        port=postgres_server.port,
    )


@pytest.fixture
def shop(place: PostgresDatabase, postgres_server: PostgresServer) -> Postgres:
    return Postgres(place, None, postgres_server.password)


@pytest.fixture
def scratch(postgres_server: PostgresServer) -> Iterator[str]:
    name = f"rw_scratch_{secrets.token_hex(4)}"
    yield name
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def count(server: PostgresServer, database: str, table: str = "customer") -> int:
    with psycopg.connect(server.url(database)) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    return int(row[0])


def test_it_tells_the_server_and_the_revisions(shop: Postgres) -> None:
    """Name and version of the server; revisions whatever their form; () where alembic never was."""
    do = Direct()
    assert shop.reachable(do).startswith("PostgreSQL 15.")
    assert shop.revisions(do) == ("merge_20260224_01",)
    assert do.keys == []


def test_a_database_without_alembic_has_no_revisions(postgres_database: str, postgres_server: PostgresServer) -> None:
    """An empty answer, not an error."""
    place = PostgresDatabase(
        kind="postgres", name=urlsplit(postgres_database).path[1:], user=postgres_server.user, host="127.0.0.1",
        port=postgres_server.port,
    )  # fmt: skip
    database, do = Postgres(place, None, postgres_server.password), Direct()
    assert (database.revisions(do), database.tables(do)) == ((), frozenset())
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num text)")
        assert not database.tables(do)
        connection.execute(
            'CREATE SCHEMA away; CREATE TABLE "Old, \n""ones" (a int); CREATE TABLE away.customers (name text)'
        )
    odd = 'Old, \n"ones'
    assert (database.revisions(do), database.tables(do)) == ((), {odd, f"public.{odd}", "away.customers"})


BROKEN_OFF = """
CREATE SCHEMA other;
CREATE TABLE other.twice (n int);
INSERT INTO other.twice VALUES (1), (1);
CREATE TABLE part (n int, at date) PARTITION BY RANGE (at);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE INDEX waits_for_partitions ON ONLY part (n);
"""


def test_what_a_concurrent_build_left_is_found_and_removed(shop: Postgres, postgres_database: str) -> None:
    """An invalid index in any schema is named as the server writes it, and removed while users go on; an index that only
    waits for those of its partitions is no fault."""
    do = Direct()
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(BROKEN_OFF)
        assert shop.unfinished(do) == ()
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute('CREATE UNIQUE INDEX CONCURRENTLY "By N" ON other.twice (n)')
        (left,) = shop.unfinished(do)
        assert (left.name, left.index, left.busy) == ('other."By N"', True, False)
        assert left.says == 'the invalid index other."By N" of other.twice, whose building did not come to its end'
        shop.remove(do, left, "deploy/unfinished/x")
        assert shop.unfinished(do) == ()
    assert do.keys == ["deploy/unfinished/x"]


def test_a_partition_that_is_half_detached_is_named(shop: Postgres, postgres_database: str) -> None:
    """DETACH CONCURRENTLY that was cut short is finished by a statement of its own, and is no index to be removed."""
    with (
        psycopg.connect(postgres_database, autocommit=True) as connection,
        psycopg.connect(postgres_database) as reader,
    ):
        connection.execute(BROKEN_OFF)
        reader.execute("SELECT * FROM part")
        connection.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            connection.execute("ALTER TABLE part DETACH PARTITION part_1 CONCURRENTLY")
        (left,) = shop.unfinished(Direct())
        assert (left.name, left.index) == ("part_1", False)
        reader.rollback()
        connection.execute(left.remedy)
        assert shop.unfinished(Direct()) == ()


def test_a_backup_is_proven_restored_beside_and_the_same(
    shop: Postgres, postgres_server: PostgresServer, scratch: str, tmp_path: Path
) -> None:
    """Dump, proof, marker; restored into a new database it holds the same rows and revision; dropped twice."""
    do = Direct()
    backup = shop.backup(do, tmp_path, "shop-1", "backup")
    assert backup is not None
    assert do.keys == ["backup/dump", "backup/name", "backup/note", "backup/mark"]
    assert backup.revisions == ("merge_20260224_01",)
    assert backup.bytes == Path(backup.location).stat().st_size > 10_000
    assert "3 tables" in backup.proof
    assert Path(backup.location).stat().st_mode & 0o777 == 0o600
    marker = datetime.fromisoformat((tmp_path / "LAST_SUCCESS.txt").read_text().strip())
    assert marker == datetime.fromisoformat(backup.taken_at)
    assert shop.restore(do, backup, scratch, "drill") == scratch
    assert count(postgres_server, scratch) == 3000
    assert count(postgres_server, scratch, '"Odd Name"') == 0
    before = list(do.keys)
    assert shop.restore(do, backup, scratch, "again") == scratch
    assert do.keys == before
    shop.drop_scratch(do, scratch, "drop")
    shop.drop_scratch(do, scratch, "dropped")
    assert do.keys == [*before, "drop/drop"]


def test_a_whole_backup_is_not_taken_again(shop: Postgres, tmp_path: Path) -> None:
    """The same name again proves the dump that is there."""
    first, again = Direct(), Direct()
    backup = shop.backup(first, tmp_path, "shop-1", "backup")
    assert shop.backup(again, tmp_path, "shop-1", "backup") == backup
    assert again.keys == []


@pytest.mark.parametrize("keep", [0.5, 0.95], ids=["half", "nearly all"])
def test_a_dump_that_is_cut_off_is_no_backup(shop: Postgres, tmp_path: Path, keep: float) -> None:
    """pg_restore --list accepts it; its hash does not, and reading it to its end does not either."""
    do = Direct()
    backup = shop.backup(do, tmp_path, "shop-1", "backup")
    assert backup is not None
    dump = Path(backup.location)
    whole = dump.read_bytes()
    dump.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(VerificationError, match="sha256"):
        shop.prove(do, backup)
    note = json.loads((tmp_path / "shop-1.dump.json").read_bytes())
    note["backup"]["sha256"] = do(
        Command(says="hash", argv=("sha256sum", str(dump)), parse=lambda o: o.text.split()[0])
    )
    (tmp_path / "shop-1.dump.json").write_text(json.dumps(note))
    with pytest.raises(VerificationError, match="cannot be read back"):
        shop.prove(do, type(backup).from_json(note["backup"]))
    dump.unlink()
    with pytest.raises(VerificationError, match="gone"):
        shop.prove(do, backup)


def test_a_failed_dump_leaves_the_marker_as_it_was(
    shop: Postgres, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """pg_dump's own exit status counts; the marker still names the backup before, and no file looks like a backup."""
    do = Direct()
    shop.backup(do, tmp_path, "good", "one")
    before = (tmp_path / "LAST_SUCCESS.txt").read_bytes()
    wrong = PostgresDatabase(
        kind="postgres", name="no_such_database", user="postgres", host="127.0.0.1", port=postgres_server.port
    )
    with pytest.raises(ActionError, match="no_such_database"):
        Postgres(wrong, None, postgres_server.password).backup(do, tmp_path, "bad", "two")
    assert (tmp_path / "LAST_SUCCESS.txt").read_bytes() == before
    assert not (tmp_path / "bad.dump").exists()


def test_nothing_is_ever_restored_over_what_holds_something(
    place: PostgresDatabase, shop: Postgres, postgres_server: PostgresServer, scratch: str, tmp_path: Path
) -> None:
    """Not over the live database, not into one that holds tables, and only marked databases are dropped."""
    do = Direct()
    backup = shop.backup(do, tmp_path, "shop-1", "backup")
    assert backup is not None
    live = place.name
    with pytest.raises(RefusedError, match="never restored over the live database"):
        shop.restore(do, backup, live, "drill")
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{scratch}"')
    with psycopg.connect(postgres_server.url(scratch), autocommit=True) as connection:
        connection.execute("CREATE TABLE somebody (id int)")
    with pytest.raises(RefusedError, match="1 tables that are not this backup's"):
        shop.restore(do, backup, scratch, "drill")
    with pytest.raises(RefusedError, match="our mark"):
        shop.drop_scratch(do, live, "drop")
    with pytest.raises(InputError):
        shop.restore(do, backup, "x; DROP DATABASE y", "drill")


def test_a_restore_that_fails_leaves_nothing_inside(
    shop: Postgres, postgres_server: PostgresServer, scratch: str, tmp_path: Path
) -> None:
    """One transaction: a dump that breaks off is restored not at all, and the next try begins anew."""
    do = Direct()
    backup = shop.backup(do, tmp_path, "shop-1", "backup")
    assert backup is not None
    dump = Path(backup.location)
    whole = dump.read_bytes()
    dump.write_bytes(whole[: int(len(whole) * 0.9)])
    with pytest.raises(ActionError):
        shop.restore(do, backup, scratch, "drill")
    dump.write_bytes(whole)
    assert shop.restore(do, backup, scratch, "again") == scratch
    assert count(postgres_server, scratch) == 3000


def test_the_password_is_in_no_argument(
    place: PostgresDatabase, shop: Postgres, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """It reaches pg_dump by environment only, and a wrong one is an error that does not show it."""
    do = Direct()
    shop.backup(do, tmp_path, "shop-1", "backup")
    words = [repr(action) for action in do.done]
    assert words
    assert not [text for text in words if postgres_server.password in text]
    wrong = Postgres(place, None, "not-the-password-9")
    with pytest.raises(ActionError) as caught:
        wrong.reachable(do)
    assert "password authentication failed" in str(caught.value)
    assert "not-the-password-9" not in str(caught.value)


@pytest.fixture
def compose_postgres(docker: Docker, tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """The words before a program that runs in the database service of a Compose project."""
    project = f"rwt-compose-pg-{secrets.token_hex(4)}"
    (tmp_path / "docker-compose.yml").write_text(
        "services:\n  db:\n    image: postgres:15\n    environment: {POSTGRES_DB: shop, POSTGRES_USER: shop, "
        "POSTGRES_PASSWORD: in-the-container, POSTGRES_HOST_AUTH_METHOD: scram-sha-256, "
        "POSTGRES_INITDB_ARGS: --auth-local=scram-sha-256}\n    tmpfs: [/var/lib/postgresql/data]\n"
        '    healthcheck: {test: ["CMD", "pg_isready", "-h", "127.0.0.1", "-U", "shop"], interval: 1s, retries: 60}\n'
    )
    call = ("compose", "-p", project, "-f", str(tmp_path / "docker-compose.yml"))
    docker.run(*call, "up", "-d", "--wait", env=dict(os.environ))
    yield ("docker", "compose", "-p", project, "exec", "-T", "db")
    docker.run(*call, "down", "-v", "--timeout", "0")


def test_inside_of_a_compose_service_the_servers_own_programs_are_used(
    compose_postgres: tuple[str, ...], tmp_path: Path
) -> None:
    """Backup, proof and restore need no client on this machine and no port; the password goes in by environment."""
    do = Direct()
    place = PostgresDatabase(kind="postgres", name="shop", user="shop", service="db")
    shop = Postgres(place, compose_postgres, "in-the-container")
    for number, statement in enumerate(s for s in SCHEMA.split(";") if s.strip()):
        do(shop._client.statement(statement, "shop", "make a table", f"schema/{number}"))
    assert shop.reachable(do).startswith("PostgreSQL 15.")
    backup = shop.backup(do, tmp_path / "dumps", "shop-1", "backup")
    assert backup is not None
    assert "3 tables" in backup.proof
    assert shop.restore(do, backup, "rw_scratch_drill", "drill") == "rw_scratch_drill"
    shop.drop_scratch(do, "rw_scratch_drill", "drop")
    assert shop.revisions(do) == ("merge_20260224_01",)
    assert not [a for a in do.done if isinstance(a, Command) and "in-the-container" in " ".join(a.argv)]
