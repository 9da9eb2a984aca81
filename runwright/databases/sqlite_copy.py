"""Copies of SQLite files, made and looked at in a process of their own, so that a deadline can end them.

python -m runwright.databases.sqlite_copy backup SOURCE COPY    a consistent copy, and COPY.json beside it
python -m runwright.databases.sqlite_copy look FILE             print what is in it, as JSON
python -m runwright.databases.sqlite_copy restore COPY INTO     a new file from a copy
python -m runwright.databases.sqlite_copy drop FILE             remove a database with its side files
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runwright.databases.shape import note_of
from runwright.engine.effects.files import write_file
from runwright.errors import ActionError

BUSY_SECONDS = 30.0
SIDE_FILES = ("-wal", "-shm", "-journal")


def opened(path: Path, *, changes: bool = False, at_rest: bool = False) -> contextlib.closing[sqlite3.Connection]:
    """Open a database that must exist, to read only unless it ``changes``.

    ``at_rest``: nobody writes to it, so no lock is taken and nothing is written beside it.
    """
    options = "mode=rw" if changes else "mode=ro&immutable=1" if at_rest else "mode=ro"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{options}", uri=True, timeout=BUSY_SECONDS, isolation_level=None
    )
    return contextlib.closing(connection)


def tables(connection: sqlite3.Connection) -> dict[str, int]:
    """Return {table: rows}, without SQLite's own tables."""
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    names = [str(name) for (name,) in found if not str(name).startswith("sqlite_")]
    return {name: int(connection.execute(f"SELECT count(*) FROM {_quoted(name)}").fetchone()[0]) for name in names}  # noqa: S608


def revisions(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Return the rows of alembic_version, sorted; () if that table is not there."""
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'")
    if there.fetchone() is None:
        return ()
    return tuple(sorted(str(row[0]) for row in connection.execute("SELECT version_num FROM alembic_version")))


def sha256(path: Path) -> str:
    """Return the hash of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def backup(source: Path, copy: Path) -> None:
    """Copy ``source`` as it is at one moment to ``copy``, and write beside it what was in it then."""
    begun = time.monotonic()
    copy.parent.mkdir(parents=True, exist_ok=True)
    partial = copy.with_name(f".{copy.name}.partial")
    remove(partial)
    with opened(source) as live, contextlib.closing(sqlite3.connect(partial)) as target:
        live.execute("BEGIN")  # what is counted and what is copied are the same moment
        counted, held = tables(live), revisions(live)
        live.backup(target)
        live.execute("ROLLBACK")
        target.execute("PRAGMA journal_mode = DELETE")  # one file, whatever the source uses
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    digest, size = sha256(partial), partial.stat().st_size
    partial.chmod(0o600)  # it holds everybody's data
    partial.replace(copy)
    facts = {
        "location": str(copy),
        "bytes": size,
        "sha256": digest,
        "seconds": round(time.monotonic() - begun, 3),
        "engine": f"SQLite {sqlite3.sqlite_version}",
        "revisions": held,
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_file(note_of(copy), json.dumps({"backup": facts, "tables": counted}).encode(), 0o600)


def look(path: Path) -> dict[str, Any]:
    """Return {integrity, tables, revisions, sha256, bytes} of a copy that nobody writes to."""
    with opened(path, at_rest=True) as connection:
        problems = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(5)")]
        return {
            "integrity": "; ".join(problems),
            "tables": tables(connection),
            "revisions": revisions(connection),
            "sha256": sha256(path),
            "bytes": path.stat().st_size,
        }


def restore(copy: Path, into: Path) -> None:
    """Make the new database ``into`` from ``copy``. One that is there already must be that very copy."""
    if into.exists():
        if sha256(into) == sha256(copy):
            return
        raise ActionError(f"{into} is there already and is not this backup")
    partial = into.with_name(f".{into.name}.partial")
    remove(partial)
    into.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(copy, partial)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    os.link(partial, into)  # unlike a rename it never replaces what came there meanwhile
    partial.unlink()


def remove(path: Path) -> None:
    """Remove a database with its side files, if it is there."""
    for name in (path.name, *(path.name + side for side in SIDE_FILES)):
        path.with_name(name).unlink(missing_ok=True)


def main(words: list[str]) -> int:
    """Do what the words say. Return 0, or 1 with one sentence on standard error."""
    paths = [Path(word) for word in words[1:]]
    try:
        match words[:1], paths:
            case ["backup"], [source, copy]:
                backup(source, copy)
            case ["look"], [path]:
                print(json.dumps(look(path)))  # noqa: T201
            case ["restore"], [copy, into]:
                restore(copy, into)
            case ["drop"], [path]:
                remove(path)
            case _:
                print(__doc__, file=sys.stderr)  # noqa: T201
                return 2
    except (OSError, sqlite3.Error, ActionError) as error:
        print(f"{words[0]}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
