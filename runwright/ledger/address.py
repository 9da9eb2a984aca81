"""The address of a ledger: what may be given, and the engine that it becomes."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError

from runwright.errors import LedgerError
from runwright.ledger.plain import as_json

BUSY_SECONDS = 5.0
"""How long SQLite itself waits for another writer, each time it is asked."""
CONNECT_SECONDS = 10

_POSTGRESQL = {"postgresql", "postgresql+psycopg", "postgres"}
_SQLITE = {"sqlite", "sqlite+pysqlite"}
_SECRETS = {"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key", "conninfo"}
"""What libpq takes as an option and must stay secret (conninfo may hold all of it). A passfile is a path, and may be named."""
_EXAMPLES = (
    "Give sqlite:////path/to/ledger.db or postgresql://user:password@host:5432/runwright in RUNWRIGHT_LEDGER_URL."
)

# A machine that vanishes in the middle of a transaction must not hold a lock for the two hours that are the default,
# and one that sees no answers must know before its lease is over.
_CONNECTION = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "runwright",
    "prepare_threshold": None,  # so that a connection pooler may stand in between
}
SESSION = (
    "SET TIME ZONE 'UTC'",
    "SET lock_timeout = '5s'",
    "SET statement_timeout = '30s'",
    "SET idle_in_transaction_session_timeout = '15s'",
    "SET default_transaction_isolation = 'read committed'",
)


def parsed(text: str) -> URL:
    """Return ``text`` as a URL that a ledger can have. Raise LedgerError, which never shows a password, if it can not."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise _refused("The address of the ledger cannot be read.") from None
    if url.drivername in _POSTGRESQL:
        if "@" in (url.host or ""):
            raise _refused("The address of the ledger has more than one @. One in a password is written %40.")
        if not url.database:
            raise _refused("The address of the ledger names no database.")
        if named := sorted(_SECRETS.intersection(url.query)):
            # what stands before the @ is hidden wherever an address is shown, and is not published; this would be
            raise LedgerError.for_good(
                f"The address of the ledger has a secret among its options: {', '.join(named)}.",
                state="Nothing was done.",
                next="Take it out of RUNWRIGHT_LEDGER_URL. A password belongs into ~/.pgpass (mode 0600), or the file that "
                "`?passfile=/path` names; the key of a client certificate into a file without a password, mode 0600.",
            )
        return url.set(drivername="postgresql+psycopg")
    if url.drivername in _SQLITE:
        if url.database in (None, "", ":memory:") or url.query.get("mode") == "memory":
            raise _refused("A ledger in memory would be gone with the process that must be remembered.")
        if not str(url.database).startswith("file:"):  # absolute at once: a process may change its folder
            url = url.set(database=str(Path(str(url.database)).expanduser().absolute()))
        return url.set(drivername="sqlite")
    raise _refused(f"A ledger cannot be on {url.drivername!r}: there are sqlite and postgresql.")


def sqlite_path(url: URL) -> Path | None:
    """Return the file of a ledger on SQLite, absolute; None of one on PostgreSQL."""
    if url.get_backend_name() != "sqlite":
        return None
    return Path(str(url.database).removeprefix("file:"))


def engine_for(url: URL) -> Engine:
    """Return an engine whose connections are set up as a ledger needs them. Nothing is connected yet."""
    sqlite = url.get_backend_name() == "sqlite"
    connection = {"timeout": BUSY_SECONDS, "isolation_level": None} if sqlite else _CONNECTION
    pool: dict[str, Any] = {} if sqlite else {"pool_pre_ping": True}
    engine = create_engine(url, connect_args=connection, hide_parameters=True, json_serializer=as_json, **pool)
    if sqlite:
        event.listen(engine, "connect", _set_up_sqlite)
        # the driver's own transactions begin too late and only for writes: ours say which they are
        event.listen(engine, "begin", lambda c: c.exec_driver_sql(c.get_execution_options().get("begin", "BEGIN")))
    else:
        event.listen(engine, "do_connect", _connected)
        event.listen(engine, "connect", _set_up_postgresql)
    _forget_in_children(engine)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")  # an intent that a power cut takes back was never journaled
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode = WAL")


def _connected(_dialect: object, _record: object, words: tuple[Any, ...], named: dict[str, Any]) -> Any:
    from runwright.ledger.hanging import Bounded  # nobody with a ledger on SQLite needs the driver of PostgreSQL

    return Bounded.connect(*words, **named)


def _set_up_postgresql(connection: Any, _: object) -> None:
    for statement in SESSION:
        connection.execute(statement)
    connection.commit()


def _forget_in_children(engine: Engine) -> None:
    """A connection belongs to the process that made it: a forked child that uses it destroys the parent's."""

    def made(_: object, record: Any) -> None:
        record.info["pid"] = os.getpid()

    def taken(_: object, record: Any, proxy: Any) -> None:
        if record.info["pid"] != os.getpid():
            record.dbapi_connection = proxy.dbapi_connection = None
            raise DisconnectionError("this connection belongs to another process")

    event.listen(engine, "connect", made)
    event.listen(engine, "checkout", taken)


def _refused(what: str) -> LedgerError:
    return LedgerError.for_good(what, state="Nothing was done.", next=_EXAMPLES)
