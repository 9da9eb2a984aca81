"""The journal: intent before each change, outcome after it, and nothing from a process that lost its lease."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runwright.engine.actions import Process
from runwright.errors import FencedError, InDoubtError, InputError, LedgerError
from runwright.ledger import Entry, Journal, Ledger
from tests.fixtures.ledgers import PassTime
from tests.fixtures.surroundings import FakeClock
from tests.unit.ledger.conftest import Open, Take

HERE = Process(host="here", pid=4711, started=99)
Intend = Callable[..., Entry]


@pytest.fixture
def journal(ledger: Ledger, opened: Open) -> Journal:
    """The journal of a release that was just opened."""
    return ledger.journal(opened().id)


@pytest.fixture
def intend(journal: Journal) -> Intend:
    """``intend("switch")`` journals the intent of that key; without a token if none is given."""

    def work(key: str = "switch", token: int | None = None, **others: Any) -> Entry:
        values: dict[str, Any] = {"repeatable": True, "safe_point": False} | others
        return journal.intend(key, f"do {key}", token, **values)

    return work


def test_an_intent_is_there_before_anything_happens(journal: Journal, intend: Intend) -> None:
    """What recovery needs is kept with it."""
    detail = {"kind": "Command", "deadline_seconds": 30.0, "elsewhere": None}
    entry = intend("migrate/api", repeatable=False, safe_point=True, detail=detail)
    assert (entry.attempt, entry.state, entry.seconds) == (1, "intended", None)
    assert (entry.repeatable, entry.safe_point, entry.detail) == (False, True, detail)
    assert journal.find("migrate/api") == entry


def test_a_change_goes_from_intent_to_outcome(journal: Journal, intend: Intend, clock: FakeClock) -> None:
    """Its process, its result and its time are kept."""
    entry = intend()
    clock.advance(1)
    running = journal.started(entry, HERE)
    assert (running.state, running.host, running.pid, running.pid_started) == ("running", "here", 4711, 99)
    clock.advance(2.5)
    done = journal.settle(entry, {"id": "sha256:12", "sizes": [1, 2.5, None, True]})
    assert (done.state, done.seconds, done.pid) == ("done", 2.5, 4711)
    assert done.result == {"id": "sha256:12", "sizes": [1, 2.5, None, True]}
    assert journal.find("switch") == done


@pytest.mark.parametrize(("ended", "state"), [(False, "failed"), (True, "ended")])
def test_a_change_that_did_not_go_well_says_why(journal: Journal, intend: Intend, ended: bool, state: str) -> None:
    """A failure was seen by its own process; what was interrupted was ended by who came after."""
    entry = intend()
    assert journal.fail(entry, "exit 1", ended=ended).state == state
    found = journal.find("switch")
    assert found and (found.state, found.error) == (state, "exit 1")


def test_a_key_that_is_tried_again_is_a_new_attempt(journal: Journal, intend: Intend) -> None:
    """The last attempt is the one that is found; all are kept, in their order."""
    journal.fail(intend("a"), "exit 1")
    journal.settle(intend("b"))
    again = intend("a")
    assert again.attempt == 2 and journal.find("a") == again
    assert [(e.key, e.attempt, e.state) for e in journal.entries()] == [
        ("a", 1, "failed"),
        ("b", 1, "done"),
        ("a", 2, "intended"),
    ]


def test_a_key_that_was_never_intended_is_not_found(journal: Journal) -> None:
    """Nothing was journaled, so nothing was done."""
    assert journal.find("switch") is None and journal.entries() == [] and not journal.changed()


def test_what_users_could_notice_is_what_was_done_under_the_lease(journal: Journal, intend: Intend, take: Take) -> None:
    """Preparation needs no lease; it is a change, but none that has to be taken back."""
    intend("build")
    assert journal.changed() and not journal.changed(under_lease=True)
    intend("switch", take().token)
    assert journal.changed(under_lease=True)


def test_nothing_is_intended_with_a_token_that_is_not_current(
    journal: Journal, intend: Intend, take: Take, ledger: Ledger
) -> None:
    """A lease that was never taken, was given back, or is of another environment, protects nothing."""
    with pytest.raises(FencedError, match="never taken"):
        intend(token=1)
    lease = take()
    with pytest.raises(FencedError):
        intend(token=lease.token + 1)
    ledger.leases.release(lease)
    with pytest.raises(FencedError, match="given back"):
        intend(token=lease.token)
    take("run-9", "staging")
    with pytest.raises(FencedError):
        intend(token=lease.token)
    assert journal.entries() == []


def test_a_fenced_process_journals_no_intent(journal: Journal, intend: Intend, take: Take, pass_time: PassTime) -> None:
    """Once somebody else has the lease, the old token opens nothing."""
    old = take("run-1")
    pass_time(31)
    with pytest.raises(FencedError, match="expired"):
        intend(token=old.token)
    new = take("run-2")
    with pytest.raises(FencedError, match="worker of run-2"):
        intend(token=old.token)
    assert intend(token=new.token).token == new.token
    assert len(journal.entries()) == 1


def test_a_process_that_was_fenced_after_its_intent_hears_of_it_when_it_starts(
    journal: Journal, intend: Intend, take: Take, pass_time: PassTime
) -> None:
    """It slept between its intent and its start: it must end what it started."""
    entry = intend(token=take("run-1").token)
    pass_time(31)
    take("run-2")
    with pytest.raises(FencedError, match="worker of run-2"):
        journal.started(entry, HERE)


def test_a_lease_that_only_expired_stops_no_change_that_has_begun(
    journal: Journal, intend: Intend, take: Take, pass_time: PassTime
) -> None:
    """Nobody else is there: the heartbeat is late, and ending a change half-way would do harm."""
    entry = intend(token=take("run-1").token)
    pass_time(31)
    assert journal.started(entry, HERE).state == "running"


def test_an_outcome_is_kept_even_if_the_lease_was_lost(
    journal: Journal, intend: Intend, take: Take, pass_time: PassTime
) -> None:
    """It is a fact, whoever holds the lease now; who comes after is better off with it."""
    entry = intend(token=take("run-1").token)
    pass_time(31)
    take("run-2")
    assert journal.settle(entry, {"id": 1}).state == "done"


def test_what_another_process_has_closed_stays_closed(journal: Journal, intend: Intend) -> None:
    """A process that wakes up after recovery cannot change what recovery found."""
    entry = intend()
    journal.fail(entry, "interrupted", ended=True)
    for late in (
        lambda: journal.started(entry, HERE),
        lambda: journal.settle(entry),
        lambda: journal.fail(entry, "exit 1"),
    ):
        with pytest.raises(FencedError, match="closed as ended by another process: interrupted"):
            late()


def test_an_outcome_that_is_told_twice_is_told_once(journal: Journal, intend: Intend, clock: FakeClock) -> None:
    """The answer to the first may have been lost; the first one stands."""
    entry = intend()
    first = journal.settle(entry, {"id": 1})
    clock.advance(5)
    assert journal.settle(entry, {"id": 1}) == first


def test_an_intent_whose_answer_was_lost_is_superseded(journal: Journal, intend: Intend) -> None:
    """Asked for again it becomes a new attempt, and the old one is not left in doubt."""
    intend()
    assert intend().attempt == 2
    assert [(e.state, e.error) for e in journal.entries()] == [
        ("ended", "superseded by attempt 2"),
        ("intended", None),
    ]


def test_what_runs_is_not_begun_a_second_time(journal: Journal, intend: Intend) -> None:
    """An attempt that has a process and no outcome has to be recovered first."""
    journal.started(intend(), HERE)
    with pytest.raises(InDoubtError, match="has a process and no outcome"):
        intend()
    assert len(journal.entries()) == 1


def test_a_clock_that_went_back_makes_no_negative_time(journal: Journal, intend: Intend, clock: FakeClock) -> None:
    """A change took no time, rather than less than none."""
    entry = intend()
    clock.advance(-3600)
    assert journal.settle(entry).seconds == 0.0


def test_a_release_that_is_not_there_has_no_journal(ledger: Ledger) -> None:
    """Nothing is journaled for it, and the ledger says which one is missing."""
    with pytest.raises(InputError, match="no release 'nobody'"):
        ledger.journal("nobody").intend("a", "do a", None, repeatable=True, safe_point=False)


def test_journals_of_two_releases_are_apart(ledger: Ledger, opened: Open, intend: Intend) -> None:
    """A key is unique in a release, not in the world."""
    intend("switch")
    assert ledger.journal(opened("v2").id).find("switch") is None


@pytest.mark.parametrize(
    "text",
    [
        "'; DROP TABLE journal; --",
        "NUL \x00 inside",
        "half a surrogate \udc80",
        "ünïcode 🚀",
        "%s %(x)s :x ?",
        "x" * 100_000,
    ],
)
def test_text_from_outside_is_kept_as_text(journal: Journal, intend: Intend, text: str) -> None:
    """What a database cannot keep is replaced; nothing is read as SQL, and nothing fails."""
    journal.fail(intend(), text)
    found = journal.find("switch")
    assert found and found.error == text.replace("\x00", "\ufffd").replace("\udc80", "?")


@pytest.mark.parametrize("result", [object(), {1, 2}, float("nan"), b"raw"])
def test_a_result_that_is_no_plain_json_is_refused(journal: Journal, intend: Intend, result: Any) -> None:
    """On both databases alike, and the entry stays as it was."""
    entry = intend()
    with pytest.raises(LedgerError, match="cannot be read or written"):
        journal.settle(entry, result)
    assert journal.find("switch") == entry
