"""Backups of SQLite files, against real files: the copy runs in a process of its own."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
import threading
from datetime import datetime
from pathlib import Path

import pytest

from runwright.databases.shape import LAST_SUCCESS, SCRATCH_MARK
from runwright.databases.sqlite import Sqlite
from runwright.errors import ActionError, InputError, RefusedError, VerificationError
from runwright.testing.direct import Direct


def filled(path: Path, rows: int = 20, *, wal: bool = False) -> Path:
    with sqlite3.connect(path) as connection:
        if wal:
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('0002')")
        connection.execute('CREATE TABLE "it\'s ""a"" name" (n INTEGER PRIMARY KEY, word TEXT)')
        connection.executemany('INSERT INTO "it\'s ""a"" name" (word) VALUES (?)', [("x" * 100,)] * rows)
    connection.close()
    return path


@pytest.fixture
def live(tmp_path: Path) -> Path:
    return filled(tmp_path / "shop with space?#%.db")


@pytest.fixture
def database(live: Path) -> Sqlite:
    return Sqlite(live, sys.executable)


def test_a_backup_is_proven_and_says_what_it_holds(database: Sqlite, tmp_path: Path) -> None:
    """The copy's hash, size, revisions and proof are those of the file, and LAST_SUCCESS says when it was taken."""
    backup = database.backup(Direct(), tmp_path / "backups", "first", "backup")
    assert backup is not None
    file = Path(backup.location)
    assert (backup.bytes, backup.revisions) == (file.stat().st_size, ("0002",))
    assert "2 tables with 21 rows" in backup.proof
    assert file.stat().st_mode & 0o077 == 0, "a backup holds everybody's data"
    marker = (tmp_path / "backups" / LAST_SUCCESS).read_text()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n", marker), "health checks read the time and nothing else"
    assert datetime.fromisoformat(marker.strip()) == datetime.fromisoformat(backup.taken_at)


def test_a_backup_of_the_same_name_is_taken_once(database: Sqlite, live: Path, tmp_path: Path) -> None:
    """Repeating it changes nothing, even if the live database has moved on."""
    do = Direct()
    first = database.backup(do, tmp_path / "b", "one", "backup")
    with sqlite3.connect(live) as connection:
        connection.execute("DROP TABLE alembic_version")
    connection.close()
    assert database.backup(do, tmp_path / "b", "one", "backup") == first
    assert do.keys == ["backup/copy", "backup/mark"]


@pytest.mark.parametrize("content", [None, b""], ids=["no file", "empty file"])
def test_where_there_is_nothing_there_is_no_backup(tmp_path: Path, content: bytes | None) -> None:
    """A database that was never made is told so: no backup, no marker, no revision, and no file is made by looking."""
    path = tmp_path / "none.db"
    if content is not None:
        path.write_bytes(content)
    database, do = Sqlite(path, sys.executable), Direct()
    assert database.backup(do, tmp_path / "b", "one", "backup") is None
    assert database.revisions(do) == ()
    assert database.tables(do) == frozenset()
    assert ("(no file yet)" in database.reachable(do)) is (content is None)
    assert not (tmp_path / "b").exists() and path.exists() is (content is not None)


def test_a_copy_is_one_moment_while_writers_write(tmp_path: Path) -> None:
    """Under steady writes in WAL mode the copy holds exactly the rows that were counted at its moment."""
    path = filled(tmp_path / "busy.db", wal=True)
    stop = threading.Event()

    def write() -> None:
        with sqlite3.connect(path, timeout=30) as connection:
            while not stop.is_set():
                connection.execute('INSERT INTO "it\'s ""a"" name" (word) VALUES (?)', ("y" * 500,))
                connection.commit()
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            assert Sqlite(path, sys.executable).backup(Direct(), tmp_path / "b", f"n{number}", f"b{number}")
    finally:
        stop.set()
        writer.join()


def spoiled_content(copy: Path) -> None:
    data = bytearray(copy.read_bytes())
    data[-50:] = b"\xff" * 50
    copy.write_bytes(data)


def lost_rows(copy: Path) -> None:
    manifest = copy.with_name(copy.name + ".json")
    note = json.loads(manifest.read_text())
    note["tables"]["alembic_version"] = 7
    manifest.write_text(json.dumps(note))


def cut(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes()[:100])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (spoiled_content, "sha256"),
        (lost_rows, "alembic_version has 1 rows, the source had 7"),
        (cut, "not good|read back"),
        (Path.unlink, "read back"),
        (lambda copy: copy.with_name(copy.name + ".json").unlink(), "not noted"),
    ],
    ids=["other bytes", "lost rows", "cut", "gone", "no note"],
)
def test_a_spoiled_backup_is_never_proven(database: Sqlite, tmp_path: Path, spoil, says: str) -> None:
    """Whatever happened to the file since, prove says so, and LAST_SUCCESS is not written anew."""
    backup = database.backup(Direct(), tmp_path / "b", "one", "backup")
    assert backup is not None
    spoil(Path(backup.location))
    with pytest.raises(VerificationError, match=says):
        database.prove(Direct(), backup)


def test_a_damaged_source_gives_no_proven_backup(live: Path, tmp_path: Path) -> None:
    """Damage that is in the live file is found in the copy; no LAST_SUCCESS is written."""
    data = bytearray(live.read_bytes())
    data[4096 * 2 : 4096 * 2 + 200] = b"\x00" * 200
    live.write_bytes(data)
    with pytest.raises((VerificationError, ActionError)):
        Sqlite(live, sys.executable).backup(Direct(), tmp_path / "b", "one", "backup")
    assert not (tmp_path / "b" / LAST_SUCCESS).exists()


def test_what_is_no_database_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    """A file of something else is neither reachable nor at revision ()."""
    path = tmp_path / "x.db"
    path.write_text("no database at all" * 100)
    for ask in (Sqlite(path, sys.executable).reachable, Sqlite(path, sys.executable).revisions):
        with pytest.raises(ActionError) as caught:
            ask(Direct())
        assert caught.value.next


def test_a_restore_makes_a_new_database_once(database: Sqlite, live: Path, tmp_path: Path) -> None:
    """It holds the same; repeated it changes nothing; dropping it leaves nothing behind."""
    do, name = Direct(), f"{SCRATCH_MARK}shop_1"
    backup = database.backup(do, tmp_path / "b", "one", "backup")
    assert backup is not None
    where = database.restore(do, backup, name, "scratch")
    assert Path(where).read_bytes() == Path(backup.location).read_bytes()
    assert database.restore(do, backup, name, "scratch") == where
    database.drop_scratch(do, name, "scratch")
    database.drop_scratch(do, name, "scratch")
    assert do.keys[2:] == ["scratch/restore", "scratch/drop"]
    assert not Path(where).exists() and live.exists()


def test_a_restore_never_replaces_anything(tmp_path: Path) -> None:
    """Not the live database, and not a file that somebody else put there."""
    live = filled(tmp_path / "shop.db")
    database, do = Sqlite(live, sys.executable), Direct()
    backup = database.backup(do, tmp_path / "b", "one", "backup")
    assert backup is not None
    (tmp_path / "other.db").write_text("mine")
    for into, error in [("shop", RefusedError), ("other", RefusedError), ("../shop", InputError)]:
        with pytest.raises(error):
            database.restore(do, backup, into, "restore")
    assert (tmp_path / "other.db").read_text() == "mine"


@pytest.mark.parametrize("name", ["shop", "rw_scratch_../shop", "", "rw_scratch_A b"])
def test_only_what_carries_our_mark_is_dropped(database: Sqlite, name: str) -> None:
    """A name without the mark, or with a way out of the folder, is refused."""
    with pytest.raises(RefusedError):
        database.drop_scratch(Direct(), name, "drop")


@pytest.mark.parametrize("name", ["../x", "", "a/b", ".hidden", "x" * 200])
def test_a_backup_name_is_a_plain_file_name(database: Sqlite, tmp_path: Path, name: str) -> None:
    """Nothing that leads out of the folder is taken."""
    with pytest.raises(InputError):
        database.backup(Direct(), tmp_path, name, "backup")
