"""What a run does while the ledger is away: it holds, and what serves goes on serving. Nothing is done unjournaled."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from runwright.errors import LedgerError

T = TypeVar("T")

PATIENCE_SECONDS = 120.0
"""How long a run holds: a database that restarts, or fails over, is back by then."""
RETRY_SECONDS = 2.0


class Patience:
    """Asks the ledger again until it answers or the patience is over; then its last error is raised.

    says: is told that the run holds, and that it goes on. back: is called before each further try; it renews the lease,
    which may have expired meanwhile, and raises FencedError if somebody else took it.
    """

    def __init__(self, says: Callable[[str], None], back: Callable[[], None] = lambda: None) -> None:
        self._says = says
        self._back = back

    def __call__(self, use: Callable[[], T]) -> T:
        """Return what ``use`` returns. Raise LedgerError at once if waiting is in vain, else when the patience is over."""
        began, held = time.monotonic(), False
        while True:
            try:
                if held:
                    self._back()
                result = use()
            except LedgerError as error:
                if error.lasting or time.monotonic() - began > PATIENCE_SECONDS:
                    raise
                if not held:
                    self._says(f"holding for up to {PATIENCE_SECONDS:.0f} s: the ledger does not answer ({error.what})")
                held = True
                time.sleep(RETRY_SECONDS)
            else:
                if held:
                    self._says(f"the ledger answers again after {time.monotonic() - began:.0f} s: going on")
                return result
