"""A PostgreSQL database: asked with its own programs, dumped, and restored beside the live one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

from runwright.databases.postgres_client import Client, first_line, rows
from runwright.databases.postgres_dump import Dumps, Noted, bad, read_note
from runwright.databases.shape import (
    LAST_SUCCESS,
    BackupFile,
    Database,
    Rows,
    T,
    Unfinished,
    checked_backup_name,
    checked_database_name,
    checked_scratch,
    last_success,
)
from runwright.engine.actions import Action, Command, Do, Output, Read, WriteFile
from runwright.engine.there.paths import Path
from runwright.errors import RefusedError, VerificationError
from runwright.runbook.databases.postgres import PostgresDatabase
from runwright.site import Site

RESTORE_SECONDS = 7200.0
RESTORED_FROM = "runwright: restored from "
"""Begins the comment on a database that we made; the dump's sha256 follows."""

# Tables with rows of their own, as pg_dump sees them: no views, no partitioned parents, nothing of an extension.
_COUNT_TABLES = (
    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' "
    "AND n.nspname NOT LIKE 'pg\\_%' AND NOT EXISTS "
    "(SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"
)
DEFAULT_TABLE = (None, "alembic_version")
_OURS = "NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
# Everything that a migration can leave behind, a line each; alembic_version's rows are no part of it.
# Each with its schema, and without it where it is found by that.
_TABLES = f"""
SELECT coalesce(jsonb_agg(name), '[]') FROM (
    SELECT unnest(ARRAY[n.nspname || '.' || c.relname, CASE WHEN pg_table_is_visible(c.oid) THEN c.relname END])
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname {_OURS} AND c.relname <> 'alembic_version'
) AS found (name) WHERE name IS NOT NULL
"""  # noqa: S608 - nothing in it is from outside
_SCHEMA = f"""
SELECT md5(coalesce(string_agg(line, E'\\n' ORDER BY line), '')) FROM (
    SELECT format('%s %s.%s.%s %s %s %s', c.relkind, n.nspname, c.relname, a.attname,
                  format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid))
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname {_OURS}
    UNION ALL
    SELECT format('index %s', pg_get_indexdef(i.indexrelid))
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname {_OURS}
    UNION ALL
    SELECT format('constraint %s %s %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
    FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace WHERE n.nspname {_OURS}
    UNION ALL
    SELECT format('enum %s.%s %s', n.nspname, t.typname, string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder))
    FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname {_OURS} GROUP BY n.nspname, t.typname
) AS found (line)
"""  # noqa: S608 - made of constants
# An index on a partitioned table (relkind I) is invalid until each partition has its own: that is no fault. A column that
# older servers do not have is read by way of JSON.
_UNFINISHED = """
SELECT 'index', format('%I.%I', n.nspname, c.relname), i.indrelid::regclass, EXISTS (
    SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.relation = i.indrelid AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted
    AND a.backend_type IS DISTINCT FROM 'autovacuum worker')
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname NOT LIKE 'pg\\_temp\\_%'
UNION ALL
SELECT 'partition', h.inhrelid::regclass::text, h.inhparent::regclass, false
FROM pg_inherits h WHERE to_jsonb(h) ->> 'inhdetachpending' = 'true'
ORDER BY 1, 2
"""
_LIKE_LIVE = (
    "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = current_database()"
)


class Postgres(Database):
    """The database that ``database`` names.

    through: the words before a program that is to run in the server's container (such as "docker", "compose", …, "exec",
    "-T", SERVICE), or None if the server is reached over the network with the clients of this machine.
    password: only ever passed by environment. now: the clock, for how long a dump took. tables: where its revisions are
    kept, (schema, name) each, if not in alembic_version.
    """

    def __init__(
        self,
        database: PostgresDatabase,
        through: tuple[str, ...] | None,
        password: str | None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        tables: Iterable[tuple[str | None, str]] = (),
    ) -> None:
        self._tables_of_revisions = tuple(tables) or (DEFAULT_TABLE,)
        self._name = database.name
        self._client = Client(database, through, password)
        self._dumps = Dumps(self._client, database.name, now)

    def reachable(self, do: Do) -> str:
        """Return the server's name and version ("PostgreSQL 15.8"). Raise ActionError if it does not answer."""
        return do(
            self._client.query(
                "SHOW server_version",
                self._name,
                says="ask the database server for its version",
                parse=lambda o: f"PostgreSQL {first_line(o).split()[0]}",
                assume="PostgreSQL",
            )
        )

    def revisions(self, do: Do) -> tuple[str, ...]:
        """Return the rows of the tables of revisions, sorted; () if there is none of them."""
        return self._revisions_of(do, self._name)

    def schema(self, do: Do) -> str:
        """Return a fingerprint of the schema: its columns, defaults, indexes, constraints and enums."""
        return do(self._client.query(_SCHEMA, self._name, says="read the schema", parse=first_line))

    def tables(self, do: Do) -> frozenset[str]:
        """Return the tables besides alembic_version: "public.users", and "users" if it is found by that."""
        says = "see which tables the database holds"
        return do(
            self._client.query(
                _TABLES, self._name, says=says, parse=lambda o: frozenset(json.loads(first_line(o))), assume=frozenset()
            )
        )

    def unfinished(self, do: Do) -> tuple[Unfinished, ...]:
        """Return the invalid indexes, whatever schema they are in, and the partitions that are half detached."""
        says = "look for invalid indexes and half detached partitions"
        return do(self._client.query(_UNFINISHED, self._name, says=says, parse=_left, assume=()))

    def question(self, query: str, seconds: float, says: str, parse: Rows[T], assume: Any) -> Action[T]:
        """Return the read that runs one query in a transaction that only reads."""
        return self._client.question(query, self._name, seconds, says=says, parse=parse, assume=assume)

    def remove(self, do: Do, left: Unfinished, key: str) -> None:
        """Remove an invalid index while the application goes on."""
        do(self._client.statement(left.remedy, self._name, f"remove the invalid index {left.name}", key))

    def backup(self, do: Do, directory: PurePath, name: str, key: str) -> BackupFile | None:
        """Dump the database to ``directory``/``name``.dump, prove it, write LAST_SUCCESS and return it with its proof.

        A dump of that name that is whole already is proven again and returned. Never returns None.
        Raise ActionError if it cannot be taken, VerificationError if it cannot be proven; LAST_SUCCESS stays as it was.
        """
        directory = Path(directory)  # where the dump is written, which may be another host
        dump = directory / f"{checked_backup_name(name)}.dump"
        noted = do(read_note(dump, assume=None))
        proven = self._take(do, dump, key) if noted is None else self._dumps.proven(do, noted)
        marker, content = directory / LAST_SUCCESS, last_success(proven)
        if do(Read(says=f"read {marker}", function=lambda: _bytes(marker), assume=b"")) != content:
            do(WriteFile(path=marker, content=content, says=f"note it in {marker}", key=f"{key}/mark"))
        return proven

    def prove(self, do: Do, backup: BackupFile) -> BackupFile:
        """Read the whole dump back and return ``backup`` with what was found. Only reads.

        Raise VerificationError if it is not there, is not what was written, is cut off, or misses tables.
        """
        noted = do(read_note(Path(backup.location), assume=Noted(backup, 0)))
        if noted is None:
            raise bad(backup.location, "what it should hold was not noted beside it, or the file is gone")
        return self._dumps.proven(do, Noted(backup, noted.tables))

    def restore(self, do: Do, backup: BackupFile, into: str, key: str) -> str:
        """Restore ``backup`` into the new database ``into``, all or nothing, and return that name.

        Raise RefusedError if that is the live database or holds something already, VerificationError if the tables or
        revisions in it are not the backup's.
        """
        checked_database_name(into, self._name)
        mark = RESTORED_FROM + backup.sha256
        there, comment = self._look(do, into)
        if not there:
            self._create(do, into, f"{key}/create")
        tables = self._tables(do, into, assume=0) if there else 0
        if tables and comment != mark:
            raise RefusedError(
                f"The database {into} is there already, with {tables} tables that are not this backup's.",
                state="Nothing was changed.",
                next="Restore into another name, or drop that database by hand if nobody needs it.",
            )
        if not tables:  # marked first: what is in a marked database came from one transaction, so it is whole
            says = f"mark {into} as made from this backup"
            do(self._client.statement(f"COMMENT ON DATABASE \"{into}\" IS '{mark}'", into, says, f"{key}/comment"))
            do(self._restoring(backup, into, f"{key}/restore"))
        self._compare(do, backup, into)
        return into

    def drop_scratch(self, do: Do, into: str, key: str) -> None:
        """Drop the database ``into`` if it is there. Raise RefusedError if its name lacks our mark."""
        checked_scratch(into)
        if self._look(do, into, assumed=True)[0]:
            says = f"drop the scratch database {into}"
            statement = f'DROP DATABASE IF EXISTS "{into}" WITH (FORCE)'
            do(self._client.statement(statement, self._name, says, f"{key}/drop"))

    def _take(self, do: Do, dump: Path, key: str) -> BackupFile:
        engine = self.reachable(do)
        self._client.require_new_enough(do, engine)
        tables = self._tables(do, self._name, assume=0)
        return self._dumps.write(do, dump, key, engine, tables, self.revisions(do))

    # ------------------------------------------------------------------------------------------------- other databases

    def _look(self, do: Do, name: str, *, assumed: bool = False) -> tuple[bool, str]:
        sql = f"SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = '{name}'"  # noqa: S608 - a checked name
        return do(
            self._client.query(
                sql, self._name, says=f"see whether the database {name} is there", parse=_exists, assume=(assumed, "")
            )
        )

    def _create(self, do: Do, name: str, key: str) -> None:
        encoding, collate, ctype = do(
            self._client.query(
                _LIKE_LIVE,
                self._name,
                says=f"see how {self._name} sorts its text",
                parse=lambda o: _three(rows(o)[0]),
                assume=("UTF8", "C", "C"),
            )
        )
        statement = (
            f'CREATE DATABASE "{name}" TEMPLATE template0 ENCODING {_text(encoding)} '
            f"LC_COLLATE {_text(collate)} LC_CTYPE {_text(ctype)}"
        )
        do(self._client.statement(statement, self._name, f"create the database {name}", key))

    def _restoring(self, backup: BackupFile, into: str, key: str) -> Command[None]:
        return self._client.command(
            "pg_restore",
            ("--exit-on-error", "--single-transaction", "--no-owner", "--dbname", into),
            says=f"restore {backup.location} into the new database {into}",
            key=key,
            stdin_from=Path(backup.location),
            deadline_seconds=RESTORE_SECONDS,
        )

    def _compare(self, do: Do, backup: BackupFile, into: str) -> None:
        noted = do(read_note(Path(backup.location), assume=None))
        tables = self._tables(do, into, assume=noted.tables if noted else 0)
        revisions = self._revisions_of(do, into, assume=backup.revisions)
        wanted = noted.tables if noted else tables
        if (tables, revisions) != (wanted, backup.revisions):
            raise VerificationError(
                f"The restored database {into} has {tables} tables at revision {', '.join(revisions) or 'none'}; the backup "
                f"was of {wanted} at {', '.join(backup.revisions) or 'none'}.",
                state="The live database was not touched.",
                next="Do not use it. Take the backup before, or look at what restored differently.",
            )

    def _tables(self, do: Do, name: str, assume: int) -> int:
        return do(
            self._client.query(
                _COUNT_TABLES,
                name,
                says=f"count the tables of {name}",
                assume=assume,
                parse=lambda o: int(first_line(o)),
            )
        )

    def _revisions_of(self, do: Do, name: str, assume: tuple[str, ...] = ()) -> tuple[str, ...]:
        return do(
            self._client.script(
                "".join(_revisions(schema, table) for schema, table in self._tables_of_revisions),
                name,
                says=f"read the schema revision of {name}",
                assume=assume,
                parse=lambda o: tuple(sorted({row[0] for row in rows(o)})),
            )
        )


def _revisions(schema: str | None, table: str) -> str:
    """Return the script that asks for the rows only if the table is there, in one go: psql takes longer to start than to answer."""
    name = ".".join('"' + part.replace('"', '""') + '"' for part in (schema, table) if part)
    return f"SELECT {_text(f'SELECT version_num FROM {name}')} WHERE to_regclass({_text(name)}) IS NOT NULL \\gexec\n"  # noqa: S608 - quoted


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _left(output: Output) -> tuple[Unfinished, ...]:
    found = []
    for kind, name, of, busy in rows(output):
        if kind == "index":
            state = "which is being built now" if busy == "t" else "whose building did not come to its end"
            remedy = f"DROP INDEX CONCURRENTLY IF EXISTS {name}"
            found.append(Unfinished(name, f"the invalid index {name} of {of}, {state}", remedy, busy == "t"))
        else:
            says = f"the partition {name}, which is only half detached from {of}"
            remedy = f"ALTER TABLE {of} DETACH PARTITION {name} FINALIZE"
            found.append(Unfinished(name, says, remedy, index=False))
    return tuple(found)


def _exists(output: Output) -> tuple[bool, str]:
    found = output.text.splitlines()
    return bool(found), found[0] if found else ""


def _three(row: list[str]) -> tuple[str, str, str]:
    first, second, third = row
    return first, second, third


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


class _Kind:
    def made(
        self,
        site: Site,
        fill: Callable[[str], str],
        entering: Callable[[str], tuple[str, ...]],
        tables: Sequence[tuple[str | None, str]] = (),
    ) -> Postgres:
        found = site.place.database
        assert isinstance(found, PostgresDatabase)
        through = entering(found.service) if found.service is not None else None
        return Postgres(found, through, fill(found.password) if found.password else None, tables=tables)


DATABASE = _Kind()
