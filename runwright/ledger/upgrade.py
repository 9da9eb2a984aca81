"""Bring a ledger up to date when it is opened."""

from __future__ import annotations

import contextlib
import os

from sqlalchemy import Connection, column, inspect, select, table

from runwright.errors import LedgerError
from runwright.home import make_folder
from runwright.ledger.address import sqlite_path
from runwright.ledger.store import Store
from runwright.ledger.tables import VERSION_TABLE

HEAD = "0003"
"""The revision that this code knows: the newest in ``migrations/``."""


def upgrade(store: Store) -> None:
    """Make the ledger's tables or bring them up to date. Raise LedgerError if it is newer than this code knows."""
    _make_folder(store)
    if store.read(_revisions) != [HEAD]:
        from runwright.ledger.migrating import (
            migrate,  # needed once in a ledger's life, and a quarter of what it takes to open one
        )

        migrate(store)


def _revisions(connection: Connection) -> list[str]:
    if not inspect(connection).has_table(VERSION_TABLE):
        return []
    return list(connection.execute(select(column("version_num")).select_from(table(VERSION_TABLE))).scalars())


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
