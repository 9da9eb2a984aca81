"""A SQLite file: copied with the online backup API while it is used, proven by reading the copy."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runwright.databases import sqlite_copy
from runwright.databases.shape import (
    LAST_SUCCESS,
    MOST_ROWS,
    BackupFile,
    Database,
    Rows,
    T,
    Unfinished,
    checked_backup_name,
    checked_database_name,
    checked_scratch,
    last_success,
    note_of,
)
from runwright.engine.actions import Action, Command, Do, Output, Read, WriteFile
from runwright.errors import ActionError, RefusedError, VerificationError
from runwright.plural import plural
from runwright.runbook.databases.sqlite import SqliteDatabase
from runwright.site import Site

COPY_SECONDS = 1800.0
LOOK_SECONDS = 1800.0


@dataclass(frozen=True)
class Contents:
    """What a copy holds, or should hold: the rows of its tables, its schema revisions, its hash and size."""

    integrity: str
    tables: dict[str, int]
    revisions: tuple[str, ...]
    sha256: str
    bytes: int


class Sqlite(Database):
    """The SQLite database in the file ``path``, absolute; ``python`` runs what copies it.

    In rollback-journal mode writers wait while the copy is made; in WAL mode they do not.
    """

    def __init__(self, path: Path, python: str) -> None:
        self._path = path
        self._python = python

    def reachable(self, do: Do) -> str:
        """Return "SQLite 3.40.1", with "(no file yet)" before the first start. Raise ActionError if it is no database."""
        return do(Read(says=f"open the database {self._path}", function=self._version, assume="SQLite"))

    def revisions(self, do: Do) -> tuple[str, ...]:
        """Return the rows of alembic_version, sorted; () if that table or the whole file is not there."""
        return do(Read(says=f"read the schema revision of {self._path}", function=self._revisions))

    def schema(self, do: Do) -> str:
        """Return a fingerprint of the schema: the text of everything in sqlite_master."""
        return do(Read(says=f"read the schema of {self._path}", function=self._schema))

    def tables(self, do: Do) -> frozenset[str]:
        """Return the names of the tables besides alembic_version."""
        return do(Read(says=f"see which tables {self._path} holds", function=self._tables, assume=frozenset()))

    def unfinished(self, do: Do) -> tuple[Unfinished, ...]:  # noqa: ARG002 - nothing has to be asked
        """Return (): in SQLite a statement has happened, or has not."""
        return ()

    def question(self, query: str, seconds: float, says: str, parse: Rows[T], assume: Any) -> Action[T]:
        """Return the read that runs one query on a connection that only reads."""
        return Read(says=says, function=lambda: parse(*self._asked(query, seconds)), assume=assume)

    def _asked(self, query: str, seconds: float) -> tuple[bytes, float, str]:
        begun = time.monotonic()
        if not self._path.exists():
            raise ActionError(f"There is no database {self._path} yet.", state="Nothing was asked.")
        with closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True, timeout=seconds)) as connection:
            connection.set_progress_handler(lambda: time.monotonic() - begun > seconds, 1000)
            try:
                cursor = connection.execute(f"SELECT * FROM ({query.strip().rstrip(';')}\n) LIMIT {MOST_ROWS}")  # noqa: S608
                names = [column[0] for column in cursor.description]
                found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            except sqlite3.Error as error:
                return b"[]", time.monotonic() - begun, str(error)
        return json.dumps(found, default=repr).encode(), time.monotonic() - begun, ""

    def remove(self, do: Do, left: Unfinished, key: str) -> None:
        """Do nothing: there is nothing unfinished."""

    def backup(self, do: Do, directory: Path, name: str, key: str) -> BackupFile | None:
        """Take a backup ``name`` in ``directory``, prove it, write LAST_SUCCESS, and return it with its proof.

        Return None if there is no database file yet, or an empty one. Raise ActionError if it cannot be taken,
        VerificationError if it cannot be proven; LAST_SUCCESS stays as it was then.
        """
        copy = directory / f"{checked_backup_name(name)}.db"
        if not do(Read(says=f"see whether {self._path} holds anything", function=self._holds_anything, assume=True)):
            return None
        if do(self._noted(copy)) is None:
            do(
                Command(
                    argv=self._words("backup", str(self._path), str(copy)),
                    deadline_seconds=COPY_SECONDS,
                    says=f"back up {self._path} to {copy}",
                    key=f"{key}/copy",
                )
            )
        noted = do(self._noted(copy, assume=BackupFile(str(copy), 0, "", 0.0, "SQLite", ())))
        if noted is None:
            raise ActionError(
                f"The backup {copy} is not whole: what it holds was not noted beside it.",
                state="The live database was only read.",
                next="Take another backup; this file may be removed.",
            )
        proven = self.prove(do, noted)
        marker = directory / LAST_SUCCESS
        if do(Read(says=f"read {marker}", function=lambda: _bytes(marker), assume=b"")) != last_success(proven):
            do(WriteFile(path=marker, content=last_success(proven), says=f"note it in {marker}", key=f"{key}/mark"))
        return proven

    def prove(self, do: Do, backup: BackupFile) -> BackupFile:
        """Read the whole copy back and return ``backup`` with what was found. Only reads.

        Raise VerificationError if the file is not there or not what was written, if SQLite finds it damaged, or if a
        table has other rows than the source had at that moment.
        """
        copy = Path(backup.location)
        wanted = do(Read(says=f"read what {copy} should hold", function=lambda: _wanted(copy), assume=None))
        look = Command(
            argv=self._words("look", str(copy)),
            deadline_seconds=LOOK_SECONDS,
            parse=_looked,
            says=f"read the backup {copy} back",
            assume=None,
        )
        found = _found(do, look, copy)
        if found is None:
            return backup  # in a plan: there is nothing to look at yet
        problem = _difference(backup, wanted, found)
        if problem:
            raise VerificationError(
                f"The backup {copy} is not good: {problem}.",
                state=f"The live database was only read. {LAST_SUCCESS} still names the backup before.",
                next="Check the disk and the live database (PRAGMA integrity_check), then take another backup.",
            )
        rows = sum(found.tables.values())
        proof = (
            f"read back whole: integrity check ok, {plural(len(found.tables), 'table')} with {plural(rows, 'row')} as in the source, "
            f"sha256 {found.sha256[:12]}"
        )
        return replace(backup, proof=proof)

    def restore(self, do: Do, backup: BackupFile, into: str, key: str) -> str:
        """Restore ``backup`` into a new file ``into``.db beside the live one, and return that file.

        Raise RefusedError if that is the live database or a file that is something else already.
        """
        target = self._beside(checked_database_name(into, self._path.stem))
        there = do(Read(says=f"see whether {target} is there", function=lambda: _hash(target), assume=""))
        if there and there != backup.sha256:
            raise RefusedError(
                f"{target} is there already and is not this backup.",
                state="Nothing was changed.",
                next="Restore into another name, or remove that file if nobody needs it.",
            )
        if not there:
            do(
                Command(
                    argv=self._words("restore", backup.location, str(target)),
                    deadline_seconds=COPY_SECONDS,
                    says=f"restore {backup.location} into the new file {target}",
                    key=f"{key}/restore",
                )
            )
        return str(target)

    def drop_scratch(self, do: Do, into: str, key: str) -> None:
        """Remove the file of ``into`` if it is there. Raise RefusedError if its name lacks our mark."""
        target = self._beside(checked_scratch(into))
        if do(Read(says=f"see whether {target} is there", function=target.exists, assume=True)):
            do(Command(argv=self._words("drop", str(target)), says=f"remove {target}", key=f"{key}/drop"))

    def _words(self, *words: str) -> tuple[str, ...]:
        return (self._python, "-P", "-m", "runwright.databases.sqlite_copy", *words)

    def _beside(self, name: str) -> Path:
        return self._path.with_name(f"{name}.db")

    def _holds_anything(self) -> bool:
        return self._path.exists() and self._path.stat().st_size > 0

    def _version(self) -> str:
        version = f"SQLite {sqlite3.sqlite_version}"
        if not self._path.exists():
            return f"{version} (no file yet)"
        self._ask(sqlite_copy.tables)
        return version

    def _revisions(self) -> tuple[str, ...]:
        return self._ask(sqlite_copy.revisions) if self._holds_anything() else ()

    def _schema(self) -> str:
        lines = self._ask(_master) if self._holds_anything() else []
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def _tables(self) -> frozenset[str]:
        query = (
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('alembic_version', 'sqlite_sequence')"
        )
        if not self._holds_anything():
            return frozenset()
        return self._ask(lambda connection: frozenset(row[0] for row in connection.execute(query)))

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with sqlite_copy.opened(self._path) as connection:
                return question(connection)
        except sqlite3.Error as error:
            raise ActionError(
                f"The database {self._path} cannot be read: {error}.",
                state="It was not changed.",
                next="Check that this user may read it, that its disk is there, and PRAGMA integrity_check.",
            ) from error

    def _noted(self, copy: Path, assume: BackupFile | None = None) -> Read[BackupFile | None]:
        return Read(says=f"see whether the backup {copy} is there", function=lambda: _backup(copy), assume=assume)


def _master(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name, tbl_name")
    return [" ".join(str(value) for value in row) for row in rows]


def _found(do: Do, look: Command[Contents | None], copy: Path) -> Contents | None:
    try:
        return do(look)
    except ActionError as error:
        if type(error) is not ActionError:
            raise  # a deadline or a cancel says nothing about the copy
        raise VerificationError(
            f"The backup {copy} cannot be read back: {error.what}",
            state=f"The live database was only read. {LAST_SUCCESS} still names the backup before.",
            next="Check that the file is there and its disk is sound, then take another backup.",
        ) from error


def _difference(backup: BackupFile, wanted: dict[str, int] | None, found: Contents) -> str:
    """Return the first thing that is not as it should be, or ""."""
    if found.sha256 != backup.sha256 or found.bytes != backup.bytes:
        return f"its sha256 is {found.sha256[:12]} ({found.bytes} bytes), {backup.sha256[:12]} was written"
    if found.integrity != "ok":
        return f"SQLite finds it damaged ({found.integrity[:200]})"
    if wanted is None:
        return "what it should hold was not noted beside it"
    for table in sorted({*wanted, *found.tables}):
        if wanted.get(table) != found.tables.get(table):
            return f"{table} has {found.tables.get(table)} rows, the source had {wanted.get(table)}"
    if found.revisions != backup.revisions:
        return f"its schema revision is {found.revisions}, the source had {backup.revisions}"
    return ""


def _looked(output: Output) -> Contents:
    data = json.loads(output.stdout)
    return Contents(**{**data, "revisions": tuple(data["revisions"])})


def _note(copy: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(note_of(copy).read_bytes())) if copy.exists() else None
    except (FileNotFoundError, ValueError):
        return None


def _backup(copy: Path) -> BackupFile | None:
    note = _note(copy)
    return BackupFile.from_json(note["backup"]) if note else None


def _wanted(copy: Path) -> dict[str, int] | None:
    note = _note(copy)
    return dict(note["tables"]) if note else None


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _hash(path: Path) -> str:
    return sqlite_copy.sha256(path) if path.exists() else ""


class _Kind:
    def made(
        self,
        site: Site,
        fill: Callable[[str], str],  # noqa: ARG002 - a file has no password
        entering: Callable[[str], tuple[str, ...]],  # noqa: ARG002
        tables: Sequence[tuple[str | None, str]] = (),  # noqa: ARG002
    ) -> Sqlite:
        assert isinstance(site.place.database, SqliteDatabase)
        return Sqlite(site.root / site.place.database.path, sys.executable)


DATABASE = _Kind()
