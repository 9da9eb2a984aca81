"""How PostgreSQL's own programs are called: in the server's container, or here against a server in the network."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from runwright.databases.shape import MOST_ROWS, Rows
from runwright.engine.actions import UNKNOWN, Command, Do, Output, nothing
from runwright.engine.visible import visible
from runwright.errors import ObservationError, RefusedError
from runwright.runbook.databases.postgres import PostgresDatabase

T = TypeVar("T")

QUERY_SECONDS = 60.0
ENTERING_SECONDS = 15.0
_CONNECTED = "runwright"
"""What a question begins with: whoever reads it has reached the database, and what goes wrong after it is the query's."""
_SEPARATOR = "\x1f"


class Client:
    """Builds the commands. A password goes by environment, into a container too, and is in no argument."""

    def __init__(self, database: PostgresDatabase, through: tuple[str, ...] | None, password: str | None) -> None:
        self._database = database
        self._exec = through
        self._password = password

    def command(
        self,
        program: str,
        words: tuple[str, ...],
        *,
        says: str,
        key: str | None = None,
        parse: Callable[[Output], T] = nothing,
        assume: Any = UNKNOWN,
        stdin: bytes | None = None,
        stdin_from: Path | None = None,
        stdout_to: Path | None = None,
        deadline_seconds: float = QUERY_SECONDS,
    ) -> Command[T]:
        """Return the command that runs ``program`` as the database's user, where its server is reached."""
        return Command(
            says=says,
            key=key,
            argv=(*self._before(), program, *self._where(program, words), *words),
            env={"PGPASSWORD": self._password} if self._password else {},
            # Compose reads a file that lies where it is called; there is none in /
            cwd=Path("/") if self._exec else None,
            stdin=stdin,
            stdin_from=stdin_from,
            stdout_to=stdout_to,
            parse=parse,
            assume=assume,
            deadline_seconds=deadline_seconds,
        )

    def query(
        self, sql: str, name: str, *, says: str, parse: Callable[[Output], T], assume: Any = UNKNOWN
    ) -> Command[T]:
        """Return the read that runs one query in the database ``name``; `rows` reads what it prints."""
        return self.command("psql", (*self._flags(name), "--command", sql), says=says, parse=parse, assume=assume)

    def question(self, query: str, name: str, seconds: float, *, says: str, parse: Rows[T], assume: Any) -> Command[T]:
        """Return the read of `Database.question`: what is asked is a part of a query, so that it is no other statement."""
        limited = f"SELECT row_to_json(asked) FROM (\n{query.strip().rstrip(';')}\n) AS asked LIMIT {MOST_ROWS}"  # noqa: S608
        milliseconds = max(1, int(seconds * 1000))
        steps = (
            f"SELECT '{_CONNECTED}'",
            "BEGIN READ ONLY",
            f"SET LOCAL statement_timeout = {milliseconds}",
            limited,
            "ROLLBACK",
        )
        words = (*self._flags(name), *(word for step in steps for word in ("--command", step)))
        asked: Command[T] = self.command(
            "psql", words, says=says, parse=lambda output: parse(*_told(output)), assume=assume
        )
        return replace(asked, ok=frozenset(range(-64, 256)), deadline_seconds=seconds + ENTERING_SECONDS)

    def script(
        self, text: str, name: str, *, says: str, parse: Callable[[Output], T], assume: Any = UNKNOWN
    ) -> Command[T]:
        """Return the read that runs what psql itself must understand, such as ``\\gexec``, in the database ``name``."""
        return self.command("psql", self._flags(name), says=says, parse=parse, assume=assume, stdin=text.encode())

    def statement(self, sql: str, name: str, says: str, key: str) -> Command[None]:
        """Return the change that runs one statement, connected to the database ``name``."""
        return self.command("psql", (*self._flags(name), "--command", sql), says=says, key=key, deadline_seconds=300.0)

    def require_new_enough(self, do: Do, engine: str) -> None:
        """Raise RefusedError if this machine's pg_dump is older than the server: it would refuse to dump."""
        client = do(
            self.command("pg_dump", ("--version",), says="ask pg_dump for its version", parse=_major, assume=10**6)
        )
        found = re.search(r"\d+", engine)
        if found and client < int(found[0]):
            raise RefusedError(
                f"pg_dump here is of version {client}, the server is {engine}; an older pg_dump cannot dump a newer server.",
                state="No backup was taken.",
                next=f"Install the PostgreSQL client {found[0]} on this machine, or name the server's Compose service in the "
                "runbook (`service`), so that its own pg_dump is used.",
            )

    def _before(self) -> tuple[str, ...]:
        if self._exec is None:
            return ()
        # without a value: Compose passes on what is in its own environment
        return (*self._exec[:-1], "-e", "PGPASSWORD", self._exec[-1]) if self._password else self._exec

    def _where(self, program: str, words: tuple[str, ...]) -> tuple[str, ...]:
        if words == ("--version",) or (program == "pg_restore" and "--dbname" not in words):
            return ()
        here = ("--username", self._database.user, "--no-password")
        if self._exec is not None:
            return here
        return ("--host", self._database.host or "localhost", "--port", str(self._database.port), *here)

    @staticmethod
    def _flags(name: str) -> tuple[str, ...]:
        return (
            *("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--field-separator", _SEPARATOR),
            *("--set", "ON_ERROR_STOP=1", "--dbname", name),
        )


def _told(output: Output) -> tuple[bytes, float, str]:
    """Return (rows, seconds, refused) of what psql printed. Raise ObservationError if it did not reach the database."""
    first, _, rest = output.stdout.partition(b"\n")
    if first.strip() != _CONNECTED.encode():
        lines = output.stderr.decode("utf-8", "replace").strip().splitlines()
        why = visible(lines[-1])[:200] if lines else f"psql exited with {output.code}"
        raise ObservationError(f"the database could not be asked: {why}", state="Nothing was decided from it.")
    if output.code != 0:
        lines = [line for line in output.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
        return b"[]", output.seconds, visible(lines[0])[:200] if lines else f"psql exited with {output.code}"
    lines = [line for line in rest.decode("utf-8", "replace").split("\n") if line.strip()]
    return f"[{','.join(lines)}]".encode(), output.seconds, ""


def rows(output: Output) -> list[list[str]]:
    """Return the rows that psql printed, as texts."""
    return [line.split(_SEPARATOR) for line in output.text.splitlines() if line]


def first_line(output: Output) -> str:
    """Return the only value that psql printed. Raise IndexError if there is none."""
    return rows(output)[0][0]


def _major(output: Output) -> int:
    found = re.search(r"\(PostgreSQL\)\s+(\d+)", output.text)
    if not found:
        raise ValueError("no version of pg_dump")
    return int(found[1])
