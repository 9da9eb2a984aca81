"""Hold an environment: one procedure at a time, for as long as its process lives."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from runwright.errors import FencedError, LeaseHeldError, LedgerError, RunwrightError
from runwright.ledger import Ledger, Patience, open_ledger
from runwright.ledger.leases import Lease
from runwright.release.run import Run

BEAT_SECONDS = 5.0
TTL_SECONDS = 30.0
AWAY_BEAT_SECONDS = 0.5
"""How often it is tried to renew a lease while the ledger is away: if nobody succeeds, the journal refuses the next change."""
WAIT_SECONDS = 120.0
"""How long a rollback waits for the lease of a run that died: it expires after thirty seconds."""


@dataclass
class Held:
    """A lease that this process holds, and why it does no longer, if so.

    secrets: those of the environment, once a step has read them. Prefect, which keeps them, may be gone when they are
    needed most: to put the system back.
    """

    lease: Lease
    ledger: Ledger
    lost: RunwrightError | None = None
    secrets: dict[str, str] | None = field(default=None, repr=False)


_HELD: dict[str, Held] = {}
"""By release: the tasks of a run work in its process and find its lease here."""


def held(release_id: str) -> Held | None:
    """Return the lease that this process holds for a release, or None while it is prepared."""
    return _HELD.get(release_id)


def renewed(release_id: str) -> None:
    """Renew the lease of a release now, if this process holds one.

    Raise FencedError if somebody else has taken it: a process that was stopped for a while must learn that before it
    goes on. A ledger that does not answer is the business of whoever writes to it next.
    """
    with contextlib.suppress(LedgerError):
        taken_up_again(release_id)


def taken_up_again(release_id: str) -> None:
    """As ``renewed``, but raise LedgerError if the ledger does not answer: nothing goes on with a lease that has expired."""
    mine = _HELD.get(release_id)
    if mine is None:
        return
    try:
        mine.lease = mine.ledger.leases.beat(mine.lease, ttl_seconds=TTL_SECONDS)
    except FencedError as error:
        mine.lost = error
        raise


@contextmanager
def holding(release_id: str, procedure: str, run: Run, *, wait: bool = False) -> Iterator[None]:
    """Hold the release's environment for ``run``. Raise LeaseHeldError if somebody else does (``wait``: still does after a while)."""
    # patient until it is held; its beats must not wait, for they come again by themselves
    hold = Patience(run.say)
    ledger = hold(open_ledger)
    mine = Held(hold(lambda: _take(ledger, release_id, procedure, run.id, WAIT_SECONDS if wait else 0.0)), ledger)
    done = threading.Event()
    beating = threading.Thread(target=_beat, args=(mine, done), daemon=True, name="runwright-lease")
    beating.start()
    _HELD[release_id] = mine
    try:
        yield
    finally:
        _HELD.pop(release_id, None)
        done.set()
        beating.join(BEAT_SECONDS)
        try:
            ledger.leases.release(mine.lease)
        except LedgerError:
            pass  # it expires by itself
        finally:
            ledger.close()


def _take(ledger: Ledger, release_id: str, procedure: str, run_id: str, wait_seconds: float) -> Lease:
    release = ledger.releases.get(release_id)
    until = time.monotonic() + wait_seconds
    while True:
        try:
            return ledger.leases.take(
                release.system,
                release.environment,
                holder=f"{procedure} of {release.ref}" + (f" by {release.deployer}" if release.deployer else ""),
                run_id=run_id,
                procedure=procedure,
                release_id=release_id,
                ttl_seconds=TTL_SECONDS,
            )
        except LeaseHeldError:
            if time.monotonic() > until:
                raise
            time.sleep(1.0)


def _beat(mine: Held, done: threading.Event) -> None:
    pause = BEAT_SECONDS
    while not done.wait(pause):
        pause = BEAT_SECONDS
        try:
            mine.lease = mine.ledger.leases.beat(mine.lease, ttl_seconds=TTL_SECONDS)
        except FencedError as error:
            mine.lost = error
            return
        except LedgerError:
            # soon again: whoever meant to change something goes on as soon as it is back, with a lease that is ours
            pause = min(BEAT_SECONDS, AWAY_BEAT_SECONDS)
