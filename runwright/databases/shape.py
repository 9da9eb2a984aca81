"""What every database offers: what state its schema is in, and backups that are proven before they count."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from runwright.engine.actions import Action, Do
from runwright.errors import InputError, ObservationError, RefusedError

if TYPE_CHECKING:
    from runwright.site import Site

T = TypeVar("T")
Rows = Callable[[bytes, float, str], T]
"""Reads (the rows, seconds, what was said against the query)."""
MOST_ROWS = 100

LAST_SUCCESS = "LAST_SUCCESS.txt"
"""Beside the backups of an environment: when the newest proven one was taken, so that monitoring can watch its age.

Each environment has a folder of its own: the good backups of one must not stand for those of another that fail."""

UNKNOWN_TIME = "1970-01-01T00:00:00+00:00"
"""For a backup of which only a plan knows: whoever watches the age would take it for too old."""

SCRATCH_MARK = "rw_scratch_"
"""What the name of every database of ours that may be thrown away begins with."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
_DATABASE = re.compile(r"[a-z][a-z0-9_]{0,62}")  # what PostgreSQL takes without quotes, and any file system too


@dataclass(frozen=True)
class BackupFile:
    """One backup.

    location: the file, absolute, on the machine that the backup was taken on. bytes: its size. sha256: of the file.
    seconds: how long it took. engine: what wrote it ("SQLite 3.40.1"). revisions: the schema revisions that it holds.
    proof: what was checked and found, in words and numbers; "" until it is proven. taken_at: when, ISO 8601 in UTC.
    """

    location: str
    bytes: int
    sha256: str
    seconds: float
    engine: str
    revisions: tuple[str, ...]
    proof: str = ""
    taken_at: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {**asdict(self), "revisions": list(self.revisions)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> BackupFile:
        """Return the backup that ``as_json`` gave."""
        return cls(**{**data, "revisions": tuple(data["revisions"])})


@dataclass(frozen=True)
class Unfinished:
    """What a statement that ended too early left in the schema: an invalid index, or a partition that is half detached.

    name: as the server quotes it, with its schema. says: what it is, as a phrase. remedy: the SQL statement that ends it.
    busy: somebody still works at it. index: whether it is one, which can be removed and made anew.
    """

    name: str
    says: str
    remedy: str
    busy: bool = False
    index: bool = True


def last_success(backup: BackupFile) -> bytes:
    """Return the content of LAST_SUCCESS for a proven ``backup``: one line such as 2026-11-21T09:24:35Z and no more.

    That is what `date -u +%FT%TZ > LAST_SUCCESS.txt` in a backup script writes, and what health checks read.
    """
    taken = datetime.fromisoformat(backup.taken_at or UNKNOWN_TIME).astimezone(UTC)
    return f"{taken:%Y-%m-%dT%H:%M:%SZ}\n".encode()


def note_of(backup: Path) -> Path:
    """Return the file beside a backup that tells what it holds. It is written last: without it a backup is not whole."""
    return backup.with_name(f"{backup.name}.json")


def checked_backup_name(name: str) -> str:
    """Return ``name`` if a backup's file may be called so. Raise InputError if not."""
    if not _NAME.fullmatch(name) or ".." in name:
        raise InputError(
            f"{name!r} cannot be the name of a backup.",
            next="Use letters, digits, dots, dashes and underscores, for example shop-20260101T120000Z.",
        )
    return name


def checked_database_name(name: str, live: str) -> str:
    """Return ``name`` if a backup may be restored into a database called so.

    Raise InputError if it cannot be a name, RefusedError if it is the ``live`` database's.
    """
    if not _DATABASE.fullmatch(name):
        raise InputError(
            f"{name!r} cannot be the name of a database to restore into.",
            next=f"Use lower case letters, digits and underscores, at most 63, for example {SCRATCH_MARK}shop_1.",
        )
    if name == live:
        raise RefusedError(
            f"A backup is never restored over the live database {live}.",
            state="Nothing was changed.",
            next="Restore into a new database and point the application at it when you are content with it.",
        )
    return name


def checked_scratch(name: str) -> str:
    """Return ``name`` if it is one of a database that we made to be thrown away. Raise RefusedError if not."""
    if not name.startswith(SCRATCH_MARK) or not _DATABASE.fullmatch(name):
        raise RefusedError(
            f"{name!r} does not carry our mark {SCRATCH_MARK}, so it is not ours to remove.",
            state="Nothing was changed.",
            next="Remove it by hand if it is not needed.",
        )
    return name


class Database(Protocol):
    """What holds a system's data. Nothing here ever changes the live database.

    Derive from it: what is asked of databases one day, and yours does not know of, has an answer here.
    """

    def reachable(self, do: Do) -> str:
        """Return the server's name and version ("PostgreSQL 15.8"). Raise ActionError if it does not answer."""
        ...

    def revisions(self, do: Do) -> tuple[str, ...]:
        """Return the rows of ``alembic_version``, sorted; () if that table is not there."""
        ...

    def schema(self, do: Do) -> str:
        """Return a fingerprint of the schema: equal before and after exactly if tables, columns, indexes, constraints
        and types are the same. What alembic_version holds is no part of it."""
        ...

    def tables(self, do: Do) -> frozenset[str]:
        """Return the tables besides ``alembic_version``, by the names that a migration may call them; none, and no
        revision, is what makes it new."""
        ...

    def unfinished(self, do: Do) -> tuple[Unfinished, ...]:
        """Return what statements that ended too early have left in the schema, by name; () where there is no such thing."""
        ...

    def remove(self, do: Do, left: Unfinished, key: str) -> None:
        """Carry out the remedy of an invalid index: remove it while the application goes on."""
        ...

    def question(self, query: str, seconds: float, says: str, parse: Rows[T], assume: Any) -> Action[T]:  # noqa: ARG002 - the answer of one that has none
        """Return the read that runs one ``query`` in a transaction that only reads, for at most so many ``seconds``, and gives
        ``parse`` the first `MOST_ROWS` rows as a JSON list of objects, how long it took, and what the database said against
        the query ("" if nothing). ActionError, or ObservationError, if the database cannot be asked."""
        raise ObservationError("This kind of database cannot be asked.")

    def backup(self, do: Do, directory: Path, name: str, key: str) -> BackupFile | None:
        """Take a backup ``name`` in ``directory``, prove it and write LAST_SUCCESS. Return it with its proof.

        Return None if there is nothing to back up yet (a database file that was never made); LAST_SUCCESS stays as it
        was then. A backup of that name that is whole already is proven again and returned. Raise ActionError if it
        cannot be taken, VerificationError if it cannot be proven; LAST_SUCCESS stays as it was.
        """
        ...

    def prove(self, do: Do, backup: BackupFile) -> BackupFile:
        """Look at the file again and return ``backup`` with what was proven. Only reads.

        Raise VerificationError if it is not there, is not what was written, or cannot be read back.
        """
        ...

    def restore(self, do: Do, backup: BackupFile, into: str, key: str) -> str:
        """Restore ``backup`` into the new database ``into`` and return where it is (a file, or the name again).

        Raise RefusedError if that is the live database or holds something already.
        """
        ...

    def drop_scratch(self, do: Do, into: str, key: str) -> None:
        """Remove the database ``into`` if it is there. Raise RefusedError if its name lacks SCRATCH_MARK."""
        ...


class DatabaseKind(Protocol):
    """What a database is registered as: it makes its driver."""

    def made(
        self,
        site: Site,
        fill: Callable[[str], str],
        entering: Callable[[str], tuple[str, ...]],
        tables: Sequence[tuple[str | None, str]] = (),
    ) -> Database:
        """Return the driver for an environment.

        fill: fills in secrets. entering: the words before a program that is to run where a service runs. tables: where its
        revisions are kept, if that was asked for.
        """
        ...
