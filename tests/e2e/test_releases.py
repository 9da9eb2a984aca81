"""Releases that go well, and releases that fail by themselves."""

from __future__ import annotations

import pytest
from prefect.client.schemas.objects import FlowRun

from examples.client import Client
from tests.chaos.choice import SLOW
from tests.e2e.place import Place


@SLOW  # that one wins is told by tests/chaos/test_races.py; a good release, and the rollback of one that did nothing, beside this
def test_of_two_deploys_at_once_one_is_proven_and_one_is_told_who_was_faster(place: Place) -> None:
    """The lease lets one through; the other changes nothing, and its rollback neither waits for it nor does anything."""
    runs = [place.start("v1.1.0", 0.1), place.start("v1.0.0", 0.1)]
    states = {run: place.ended(run) for run in runs}

    winners = [run for run, state in states.items() if state.is_completed()]
    assert len(winners) == 1, [state.message for state in states.values()]
    assert place.state_of(winners[0]) == "proven"
    loser = next(run for run in runs if run not in winners)
    assert "is held by deploy of v1." in (states[loser].message or "")
    assert place.state_of(loser) in ("", "abandoned")
    fired = place.rolled_back(loser)
    assert fired.state is not None and fired.state.is_completed(), fired.state
    assert place.version() == place.run(winners[0]).parameters["version"]
    assert place.fired_by(winners[0]) == [], "a good release fires nothing"


@SLOW  # that a failed migration is put back in the run is told by the story of secrets, and by the chaos matrix
def test_a_failed_migration_is_put_back_in_the_run_and_the_rollback_finds_nothing_to_do(place: Place) -> None:
    """The automation passes on which run failed and how; the rollback that it starts changes nothing."""
    place.serving("v1.1.0")
    run = place.start("v1.3.0-migration-fails")
    state = place.ended(run)
    assert state.is_failed() and "Migration 0003_prices" in (state.message or "")

    fired = place.rolled_back(run)
    assert fired.state is not None and fired.state.is_completed(), fired.state
    _nothing_to_do(place, run, fired, "Migration 0003_prices")
    assert place.version() == "v1.1.0"


def _nothing_to_do(place: Place, run: str, fired: FlowRun, why: str) -> None:
    """The automation has passed on which run failed and how, and the rollback that it started has changed nothing."""
    given = fired.parameters
    assert (given["system"], given["environment"], given["deployer"]) == (place.system, "local", "the automation")
    assert given["reason"].startswith("Failed: ") and why in given["reason"]
    assert fired.created_by is not None and fired.created_by.type == "AUTOMATION"
    release = place.release_of(run)
    assert release.state.value == "rolled_back"
    procedures = [r.procedure for r in place.ledger.releases.runs(release.id)]
    assert procedures[:2] == ["deploy", "rollback"] and set(procedures[2:]) <= {"rollback"}, procedures
    assert place.changes_by(str(fired.id)) == []


def test_errors_after_the_switch_breach_the_watch_and_the_old_version_serves_again(place: Place) -> None:
    """The verdict holds the numbers that it was reached by."""
    place.serving("v1.1.0")
    with Client(f"{place.front()}/items", seconds=600, rate=20) as client:
        run = place.start("v1.4.0-errors", 3.0)
        state = place.ended(run)
        assert client.counts()["failed"] > 0, "the release was as bad as it says"
        before = client.counts()["failed"]
        place.until(lambda: client.counts()["sent"] > 100 or None, "requests")
        assert client.counts()["failed"] == before, "after the way back nothing fails"

    assert state.is_failed()
    breach = str(place.ledger.releases.fact(place.release_of(run).id, "breach"))
    assert "rule errors" in breach and "requests" in breach and "%" in breach
    fired = place.rolled_back(run)
    assert fired.state is not None and fired.state.is_completed(), fired.state
    _nothing_to_do(place, run, fired, "rule errors")
    assert place.version() == "v1.1.0"


@pytest.mark.story  # a cancel in the watch is tried in tests/chaos/test_signals.py; what fires for it, beside this
def test_a_cancelled_watch_is_put_back_by_the_rollback(place: Place) -> None:
    """The cancelled process only ends; the automation starts what puts the old version back."""
    place.serving("v1.1.0")
    run = place.start("v1.6.0", 10.0)
    place.until(lambda: place.watched(run) or None, "the watch")
    assert place.version() == "v1.6.0"
    place.cancel(run)

    assert place.ended(run).is_cancelled()
    fired = place.rolled_back(run)
    assert fired.state is not None and fired.state.is_completed(), fired.state
    assert fired.parameters["reason"].startswith("Cancelled")
    assert place.state_of(run) == "rolled_back"
    assert place.version() == "v1.1.0"
