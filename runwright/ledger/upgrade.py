"""Bring a ledger up to date when it is opened: any number of processes at once, one of them does it."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from runwright.errors import LedgerError
from runwright.home import make_folder
from runwright.ledger.address import sqlite_path
from runwright.ledger.store import Store
from runwright.ledger.tables import VERSION_TABLE

MIGRATIONS = Path(__file__).with_name("migrations")
_UPGRADE_LOCK = 0x72756E7772696768
"""The key of PostgreSQL's advisory lock: "runwrigh" in ASCII."""
_ONE_AT_A_TIME = threading.Lock()
"""Alembic keeps the migration that it is at in globals of the process."""


def upgrade(store: Store) -> None:
    """Make the ledger's tables or bring them up to date. Raise LedgerError if it is newer than this code knows."""
    _make_folder(store)
    scripts = ScriptDirectory(str(MIGRATIONS))
    head = str(scripts.get_current_head())
    if not store.read(lambda connection: _is_current(connection, scripts, head)):
        store.write(lambda connection: _upgrade(store, connection, scripts, head), begin="BEGIN EXCLUSIVE")


def _upgrade(store: Store, connection: Connection, scripts: ScriptDirectory, head: str) -> None:
    if not store.on_sqlite:
        connection.execute(text("SET LOCAL lock_timeout = '60s'"))
        connection.execute(text("SET LOCAL statement_timeout = '60s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
    if _is_current(connection, scripts, head):
        return  # another process was faster
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _ONE_AT_A_TIME:
        command.upgrade(config, head)


def _is_current(connection: Connection, scripts: ScriptDirectory, head: str) -> bool:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    found = context.get_current_heads()
    for revision in found:
        try:
            scripts.get_revision(revision)
        except CommandError:
            raise LedgerError.for_good(
                f"This ledger was written by a newer Runwright: it is at {revision}, this one knows it up to {head}.",
                state="Nothing was done.",
                next="Use the newer Runwright here too, or give this one a ledger of its own in RUNWRIGHT_LEDGER_URL.",
            ) from None
    return found == (head,)


def _make_folder(store: Store) -> None:
    """Make the folder of a ledger on SQLite, and its file, which only its owner reads; SQLite's own beside it follow."""
    path = sqlite_path(store.url)
    if path is None:
        return
    try:
        make_folder(path.parent)
    except OSError as error:
        raise LedgerError(
            f"The folder of the ledger {path} cannot be made: {error.strerror or error}.",
            state="Nothing was done.",
            next="Make it, or give another path in RUNWRIGHT_LEDGER_URL or another folder in RUNWRIGHT_HOME.",
        ) from None
    with contextlib.suppress(OSError):  # if it is there already, or cannot be made: SQLite says why
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
