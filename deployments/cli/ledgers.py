"""The ledger as the command line opens it: a question never makes one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runwright.errors import InputError
from runwright.home import LEDGER_VARIABLE, ledger_url

if TYPE_CHECKING:
    from runwright.ledger import Ledger


@contextmanager
def ledger_if_any() -> Iterator[Ledger | None]:
    """Give the ledger, or None if it is a SQLite file that is not there. Raise LedgerError if it cannot be read."""
    from runwright.ledger import open_ledger
    from runwright.ledger.address import parsed, sqlite_path

    path = sqlite_path(parsed(ledger_url()))
    if path is not None and not path.exists():
        yield None
        return
    with open_ledger() as ledger:
        yield ledger


@contextmanager
def opened_anyway() -> Iterator[Ledger]:
    """Give the ledger, made if it is not there yet: a run is about to write to it. Raise LedgerError if that fails."""
    from runwright.ledger import open_ledger

    with open_ledger() as ledger:
        yield ledger


@contextmanager
def the_ledger() -> Iterator[Ledger]:
    """Give the ledger. Raise InputError if there is none, LedgerError if it cannot be read."""
    with ledger_if_any() as ledger:
        if ledger is None:
            raise InputError(
                f"There is no ledger at {address()}, and so no release.",
                next=f"Run this where Runwright was started, or set RUNWRIGHT_HOME or {LEDGER_VARIABLE} as there.",
            )
        yield ledger


def address() -> str:
    """Return where the ledger is, without a password."""
    from runwright.ledger.address import parsed, sqlite_path

    url = parsed(ledger_url())
    return str(sqlite_path(url) or url.render_as_string(hide_password=True))
