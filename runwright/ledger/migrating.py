"""The migrations of a ledger: any number of processes at once, one of them does it."""

from __future__ import annotations

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from runwright.errors import LedgerError
from runwright.ledger.store import Store
from runwright.ledger.tables import VERSION_TABLE

MIGRATIONS = Path(__file__).with_name("migrations")
_UPGRADE_LOCK = 0x72756E7772696768
"""The key of PostgreSQL's advisory lock: "runwrigh" in ASCII."""
_ONE_AT_A_TIME = threading.Lock()
"""Alembic keeps the migration that it is at in globals of the process."""


def migrate(store: Store) -> None:
    """Make the ledger's tables or bring them up to date. Raise LedgerError if it is newer than this code knows."""
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
