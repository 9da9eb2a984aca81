"""Processes that race for a ledger. Each function runs in a process of its own, forked from a server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from runwright.errors import LeaseHeldError, RefusedError
from runwright.ledger import Ledger, open_ledger
from runwright.ledger.states import ReleaseState
from runwright.ledger.tables import notes
from tests.fixtures.forking import CONTEXT

_start: Any = None


def _remember(barrier: Any) -> None:
    global _start
    _start = barrier


def race(function: Callable[..., Any], entrants: Iterable[tuple[Any, ...]]) -> list[Any]:
    """Call ``function`` once for each tuple of arguments, in as many processes, all at the same moment."""
    todo = list(entrants)
    barrier = CONTEXT.Barrier(len(todo))
    with ProcessPoolExecutor(len(todo), mp_context=CONTEXT, initializer=_remember, initargs=(barrier,)) as pool:
        return [future.result(timeout=120) for future in [pool.submit(function, *each) for each in todo]]


def open_and_take(url: str, run_id: str) -> tuple[str, int]:
    """Open a ledger that is not there yet, then take the lease; return what happened, and the token or 0."""
    _start.wait(timeout=60)
    with open_ledger(url) as ledger:
        _start.wait(timeout=60)
        values: dict[str, Any] = {"holder": run_id, "run_id": run_id, "procedure": "deploy", "release_id": None}
        try:
            return "won", ledger.leases.take("shop", "production", **values).token
        except LeaseHeldError as refusal:
            return str(refusal), 0


def take_again_and_again(url: str, name: str, environments: int) -> list[int]:
    """Take the leases of many environments, each at the same moment as all others do; return the tokens, 0 if refused."""
    tokens = []
    with open_ledger(url) as ledger:
        values: dict[str, Any] = {"holder": name, "run_id": name, "procedure": "deploy", "release_id": None}
        for number in range(environments):
            _start.wait(timeout=60)
            try:
                tokens.append(ledger.leases.take("shop", f"region-{number}", **values).token)
            except LeaseHeldError:
                tokens.append(0)
    return tokens


def judge(url: str, release_ids: list[str], to: ReleaseState) -> list[bool]:
    """Move each release to ``to`` at the same moment as others move it elsewhere; return which moves were ours."""
    ours = []
    with open_ledger(url) as ledger:
        for release_id in release_ids:
            _start.wait(timeout=60)
            try:
                ledger.releases.advance(release_id, to, f"it is {to}")
                ours.append(True)
            except RefusedError:
                ours.append(False)
    return ours


def open_release(url: str, run_id: str) -> str:
    """Open the release of a run, as if an automation had fired it several times; return its id."""
    with open_ledger(url) as ledger:
        _start.wait(timeout=60)
        values: dict[str, Any] = {"procedure": "deploy", "run_id": run_id, "deployer": "ada"}
        return ledger.releases.open("shop", "production", "v1", runbook={}, parameters={}, **values).id


def write_and_beat(url: str, release_id: str, name: str, times: int) -> list[int]:
    """Journal ``times`` changes under a lease of one's own environment, renewing it each time; return the attempts."""
    with open_ledger(url) as ledger:
        values: dict[str, Any] = {"holder": name, "run_id": name, "procedure": "deploy", "release_id": release_id}
        lease = ledger.leases.take("shop", name, **values)
        journal = ledger.journal(release_id)
        _start.wait(timeout=60)
        attempts = []
        for _ in range(times):
            entry = journal.intend("shared", f"by {name}", None, repeatable=True, safe_point=False)
            attempts.append(entry.attempt)
            lease = ledger.leases.beat(lease)
        return attempts


def stop_in_a_transaction(url: str, release_id: str, ready: Any) -> None:
    """Write a line, say so, and never commit it."""
    ledger: Ledger = open_ledger(url)

    def work(connection: Any) -> None:
        row = {"release_id": release_id, "at": ledger.store.clock(), "kind": "step", "text": "never committed"}
        connection.execute(notes.insert().values(**row))
        ready.set()
        time.sleep(600)

    ledger.store.write(work)
