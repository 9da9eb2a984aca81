"""What the PostgreSQL driver asks to be done, on recorded answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runwright.databases.postgres import Postgres
from runwright.databases.postgres_client import Client, rows
from runwright.databases.postgres_dump import table_data
from runwright.databases.shape import BackupFile
from runwright.engine.actions import Command, Output, WriteFile
from runwright.engine.performer import Performer
from runwright.engine.planning import Planner
from runwright.errors import ActionError, DeadlineError, RefusedError, VerificationError
from runwright.runbook.databases.postgres import PostgresDatabase
from runwright.testing.replies import Replies

LIST = b""";
; Archive created at 2026-11-21 07:13:43 UTC
;     dbname: TABLE DATA is only a comment here
215; 1259 16385 TABLE public customer shop
3355; 0 16385 TABLE DATA public customer shop
3356; 0 16390 TABLE DATA public Odd Name shop
3357; 0 0 SEQUENCE SET public customer_id_seq shop
"""
EXEC = ("docker", "compose", "-p", "shop", "exec", "-T", "db")
SHA = "a" * 64


def out(text: str, code: int = 0) -> Output:
    return Output(code, text.encode(), b"")


def network() -> PostgresDatabase:
    return PostgresDatabase(kind="postgres", name="shop", user="owner", host="db.example.com", port=5433)


def answers(directory: Path, tables: str = "2", listed: bytes = LIST) -> dict[str, object]:
    def dump(action: object) -> None:
        assert isinstance(action, Command)
        assert action.stdout_to is not None
        directory.mkdir(exist_ok=True)
        action.stdout_to.write_bytes(b"PGDMP")

    def name(action: object) -> None:
        assert isinstance(action, Command)
        Path(action.argv[-2]).rename(action.argv[-1])

    return {
        "SHOW server_version": out("15.8 (Debian 15.8-1)\n"),
        "--version": out("pg_dump (PostgreSQL) 15.9\n"),
        "count(*)": out(f"{tables}\n"),
        "read the schema revision": out("b2\na1\n"),
        "backup/dump": dump,
        "backup/name": name,
        "sha256sum": out(f"{SHA}  x\n"),
        "--list": Output(0, listed, b""),
        "--file=/dev/null": out(""),
    }


def driver() -> Postgres:
    return Postgres(network(), None, "geheim-1", now=lambda: datetime(2020, 1, 1, tzinfo=UTC))


def test_over_the_network_the_clients_here_are_used() -> None:
    """Host, port and user are arguments; the password is not, and nobody is asked for one."""
    command = Client(network(), None, "geheim-1").query("SELECT 1", "shop", says="ask", parse=rows)
    assert command.argv == (
        "psql", "--host", "db.example.com", "--port", "5433", "--username", "owner", "--no-password",
        "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--field-separator", "\x1f",
        "--set", "ON_ERROR_STOP=1", "--dbname", "shop", "--command", "SELECT 1",
    )  # fmt: skip
    assert command.env == {"PGPASSWORD": "geheim-1"}
    assert "geheim" not in repr(command)


def test_in_a_container_the_password_is_named_and_not_written() -> None:
    """Compose passes the variable on; without a password nothing is passed."""
    place = PostgresDatabase(kind="postgres", name="shop", user="owner", service="db")
    with_password = Client(place, EXEC, "geheim-1").command("pg_dump", ("--dbname", "shop"), says="dump")
    assert with_password.argv == (
        *EXEC[:-1], "-e", "PGPASSWORD", "db", "pg_dump", "--username", "owner", "--no-password", "--dbname", "shop",
    )  # fmt: skip
    trusted = Client(place, EXEC, None).command("pg_restore", ("--list",), says="list")
    assert trusted.argv == (*EXEC, "pg_restore", "--list")
    assert trusted.env == {}


def test_tables_with_rows_are_counted_in_a_table_of_contents() -> None:
    """Comments, definitions and sequences do not count; a name may hold a space."""
    assert table_data(Output(0, LIST, b"")) == 2


def test_a_backup_is_dumped_aside_proven_and_only_then_noted(tmp_path: Path) -> None:
    """The order of the changes: dump to a partial file, its name, the note, the marker."""
    do = Replies(answers(tmp_path), lenient=True)
    backup = driver().backup(do, tmp_path, "shop-1", "backup")
    assert backup is not None
    assert do.keys == ["backup/dump", "backup/name", "backup/note", "backup/mark"]
    dump = do.changes[0]
    assert isinstance(dump, Command)
    assert dump.stdout_to == tmp_path / "shop-1.dump.partial"
    assert (backup.engine, backup.revisions, backup.bytes, backup.sha256) == ("PostgreSQL 15.8", ("a1", "b2"), 5, SHA)
    assert backup.taken_at == "2020-01-01T00:00:00+00:00"
    assert backup.seconds > 0
    assert "2 tables" in backup.proof


def test_a_fresh_dump_is_read_back_once_and_an_old_one_again(tmp_path: Path) -> None:
    """Reading a large dump takes minutes: not twice in a row; but one that was lying about is hashed and read anew."""
    do = Replies(answers(tmp_path), lenient=True)
    driver().backup(do, tmp_path, "shop-1", "backup")
    assert programs(do) == ["psql", "pg_dump", "psql", "psql", "pg_dump", "mv", "sha256sum", "pg_restore", "pg_restore"]
    (tmp_path / "shop-1.dump.json").write_bytes(noted_by(do))
    again = Replies(answers(tmp_path), lenient=True)
    driver().backup(again, tmp_path, "shop-1", "backup")
    assert programs(again) == ["sha256sum", "pg_restore", "pg_restore"]


def programs(do: Replies) -> list[str]:
    return [action.argv[0] for action in do.actions if isinstance(action, Command)]


def noted_by(do: Replies) -> bytes:
    return next(a.content for a in do.changes if isinstance(a, WriteFile) and a.key == "backup/note")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"--list": ActionError("pg_restore exited with 1")}, "cannot be read back"),
        ({"--file=/dev/null": ActionError("pg_restore exited with 1: unexpected end of file")}, "unexpected end"),
        ({"count(*)": out("3\n")}, "rows of 2 tables, the database had 3"),
    ],
)
def test_a_dump_that_cannot_be_proven_is_never_noted(tmp_path: Path, changed: dict[str, object], told: str) -> None:
    """Neither beside it nor in the marker."""
    do = Replies({**answers(tmp_path), **changed}, lenient=True)
    with pytest.raises(VerificationError, match=told):
        driver().backup(do, tmp_path, "shop-1", "backup")
    assert do.keys == ["backup/dump", "backup/name"]


def test_a_deadline_says_nothing_about_a_dump(tmp_path: Path) -> None:
    """It stays a deadline, and is not called a bad backup."""
    do = Replies({**answers(tmp_path), "--file=/dev/null": DeadlineError("too long")}, lenient=True)
    with pytest.raises(DeadlineError):
        driver().backup(do, tmp_path, "shop-1", "backup")


def test_an_older_pg_dump_than_the_server_is_told_before_dumping(tmp_path: Path) -> None:
    """pg_dump would refuse; the message says what helps."""
    do = Replies({**answers(tmp_path), "--version": out("pg_dump (PostgreSQL) 13.4\n")}, lenient=True)
    with pytest.raises(RefusedError, match=r"version 13, the server is PostgreSQL 15\.8"):
        driver().backup(do, tmp_path, "shop-1", "backup")
    assert do.keys == []


def backup_file(tmp_path: Path) -> BackupFile:
    return BackupFile(str(tmp_path / "shop-1.dump"), 5, SHA, 1.0, "PostgreSQL 15.8", ("a1",))


def test_a_restore_is_one_transaction_into_a_database_made_for_it(tmp_path: Path) -> None:
    """Created, marked with the dump's hash, restored; then counted."""
    do = Replies(
        {
            "shobj_description": out(""),
            "pg_encoding_to_char": out("UTF8\x1fC.UTF-8\x1fde'x\n"),
            "count(*)": out("2\n"),
            "read the schema revision": out("a1\n"),
        },
        lenient=True,
    )
    assert driver().restore(do, backup_file(tmp_path), "rw_scratch_x", "drill") == "rw_scratch_x"
    assert do.keys == ["drill/create", "drill/comment", "drill/restore"]
    create, comment, restore = (a.argv for a in do.changes if isinstance(a, Command))
    assert create[-1] == (
        "CREATE DATABASE \"rw_scratch_x\" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'de''x'"
    )
    assert comment[-1].endswith(f"'runwright: restored from {SHA}'")
    assert restore[-5:] == ("--exit-on-error", "--single-transaction", "--no-owner", "--dbname", "rw_scratch_x")


def test_a_restored_database_at_another_revision_is_told(tmp_path: Path) -> None:
    """What came back must be what was backed up."""
    mark = f"runwright: restored from {SHA}"
    known = {"shobj_description": out(f"{mark}\n"), "count(*)": out("2\n")}
    do = Replies({**known, "read the schema revision": out("other\n")})
    with pytest.raises(VerificationError, match="at revision other"):
        driver().restore(do, backup_file(tmp_path), "rw_scratch_x", "drill")


def test_a_database_that_is_not_there_is_dropped_by_doing_nothing() -> None:
    """Dropped twice is dropped."""
    do = Replies({"shobj_description": out("")})
    driver().drop_scratch(do, "rw_scratch_x", "drop")
    assert do.changes == []


def test_a_backup_whose_file_is_gone_is_not_proven(tmp_path: Path) -> None:
    """Nor one that was never noted."""
    with pytest.raises(VerificationError, match="not noted"):
        driver().prove(Replies({}), replace(backup_file(tmp_path)))


def test_a_plan_shows_the_dump_the_drill_and_their_exact_words(tmp_path: Path) -> None:
    """Backup, restore into a scratch database and its end, whatever came before."""
    plan = Planner(Performer())
    plan(WriteFile(says="something before", key="before", path=Path("/nowhere"), content=b""))
    database = driver()
    backup = database.backup(plan, tmp_path, "shop-1", "backup")
    assert backup is not None
    database.restore(plan, backup, "rw_scratch_x", "drill")
    database.drop_scratch(plan, "rw_scratch_x", "drill")
    assert [step.key for step in plan.steps[1:]] == [
        "backup/dump", "backup/name", "backup/note", "backup/mark", "drill/create", "drill/comment", "drill/restore",
        "drill/drop",
    ]  # fmt: skip
    assert plan.steps[1].exact.endswith(f"--format=custom --dbname shop > {tmp_path}/shop-1.dump.partial")
