"""What Runwright remembers: releases, the journal of changes, leases, backups, measurements, approvals.

It is the truth about what was intended and done; what is there now is observed. SQLite by default, PostgreSQL for
several machines. Everything comes out as frozen dataclasses; every failure of the database as a LedgerError.
"""

from __future__ import annotations

from types import TracebackType

from runwright import home
from runwright.ledger.address import parsed, sqlite_path
from runwright.ledger.drills import Drills
from runwright.ledger.journal import Entry, Journal
from runwright.ledger.leases import Lease, Leases
from runwright.ledger.patience import Patience
from runwright.ledger.records import Records
from runwright.ledger.release import Release, Transition
from runwright.ledger.releases import Releases
from runwright.ledger.states import ReleaseState
from runwright.ledger.store import Clock, Store, utc_now
from runwright.ledger.tables import checks
from runwright.ledger.upgrade import upgrade
from runwright.trust import refuse_if_others_write

__all__ = [
    "Drills",
    "Entry",
    "Journal",
    "Lease",
    "Leases",
    "Ledger",
    "Patience",
    "Records",
    "Release",
    "ReleaseState",
    "Releases",
    "Transition",
    "open_ledger",
]


class Ledger:
    """One open ledger. It may be used by several threads at once. A context manager that closes it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.releases = Releases(store)
        self.leases = Leases(store)
        self.records = Records(store)
        self.drills = Drills(store)

    def journal(self, release_id: str) -> Journal:
        """Return the journal of one release."""
        return Journal(self.store, release_id)

    def check(self) -> None:
        """Write a line for real and commit it. Raise LedgerError if that cannot be done (away, full, read-only)."""
        write = self.store.upsert(checks, {"id": 1}, {"at": self.store.clock()})
        self.store.write(lambda connection: connection.execute(write))

    def close(self) -> None:
        """Close its connections. A closed ledger opens them again when it is used."""
        self.store.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def open_ledger(url: str | None = None, clock: Clock = utc_now, patience: Patience | None = None) -> Ledger:
    """Return the ledger at ``url`` (default: ``runwright.home.ledger_url()``), made and brought up to date if need be.

    Any number of processes may open one at once. With ``patience`` it is waited for whenever it is away, here and later.
    Raise LedgerError if it cannot be reached or written, if it is no
    ledger, or if a newer version of Runwright has written it. Raise InputError if somebody else can write the home, or the
    file: what a release does is in there.
    """
    if url is None:
        home.refuse_a_home_of_others()
    if file := sqlite_path(parsed(url or home.ledger_url())):
        refuse_if_others_write(file, f"The ledger {file}")
    store = Store(url or home.ledger_url(), clock, patience)
    try:
        upgrade(store)
    except BaseException:
        store.close()
        raise
    return Ledger(store)
