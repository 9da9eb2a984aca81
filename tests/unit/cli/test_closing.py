"""The end of a release in a few lines."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from deployments.cli.closing import closing, phases_of, serves, show_closing
from deployments.cli.exits import Exit
from deployments.cli.outcomes import CODES, Outcome, RunState
from deployments.cli.output import Output
from runwright.ledger import Ledger
from runwright.ledger.records import GateResult
from runwright.ledger.states import ReleaseState as S
from runwright.policy.drills import Drill
from tests.fixtures.surroundings import FakeClock
from tests.unit.cli.conftest import Opened


def test_each_phase_has_its_time_and_its_last_reason(ledger: Ledger, opened: Opened, clock: FakeClock) -> None:
    """A new reason for the same state is no new phase; the last one has no end."""
    release = opened("v1", to=S.PLANNED)
    ledger.releases.advance(release.id, S.PLANNED, "planned anew")
    clock.advance(7)
    ledger.releases.advance(release.id, S.APPROVED, "nobody has to approve it")
    assert [(p.state, p.seconds, p.because) for p in phases_of(ledger, release.id)] == [
        ("preparing", 10.0, "ada asked for v1"),
        ("planned", 7.0, "planned anew"),
        ("approved", None, "nobody has to approve it"),
    ]


def test_a_version_that_nothing_spoke_against_may_be_released_again(ledger: Ledger, opened: Opened) -> None:
    """A cancelled release is taken back and let out of quarantine; nobody is asked to clear it."""
    release = opened("v1", to=S.ROLLED_BACK)
    ledger.releases.clear_quarantine(release.id, "Runwright", "nothing spoke against the version itself")
    found = closing(ledger, Outcome.TAKEN_BACK, release, RunState("CANCELLED"))
    assert "released again" in found.next
    assert "clear" not in found.next


@pytest.mark.parametrize(
    ("ended", "code", "headline"),
    [
        ("came_back", Exit.DONE, "The drill of shop/production passed: broken by kill, back after 9 s."),
        (
            "unnoticed",
            Exit.TAKEN_BACK,
            "The drill of shop/production failed: broken by kill, and the watch did not notice.",
        ),
        ("", Exit.TAKEN_BACK, "The drill of shop/production failed: it ended before anything was broken."),
    ],
)
def test_a_drill_passed_only_if_what_was_broken_was_noticed(
    ledger: Ledger, opened: Opened, clock: FakeClock, ended: str, code: Exit, headline: str
) -> None:
    """That the old version serves again says nothing by itself."""
    release = opened("v1", to=S.ROLLED_BACK, procedure="drill")
    if ended:
        times = (clock(), clock() + timedelta(seconds=4), "down", clock() + timedelta(seconds=9))
        ledger.drills.keep(Drill(release.id, "shop", "production", "kill", *times, ended))
    found = closing(ledger, Outcome.CAME_BACK, release, RunState("COMPLETED"))
    assert (found.code, found.headline) == (code, headline)
    assert "clear" not in found.next


def test_of_a_way_back_only_the_way_back_is_told(ledger: Ledger, opened: Opened) -> None:
    """How the release came to be proven, weeks ago, is another story."""
    release = opened("v1", to=S.PROVEN)
    for state in (S.ROLLING_BACK, S.ROLLED_BACK):
        ledger.releases.advance(release.id, state, "a person asked for it")
    told = closing(ledger, Outcome.BACK, release, RunState("COMPLETED")).phases
    assert [p.state for p in told] == ["rolling_back", "rolled_back"]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("RefusedError", Exit.REFUSED),
        ("InputError", Exit.INPUT),
        ("ActionError", Exit.FAILED),
        ("nonsense", Exit.FAILED),
        ("", Exit.FAILED),
    ],
)
def test_a_release_that_was_refused_exits_as_a_refusal(ledger: Ledger, opened: Opened, kind: str, code: Exit) -> None:
    """As if the command itself had refused it, with what the error says about the state and the way on."""
    release = opened("v1", to=S.ABANDONED)
    ledger.releases.set_fact(release.id, "error", {"kind": kind, "what": "x", "state": "s", "next": "n"})
    found = closing(ledger, Outcome.UNTOUCHED, release, RunState("FAILED"))
    assert (found.code, found.state, found.next) == (code, "s", "n")


def test_an_untouched_release_without_more_is_a_failure(ledger: Ledger, opened: Opened, clock: FakeClock) -> None:
    """The gates that stopped it are shown, each by its last answer."""
    release = opened("v1", to=S.ABANDONED)
    results = [("ci", "fail", "tests run"), ("disk", "pass", "room"), ("ci", "fail", "tests failed")]
    ledger.records.add_gate_results(release.id, [GateResult(*r, clock()) for r in results])
    found = closing(ledger, Outcome.UNTOUCHED, release, RunState("FAILED"))
    assert found.code is Exit.FAILED
    assert found.gates == (("ci", "fail", "tests failed"),)


def test_people_read_a_reason_once(
    ledger: Ledger, opened: Opened, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """A refusal that is written four times looks like four; a gate whose reason is not told yet stays in the table."""
    release = opened("v1")
    because = "nothing was changed: 1 of 2 gates stop the release: ci: tests failed; now what"
    results = [("ci", "fail", "tests failed."), ("disk", "warn", "little room")]
    ledger.records.add_gate_results(release.id, [GateResult(*r, clock()) for r in results])
    ledger.releases.advance(release.id, S.ABANDONED, because)
    closed = closing(ledger, Outcome.UNTOUCHED, release, RunState("FAILED"))
    show_closing(Output(), closed, release, "run-1")
    printed = capsys.readouterr().out
    assert printed.count("tests failed") == 1
    assert "little room" in printed
    show_closing(Output(as_json=True), closed, release, "run-1")
    data = json.loads(capsys.readouterr().out)
    assert (data["phases"][-1]["because"], len(data["gates"])) == (because, 2)


@pytest.mark.parametrize(
    ("outcome", "state", "next_"),
    [
        (Outcome.FROZEN, S.FROZEN, "runwright accept"),
        (Outcome.TAKEN_BACK, S.ROLLED_BACK, "runwright clear"),
        (Outcome.UNSETTLED, S.SWITCHING, "runwright rollback shop/production --release"),
        (Outcome.STILL_SERVES, S.PROVEN, "runwright rollback shop/production --release"),
        (Outcome.PROVEN, S.PROVEN, ""),
    ],
)
def test_what_to_do_next_is_a_command(ledger: Ledger, opened: Opened, outcome: Outcome, state: S, next_: str) -> None:
    """Whoever reads it at night can copy it."""
    release = opened("v1", to=state)
    found = closing(ledger, outcome, release, None)
    assert next_ in found.next
    assert (release.id in found.next) == bool(next_)


def test_a_way_back_that_broke_off_says_why_it_did(ledger: Ledger, opened: Opened) -> None:
    """The release knows only why the way back was begun, and is told where nothing else is known."""
    release = opened("v1", to=S.WATCHING)
    said = "Flow run encountered an exception: DeadlineError: api-1: waited 180 s in vain.\nIt was left.\nRead its log."
    broke = closing(ledger, Outcome.UNSETTLED, release, RunState("FAILED", "Failed", said))
    assert broke.why == "api-1: waited 180 s in vain.\nIt was left." and release.id in broke.next
    assert closing(ledger, Outcome.UNSETTLED, release, RunState("COMPLETED")).why == release.because


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_is_told(
    ledger: Ledger, opened: Opened, outcome: Outcome, capsys: pytest.CaptureFixture[str]
) -> None:
    """With and without a release, for people and for programs."""
    release = opened("v1", to=S.WATCHING)
    for about in (release, None):
        closed = closing(ledger, outcome, about, RunState("FAILED", "Failed", "it broke"))
        show_closing(Output(), closed, about, "run-1")
        assert closed.headline in capsys.readouterr().out
        show_closing(Output(as_json=True), closed, about, "run-1")
        data: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert (data["event"], data["exit_code"], data["outcome"]) == ("end", int(closed.code), str(closed.outcome))
        as_asked = outcome is not Outcome.CAME_BACK or about is None  # that needs a drill that was kept
        assert closed.outcome is (outcome if as_asked else Outcome.TAKEN_BACK)


def test_what_serves_is_what_the_ledger_calls_live(ledger: Ledger, opened: Opened) -> None:
    """While a release is between two versions nobody can say so."""
    assert serves(ledger, "shop", "production") == "nothing that the ledger knows of"
    first = opened("v1", to=S.PROVEN)
    assert serves(ledger, "shop", "production") == f"v1 ({first.id})"
    opened("v2", to=S.PLANNED)
    assert serves(ledger, "shop", "production") == f"v1 ({first.id})"
    opened("v3", to=S.SWITCHING)
    assert serves(ledger, "shop", "production").startswith("not settled: v3 is switching")


def test_a_run_that_was_refused_before_it_had_a_release_tells_by_whom_and_what_to_do(ledger: Ledger) -> None:
    """Prefect's message of the state is all that there is: its kind gives the exit code, its last line the next step."""
    said = (
        "Flow run encountered an exception: LeaseHeldError: shop/local is held by deploy of v1 since 07:05:12 UTC.\n"
        "Nothing was done.\nWait until it has ended, or stop it."
    )
    run = RunState("FAILED", "Failed", said)
    found = closing(ledger, Outcome.UNTOUCHED, None, run)
    assert found.code is Exit.REFUSED
    assert found.why == "shop/local is held by deploy of v1 since 07:05:12 UTC.\nNothing was done."
    assert found.next == "Wait until it has ended, or stop it."
    other = closing(
        ledger, Outcome.UNTOUCHED, None, RunState("CRASHED", "Crashed", "Process exited with status code: -9")
    )
    assert (other.why, other.code) == ("Process exited with status code: -9", CODES[Outcome.UNTOUCHED])
