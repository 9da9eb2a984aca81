"""Opening a ledger: where it may be, how it is brought up to date, and what is refused."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import make_url, text

from runwright.errors import LedgerError
from runwright.ledger import Ledger, open_ledger
from runwright.ledger.migrating import MIGRATIONS
from runwright.ledger.tables import VERSION_TABLE, metadata
from runwright.ledger.upgrade import HEAD
from tests.unit.ledger.conftest import Open

SECRET = "hunter2-hunter2"


def test_the_default_is_a_file_in_the_home_folder(runwright_home: Path) -> None:
    """Its folder is made."""
    with open_ledger() as ledger:
        ledger.check()
    assert (runwright_home / "ledger.db").is_file()


def test_only_its_owner_reads_a_ledger_on_sqlite(runwright_home: Path) -> None:
    """Nor what SQLite keeps beside it, nor the folder. One that is there already keeps its mode: a group may share it."""
    old = os.umask(0o022)
    try:
        with open_ledger() as ledger:
            ledger.leases.take("shop", "production", holder="a", run_id="r", procedure="deploy", release_id=None)
            files = {path.name: path.stat().st_mode & 0o777 for path in runwright_home.iterdir()}
        assert files == {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}
        assert runwright_home.stat().st_mode & 0o777 == 0o700
        (runwright_home / "ledger.db").chmod(0o660)
        open_ledger().close()
        assert (runwright_home / "ledger.db").stat().st_mode & 0o777 == 0o660
    finally:
        os.umask(old)


def test_the_environment_says_where_else_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RUNWRIGHT_LEDGER_URL comes before the home folder."""
    monkeypatch.setenv("RUNWRIGHT_LEDGER_URL", f"sqlite:///{tmp_path}/elsewhere/other.db")
    open_ledger().close()
    assert (tmp_path / "elsewhere" / "other.db").is_file()


def test_a_relative_path_means_the_same_file_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that changes its folder does not begin a second ledger."""
    monkeypatch.chdir(tmp_path)
    with open_ledger("sqlite:///mine.db") as ledger:
        ledger.close()
        (tmp_path / "sub").mkdir()
        monkeypatch.chdir(tmp_path / "sub")
        ledger.check()
    assert [path.name for path in tmp_path.rglob("mine.db")] == ["mine.db"] and (tmp_path / "mine.db").is_file()


@pytest.mark.docker
@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgres"])
def test_every_way_to_write_postgresql_is_understood(postgres_database: str, scheme: str) -> None:
    """The driver is psycopg 3, whether the URL names it or not."""
    with open_ledger(postgres_database.replace("postgresql", scheme, 1)) as ledger:
        ledger.check()
        assert ledger.store.engine.dialect.driver == "psycopg"


def test_a_ledger_that_is_opened_again_has_kept_everything(ledger: Ledger, ledger_url: str, opened: Open) -> None:
    """Opening brings it up to date and changes nothing else."""
    release = opened()
    with open_ledger(ledger_url) as again:
        assert again.releases.get(release.id) == release


def test_migrations_make_the_tables_that_the_code_uses(ledger: Ledger) -> None:
    """Nothing is missing and nothing differs, on either database."""

    def differences(connection: object) -> list[object]:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})  # type: ignore[arg-type]
        return list(compare_metadata(context, metadata))

    assert ledger.store.read(differences) == []


def test_the_newest_migration_is_the_revision_that_the_code_knows() -> None:
    """It is asked for without Alembic whenever a ledger is opened."""
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == HEAD


def test_a_ledger_on_sqlite_loses_nothing_in_a_power_cut(tmp_path: Path) -> None:
    """Readers and a writer do not block each other (WAL), commits reach the disk, and references are looked at."""
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        ask = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
        found = ledger.store.read(lambda c: {name: c.execute(text(f"PRAGMA {name}")).scalar_one() for name in ask})
    assert found == ask


def test_a_ledger_that_is_newer_is_refused_and_left_alone(ledger: Ledger, ledger_url: str) -> None:
    """An older Runwright would not know what it must not do."""
    newer = text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    ledger.store.write(lambda connection: connection.execute(newer))
    with pytest.raises(LedgerError, match="newer Runwright: it is at 9999, this one knows it up to 0003") as refusal:
        open_ledger(ledger_url)
    assert refusal.value.state == "Nothing was done." and "newer Runwright" in refusal.value.next
    kept = ledger.store.read(lambda c: c.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one())
    assert kept == "9999"


def test_an_application_s_database_is_not_touched(ledger_url: str, tmp_path: Path) -> None:
    """Where a table of that name is there already, nothing is made, and the application's revision is not read."""
    with open_ledger(ledger_url) as ledger:
        drop = [f"DROP TABLE {name}" for name in (VERSION_TABLE, "notes", "facts")]
        make = ["CREATE TABLE alembic_version (version_num TEXT)", "INSERT INTO alembic_version VALUES ('0001')"]
        ledger.store.write(lambda c: [c.execute(text(statement)) for statement in drop + make])
        with pytest.raises(LedgerError, match="already exists"):
            open_ledger(ledger_url)
        for table in ("notes", "facts", VERSION_TABLE):
            with pytest.raises(LedgerError):
                ledger.store.read(lambda c, table=table: c.execute(text(f"SELECT 1 FROM {table}")))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"postgresql//u:{SECRET}@h/db", "cannot be read"),
        (f"postgresql://u:{SECRET}@h:port/db", "cannot be read"),
        (f"postgresql://u:x@{SECRET}@h/db", "more than one @"),
        (f"postgresql://u:{SECRET}@h", "names no database"),
        (f"mysql://u:{SECRET}@h/db", "there are sqlite and postgresql"),
        (f"postgresql+asyncpg://u:{SECRET}@h/db", "there are sqlite and postgresql"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///file:x?mode=memory&uri=true", "in memory"),
    ],
)
def test_an_address_that_no_ledger_can_have_is_refused(url: str, says: str) -> None:
    """With an example of one that could, and without what may be a password."""
    with pytest.raises(LedgerError, match=says) as refusal:
        open_ledger(url)
    assert "postgresql://user:password@host:5432/runwright" in refusal.value.next
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    "option", ["password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key", "conninfo"]
)
def test_a_secret_among_the_options_of_an_address_is_refused(option: str) -> None:
    """Nobody hides it there. It is named but not shown, and where it belongs is told."""
    with pytest.raises(LedgerError, match=f"a secret among its options: {option}") as refusal:
        open_ledger(f"postgresql://u@h/db?connect_timeout=3&{option}={SECRET}")
    assert "~/.pgpass" in refusal.value.next
    assert SECRET not in str(refusal.value)


@pytest.mark.docker
def test_a_password_may_stand_in_a_file_that_the_address_names(postgres_database: str, tmp_path: Path) -> None:
    """The path is no secret."""
    url = make_url(postgres_database)
    passfile = tmp_path / "pgpass"
    passfile.write_text(f"{url.host}:{url.port}:{url.database}:{url.username}:{url.password}\n")
    passfile.chmod(0o600)
    named = url._replace(password=None).update_query_dict({"passfile": str(passfile)})
    with open_ledger(named.render_as_string()) as ledger:
        ledger.check()


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    """And is left as it was."""
    path = tmp_path / "notes.txt"
    path.write_text("These are my notes. " * 100)
    with pytest.raises(LedgerError, match="not a database") as refusal:
        open_ledger(f"sqlite:///{path}")
    assert "is no ledger" in refusal.value.next
    assert path.read_text() == "These are my notes. " * 100


@pytest.mark.parametrize("place", ["a-file/ledger.db", "a-folder"])
def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path, place: str) -> None:
    """A folder that cannot be made, or is where the file should be."""
    (tmp_path / "a-file").write_text("")
    (tmp_path / "a-folder").mkdir()
    with pytest.raises(LedgerError, match=place):
        open_ledger(f"sqlite:///{tmp_path / place}")


def test_an_upgrade_that_is_interrupted_leaves_nothing_half_done(tmp_path: Path) -> None:
    """It is one transaction: the next one to open the ledger finds it as it was."""
    path = tmp_path / "ledger.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE transitions (id INTEGER)")  # the migration meets it half-way
    with pytest.raises(LedgerError, match="transitions already exists"):
        open_ledger(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        assert [row[0] for row in connection.execute("SELECT name FROM sqlite_master")] == ["transitions"]
        connection.execute("DROP TABLE transitions")
    open_ledger(f"sqlite:///{path}").close()
