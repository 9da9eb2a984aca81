"""The dumps of a PostgreSQL database: taken with pg_dump, noted beside themselves, and proven by reading all of them back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from runwright.databases.postgres_client import Client
from runwright.databases.shape import LAST_SUCCESS, BackupFile, note_of
from runwright.engine.actions import Command, Do, Output, Read, WriteFile
from runwright.engine.there.paths import Path
from runwright.errors import ActionError, CancelledError, DeadlineError, VerificationError
from runwright.plural import plural

T = TypeVar("T")

DUMP_SECONDS = 3600.0


@dataclass(frozen=True)
class Noted:
    """What is written beside a dump once it is whole."""

    backup: BackupFile
    tables: int


class Dumps:
    """Takes and proves dumps of the database ``name``. now: the clock, for how long a dump took."""

    def __init__(self, client: Client, name: str, now: Callable[[], datetime]) -> None:
        self._client = client
        self._name = name
        self._now = now

    def write(self, do: Do, dump: Path, key: str, engine: str, tables: int, revisions: tuple[str, ...]) -> BackupFile:
        """Dump the database to the file ``dump``, prove it, note beside it what it holds, and return it with its proof.

        engine, tables, revisions: what was seen of the database before. Raise ActionError if it cannot be taken,
        VerificationError if it cannot be read back: then it is no backup, and nothing is noted.
        """
        began = do(Read(says="look at the clock", function=self._now, assume=datetime.fromtimestamp(0, UTC)))
        partial = dump.with_name(f"{dump.name}.partial")
        do(
            self._client.command(
                "pg_dump",
                ("--format=custom", "--dbname", self._name),
                says=f"dump {self._name} to {dump}",
                key=f"{key}/dump",
                stdout_to=partial,
                deadline_seconds=DUMP_SECONDS,
            )
        )
        # where it is not, a process that died right after it had its name did that
        if do(Read(says=f"see whether {partial} is there", function=partial.exists, assume=True)):
            argv = ("mv", "-f", "--", str(partial), str(dump))
            do(Command(says=f"call it {dump.name}", key=f"{key}/name", argv=argv))
        # read back before it is noted: a dump without its note is no backup
        size, ended = do(Read(says=f"look at {dump}", function=lambda: _stat(dump), assume=(0, began)))
        backup = BackupFile(
            location=str(dump),
            bytes=size,
            sha256=self._sha256(do, dump, assume=""),
            seconds=round(max(0.0, (ended - began).total_seconds()), 3),
            engine=engine,
            revisions=revisions,
            taken_at=min(began, ended).isoformat(timespec="seconds"),
        )
        noted = Noted(backup, tables)
        proven = self._readable(do, noted)
        do(
            WriteFile(
                path=note_of(dump),
                content=_note(noted),
                mode=0o600,
                key=f"{key}/note",
                says=f"note what {dump.name} holds beside it",
            )
        )
        return proven

    def proven(self, do: Do, noted: Noted) -> BackupFile:
        """Read all of a dump back and return it with its proof. Raise VerificationError if it is not what was noted."""
        backup, dump = noted.backup, Path(noted.backup.location)
        if not do(Read(says=f"see whether {dump} is there", function=dump.is_file, assume=True)):
            raise bad(str(dump), "the file is not there")
        sha256 = self._sha256(do, dump, assume=backup.sha256)
        if sha256 != backup.sha256:
            raise bad(str(dump), f"its sha256 is {sha256[:12]}, {backup.sha256[:12]} was written")
        return self._readable(do, noted)

    def _readable(self, do: Do, noted: Noted) -> BackupFile:
        backup, dump = noted.backup, Path(noted.backup.location)
        listed = _or_bad(
            dump, do, self._restored(dump, ("--list",), "read its table of contents", table_data, noted.tables)
        )
        if listed < noted.tables:
            raise bad(str(dump), f"it holds the rows of {plural(listed, 'table')}, the database had {noted.tables}")
        # --list reads the beginning only, and a dump that was cut off still lists everything
        _or_bad(dump, do, self._restored(dump, ("--file=/dev/null",), "read all of it back", lambda _: None, None))
        proof = f"read back to its end by pg_restore: {plural(listed, 'table')}, {plural(backup.bytes, 'byte')}, sha256 {backup.sha256[:12]}"
        return replace(backup, proof=proof)

    def _restored(
        self, dump: Path, words: tuple[str, ...], says: str, parse: Callable[[Output], T], assume: T
    ) -> Command[T]:
        return self._client.command(
            "pg_restore", words, says=f"{says}: {dump.name}", stdin_from=dump, parse=parse, assume=assume,
            deadline_seconds=DUMP_SECONDS,
        )  # fmt: skip

    def _sha256(self, do: Do, dump: Path, assume: str) -> str:
        return do(
            Command(
                says=f"hash {dump}",
                argv=("sha256sum", "--", str(dump)),
                assume=assume,
                parse=lambda o: o.text.lstrip("\\").split()[0],
                deadline_seconds=DUMP_SECONDS,
            )
        )


def table_data(output: Output) -> int:
    """Return how many tables a dump holds rows of, from what ``pg_restore --list`` printed."""
    return sum(" TABLE DATA " in line for line in output.text.splitlines() if not line.startswith(";"))


def _or_bad(dump: Path, do: Do, read: Command[T]) -> T:
    try:
        return do(read)
    except (DeadlineError, CancelledError):
        raise  # they say nothing about the dump
    except ActionError as error:
        raise bad(str(dump), f"it cannot be read back. {error.what}") from error


def bad(dump: str, problem: str) -> VerificationError:
    """Return the error that says what is wrong with a dump."""
    return VerificationError(
        f"The backup {dump} is not good: {problem}.",
        state=f"The live database was only read. {LAST_SUCCESS} still names the backup before.",
        next="Check the disk that it is on and the server's log, then take another backup.",
    )


def _note(noted: Noted) -> bytes:
    return json.dumps({"backup": noted.backup.as_json(), "tables": noted.tables}, sort_keys=True).encode() + b"\n"


def read_note(dump: Path, assume: Noted | None) -> Read[Noted | None]:
    """Return the reading of what was noted beside ``dump``: None if that, or the dump, is not there."""

    def read() -> Noted | None:
        try:
            data: dict[str, Any] = json.loads(note_of(dump).read_bytes()) if dump.is_file() else {}
        except (FileNotFoundError, ValueError):
            return None
        return Noted(BackupFile.from_json(data["backup"]), int(data["tables"])) if data else None

    return Read(says=f"see whether {dump} is there", function=read, assume=assume)


def _stat(path: Path) -> tuple[int, datetime]:
    found = path.stat()
    return found.st_size, datetime.fromtimestamp(found.st_mtime, UTC)
