"""Several processes at one ledger: real ones, on both databases."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, select

from runwright.errors import LedgerError
from runwright.ledger import Ledger, address, open_ledger, store
from runwright.ledger.fence import check_token
from runwright.ledger.states import ReleaseState
from runwright.ledger.tables import leases
from runwright.ledger.trouble import try_again
from tests.fixtures.forking import CONTEXT
from tests.unit.ledger.conftest import Open, Take
from tests.unit.ledger.racers import (
    judge,
    open_and_take,
    open_release,
    race,
    stop_in_a_transaction,
    take_again_and_again,
    write_and_beat,
)


def test_of_ten_processes_that_open_a_new_ledger_and_take_one_lease_one_wins(ledger_url: str) -> None:
    """All ten find the ledger made; nine are told who was faster."""
    results = race(open_and_take, [(ledger_url, f"run-{n}") for n in range(10)])
    winners = [token for said, token in results if said == "won"]
    assert len(winners) == 1
    with open_ledger(ledger_url) as ledger:
        holder = ledger.leases.holder("shop", "production")
    assert holder is not None
    assert all(f"held by {holder.holder} for deploy" in said for said, token in results if not token)


def test_a_lease_that_was_given_back_is_won_by_one(ledger: Ledger, ledger_url: str, take: Take) -> None:
    """Also where the row is there already and all of them find it free."""
    before = [take(environment=f"region-{number}") for number in range(20)]
    for lease in before:
        ledger.leases.release(lease)
    tokens = race(take_again_and_again, [(ledger_url, f"run-{n}", 20) for n in range(4)])
    for lease, each in zip(before, zip(*tokens, strict=True), strict=True):
        refused, winner = sorted(each)[:3], max(each)
        assert refused == [0, 0, 0] and winner > lease.token


def test_a_release_goes_one_way(ledger: Ledger, ledger_url: str, opened: Open) -> None:
    """Of two who judge it at the same moment, one is refused: it is never both proven and failing."""
    ids = [opened(f"v{n}", to=ReleaseState.WATCHING).id for n in range(20)]
    ways = [ReleaseState.PROVEN, ReleaseState.FAILING]
    proven, failing = race(judge, [(ledger_url, ids, way) for way in ways])
    assert [sum(each) for each in zip(proven, failing, strict=True)] == [1] * 20


def test_a_lease_cannot_be_taken_between_the_look_at_the_token_and_what_depends_on_it(
    ledger: Ledger, take: Take
) -> None:
    """Who takes it waits until that transaction is over; so no intent of a fenced process is ever written."""
    lease, taken = take("run-1"), threading.Event()

    def take_over() -> None:
        take("run-1")
        taken.set()

    thread = threading.Thread(target=take_over)

    def work(connection: Connection) -> bool:
        check_token(ledger.store, connection, "shop", "production", lease.token)
        thread.start()
        return taken.wait(0.5)

    assert ledger.store.write(work) is False
    thread.join(timeout=60)
    assert taken.is_set()


def test_a_run_that_is_fired_several_times_at_once_opens_one_release(ledger_url: str) -> None:
    """All get the same one."""
    open_ledger(ledger_url).close()
    ids = race(open_release, [(ledger_url, "run-1")] * 4)
    assert len(set(ids)) == 1
    with open_ledger(ledger_url) as ledger:
        assert [release.id for release in ledger.releases.find()] == [ids[0]]


def test_writers_and_heartbeats_wait_for_each_other(ledger: Ledger, ledger_url: str, opened: Open) -> None:
    """Nobody sees a locked database, nothing is lost, and no attempt is given twice."""
    release = opened()
    entrants = [(ledger_url, release.id, f"writer-{n}", 25) for n in range(4)]
    attempts = sorted(attempt for each in race(write_and_beat, entrants) for attempt in each)
    assert attempts == list(range(1, 101))
    assert len(ledger.journal(release.id).entries()) == 100


def test_threads_share_a_ledger(ledger: Ledger, opened: Open) -> None:
    """The heartbeat has a thread of its own, and branches that run together have theirs."""
    release, failures = opened(), []

    def work(name: str) -> None:
        try:
            for n in range(10):
                ledger.releases.set_fact(release.id, f"{name}-{n}", n)
        except LedgerError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(f"thread-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not failures and len(ledger.releases.facts(release.id)) == 80


def test_a_process_that_is_killed_in_a_transaction_leaves_nothing(
    ledger: Ledger, ledger_url: str, opened: Open
) -> None:
    """What it wrote is gone, and the next writer goes on at once."""
    release = opened()
    ready = CONTEXT.Event()
    process = CONTEXT.Process(target=stop_in_a_transaction, args=(ledger_url, release.id, ready))
    process.start()
    try:
        assert ready.wait(timeout=60)
    finally:
        process.kill()
        process.join(timeout=60)
    ledger.records.add_note(release.id, "step", "after it")
    assert [note.text for note in ledger.records.notes(release.id)] == ["after it"]


@pytest.fixture
def impatient(ledger: Ledger, ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """The same ledger, opened by somebody who waits for a lock only as long as a test can."""
    monkeypatch.setattr(store, "GIVE_UP_SECONDS", 0.3)
    monkeypatch.setattr(address, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(address, "SESSION", (*address.SESSION, "SET lock_timeout = '100ms'"))
    with open_ledger(ledger_url, ledger.store.clock) as opened:
        opened.check()
        yield opened


@pytest.fixture
def blocker(ledger: Ledger) -> Iterator[Connection]:
    """A transaction that will hold what is asked for until it is rolled back."""
    with ledger.store.engine.connect().execution_options(begin="BEGIN IMMEDIATE") as connection:
        yield connection


def test_a_writer_that_never_ends_is_waited_for_within_a_limit(
    ledger: Ledger, impatient: Ledger, blocker: Connection, take: Take
) -> None:
    """Then the ledger says that it is busy, and what to do; nothing was written."""
    lease = take()
    blocker.execute(select(leases).with_for_update())
    with pytest.raises(LedgerError, match="lock") as refusal:
        impatient.leases.beat(lease)
    assert "Another process" in refusal.value.next
    blocker.rollback()
    assert ledger.leases.holder("shop", "production") == lease


def test_a_writer_that_ends_late_is_waited_for(
    impatient: Ledger, blocker: Connection, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction that met a lock is begun anew."""
    lease, met = take(), []

    def let_go(error: BaseException) -> bool:
        met.append(error)
        blocker.rollback()
        return try_again(error)

    monkeypatch.setattr(store, "try_again", let_go)
    monkeypatch.setattr(store, "GIVE_UP_SECONDS", 30.0)
    blocker.execute(select(leases).with_for_update())
    assert impatient.leases.beat(lease).token == lease.token
    assert len(met) == 1


def test_a_forked_child_has_connections_of_its_own(ledger: Ledger) -> None:
    """A child that used its parent's connection would break it for both."""
    with ledger.store.engine.connect() as connection:
        mine = connection.connection.dbapi_connection
    child = os.fork()
    if child == 0:
        status = 2
        try:
            with ledger.store.engine.connect() as connection:
                status = int(connection.connection.dbapi_connection is mine)
            ledger.check()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with ledger.store.engine.connect() as connection:
        assert connection.connection.dbapi_connection is mine
    ledger.check()
