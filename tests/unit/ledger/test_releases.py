"""Releases: one per run, moved by one table, and the way back that follows from how they ended."""

from __future__ import annotations

import re

import pytest

from runwright.errors import FencedError, InputError, RefusedError
from runwright.ledger import Ledger, Release
from runwright.ledger.states import ReleaseState as S
from tests.fixtures.ledgers import PassTime
from tests.fixtures.surroundings import FakeClock
from tests.unit.ledger.conftest import Open, Take, version_of

NEVER = "f" * 40


def roll_back(ledger: Ledger, release: Release, to: Release | None) -> Release:
    """Put ``release`` back to ``to``."""
    ledger.releases.record(release.id, previous_id=to and to.id)
    ledger.releases.advance(release.id, S.ROLLING_BACK, "error rate 7.1 % > 5 %")
    return ledger.releases.advance(release.id, S.ROLLED_BACK, "traffic is back")


def test_a_release_is_what_was_asked(ledger: Ledger) -> None:
    """It begins in ``preparing``, under a name that people can read and sort."""
    asked = {"procedure": "deploy", "run_id": "run-1", "deployer": "ada", "parameters": {"version": "v1"}}
    release = ledger.releases.open("shop", "production", "v1", runbook={"system": "shop"}, **asked)
    assert re.fullmatch(r"shop-production-20261121-070512-[0-9a-f]{4}", release.id)
    assert (release.state, release.because, release.commit) == (S.PREPARING, "ada asked for v1", "")
    assert (release.runbook, release.parameters) == ({"system": "shop"}, {"version": "v1"})
    assert ledger.releases.get(release.id) == release == ledger.releases.of_run("run-1")


def test_a_run_opens_one_release(ledger: Ledger, opened: Open) -> None:
    """A run that starts again gets the release that it opened before."""
    first = opened(run_id="run-x")
    assert opened(run_id="run-x").id == first.id
    assert len(ledger.releases.find()) == 1


def test_a_run_cannot_release_to_two_environments(opened: Open) -> None:
    """That would be a mistake of whoever made the run."""
    opened(run_id="run-x")
    with pytest.raises(InputError, match="run-x belongs to"):
        opened(run_id="run-x", environment="staging")


def test_other_runs_work_on_a_release_too(ledger: Ledger, opened: Open) -> None:
    """A rollback finds its release by its own run, and by the run that failed."""
    release = opened()
    for _ in range(2):
        ledger.releases.attach(release.id, "rollback-run", "rollback")
    assert ledger.releases.of_run("rollback-run") == release
    assert [(run.run_id, run.procedure) for run in ledger.releases.runs(release.id)] == [
        ("run-1", "deploy"),
        ("rollback-run", "rollback"),
    ]
    with pytest.raises(InputError, match="works on"):
        ledger.releases.attach(opened("v2").id, "rollback-run", "rollback")


def test_what_is_not_there_is_said_by_name(ledger: Ledger) -> None:
    """No release, no run."""
    assert ledger.releases.of_run("nobody") is None
    for ask in (
        lambda: ledger.releases.get("nobody"),
        lambda: ledger.releases.attach("nobody", "run-1", "watch"),
        lambda: ledger.releases.advance("nobody", S.PLANNED, "x"),
        lambda: ledger.releases.record("nobody", level="L1"),
        lambda: ledger.releases.set_fact("nobody", "a", 1),
        lambda: ledger.releases.clear_quarantine("nobody", "ada", "x"),
    ):
        with pytest.raises(InputError, match="no release 'nobody'"):
            ask()


def test_the_newest_come_first_whatever_the_clock_says(ledger: Ledger, opened: Open, clock: FakeClock) -> None:
    """Releases are in the order in which they were opened, by system, environment and state."""
    for ref, environment in (("v1", "production"), ("v2", "staging"), ("v3", "production")):
        opened(ref, environment=environment)
        clock.advance(-3600)
    refs = [r.ref for r in ledger.releases.find()]
    assert refs == ["v3", "v2", "v1"]
    assert [r.ref for r in ledger.releases.find("shop", "production")] == ["v3", "v1"]
    assert [r.ref for r in ledger.releases.find("shop", limit=1)] == ["v3"]
    assert ledger.releases.find("bank") == [] and ledger.releases.find(states=[S.PROVEN]) == []


def test_every_step_is_written_down_with_its_reason(ledger: Ledger, opened: Open, clock: FakeClock) -> None:
    """ "A → B because …", in order."""
    release = opened()
    clock.advance(7)
    moved = ledger.releases.advance(release.id, S.PLANNED, "12 actions, level L1")
    assert (moved.state, moved.because) == (S.PLANNED, "12 actions, level L1")
    assert (moved.changed_at - release.changed_at).total_seconds() == 7
    assert [str(step) for step in ledger.releases.transitions(release.id)] == [
        "new → preparing because ada asked for v1",
        "preparing → planned because 12 actions, level L1",
    ]


def test_the_same_step_twice_is_one_step(ledger: Ledger, opened: Open) -> None:
    """A run that starts again repeats its steps; ``expect`` is about the first time."""
    release = opened()
    first = ledger.releases.advance(release.id, S.PLANNED, "ready", expect=[S.PREPARING])
    assert ledger.releases.advance(release.id, S.PLANNED, "ready", expect=[S.PREPARING]) == first
    assert len(ledger.releases.transitions(release.id)) == 2


def test_a_new_reason_for_the_same_state_is_written_down(ledger: Ledger, opened: Open, clock: FakeClock) -> None:
    """A watch that crashed stays a watch; since when it is one does not change."""
    release = opened(to=S.WATCHING)
    clock.advance(60)
    again = ledger.releases.advance(release.id, S.WATCHING, "the run crashed; 29 minutes were left")
    assert again.changed_at == release.changed_at and again.because.startswith("the run crashed")
    assert str(ledger.releases.transitions(release.id)[-1]).startswith("watching → watching because")


def test_what_has_ended_keeps_its_reason(ledger: Ledger, opened: Open) -> None:
    """A rollback that is fired twice changes nothing the second time."""
    release = roll_back(ledger, opened(to=S.WATCHING), None)
    assert ledger.releases.advance(release.id, S.ROLLED_BACK, "fired again") == release


@pytest.mark.parametrize(
    ("at", "to", "says"),
    [
        (S.PREPARING, S.SWITCHING, "after preparing comes"),
        (S.WATCHING, S.SWITCHING, "after watching comes"),
        (S.PROVEN, S.FAILING, "after proven comes rolling_back"),
    ],
)
def test_a_step_that_the_table_does_not_have_is_refused(ledger: Ledger, opened: Open, at: S, to: S, says: str) -> None:
    """Both states are named, and the release stays where it is."""
    release = opened(to=at)
    with pytest.raises(RefusedError, match=says) as refusal:
        ledger.releases.advance(release.id, to, "x")
    assert f"is {at} and cannot become {to}" in refusal.value.what and f"stays {at}" in refusal.value.state
    assert ledger.releases.get(release.id) == release


def test_a_step_from_a_state_that_was_not_expected_is_refused(ledger: Ledger, opened: Open) -> None:
    """Of two who want to move it, the second sees that it is not where they thought."""
    release = opened(to=S.WATCHING)
    ledger.releases.advance(release.id, S.FAILING, "errors")
    with pytest.raises(RefusedError, match="expected to be watching"):
        ledger.releases.advance(release.id, S.FROZEN, "x", expect=[S.WATCHING])


def test_a_fenced_process_moves_and_records_nothing(
    ledger: Ledger, opened: Open, take: Take, pass_time: PassTime
) -> None:
    """With its token given, a step and a record are refused once the lease is lost."""
    release, old = opened(to=S.WATCHING), take("run-1")
    ledger.releases.record(release.id, watch_elapsed_seconds=60.0, token=old.token)
    pass_time(31)
    take("run-2")
    with pytest.raises(FencedError):
        ledger.releases.advance(release.id, S.PROVEN, "watched to the end", token=old.token)
    with pytest.raises(FencedError):
        ledger.releases.record(release.id, watch_elapsed_seconds=90.0, token=old.token)
    assert ledger.releases.get(release.id).watch_elapsed_seconds == 60.0


def test_what_becomes_known_is_recorded(ledger: Ledger, opened: Open, clock: FakeClock) -> None:
    """A version brings its commit; it comes out as it went in."""
    before, release = opened("v1"), opened("v2")
    version = version_of("v3", extra={"environment": {"PORT": 8000}})
    kept = ledger.releases.record(
        release.id,
        version=version,
        previous_id=before.id,
        level="L2",
        plan_hash="ab12",
        schema_before=["a1"],
        schema_after=["b2"],
        watch_started_at=clock(),
        watch_elapsed_seconds=12.5,
    )
    assert (kept.version, kept.commit, kept.previous_id, kept.level) == (version, version.commit, before.id, "L2")
    assert (kept.schema_before, kept.schema_after, kept.watch_started_at) == (["a1"], ["b2"], clock())
    assert ledger.releases.get(release.id) == kept


def test_only_what_may_be_set_is_set(ledger: Ledger, opened: Open) -> None:
    """A state without a reason, or a column that does not exist, is a mistake of the caller."""
    for columns in ({"state": "proven"}, {"colour": "blue"}):
        with pytest.raises(InputError, match=next(iter(columns))):
            ledger.releases.record(opened().id, **columns)


# -------------------------------------------------------------------------------------------------- the way back


def test_nothing_is_live_before_the_first_release(ledger: Ledger, opened: Open) -> None:
    """A release that is on its way, or was taken back, is none that should serve."""
    assert ledger.releases.live("shop", "production") is None
    release = opened(to=S.WATCHING)
    assert ledger.releases.live("shop", "production") is None
    roll_back(ledger, release, None)
    assert ledger.releases.live("shop", "production") is None


def test_the_last_that_was_proven_is_live(ledger: Ledger, opened: Open) -> None:
    """Whatever was begun after it, or elsewhere."""
    opened("v1", to=S.PROVEN)
    second = opened("v2", to=S.PROVEN)
    opened("v3", to=S.VERIFYING)
    opened("v4", to=S.PROVEN, environment="staging")
    assert ledger.releases.live("shop", "production") == second


def test_a_late_rollback_makes_the_one_before_it_live(ledger: Ledger, opened: Open) -> None:
    """Also while it is going on: what is being taken back is no way back for anybody."""
    first, second = opened("v1", to=S.PROVEN), opened("v2", to=S.PROVEN)
    ledger.releases.record(second.id, previous_id=first.id)
    ledger.releases.advance(second.id, S.ROLLING_BACK, "ada wants v1 again")
    assert ledger.releases.live("shop", "production") == first
    ledger.releases.advance(second.id, S.ROLLED_BACK, "traffic is back")
    assert ledger.releases.live("shop", "production") == first


def test_a_rollback_over_several_releases_makes_its_target_live(ledger: Ledger, opened: Open) -> None:
    """Not the newest that is still called proven."""
    first, _, third = (opened(ref, to=S.PROVEN) for ref in ("v1", "v2", "v3"))
    roll_back(ledger, third, first)
    assert ledger.releases.live("shop", "production") == first
    fourth = opened("v4", to=S.SWITCHING)
    roll_back(ledger, fourth, first)
    assert ledger.releases.live("shop", "production") == first


def test_a_rollback_that_did_not_say_where_to_leads_to_what_was_proven_before(ledger: Ledger, opened: Open) -> None:
    """A release that died before its way back was recorded had changed nothing of it."""
    first = opened("v1", to=S.PROVEN)
    roll_back(ledger, opened("v2", to=S.MIGRATING), None)
    assert ledger.releases.live("shop", "production") == first


def test_a_release_that_was_released_again_is_live(ledger: Ledger, opened: Open) -> None:
    """The last end decides, not the first."""
    first, second = opened("v1", to=S.PROVEN), opened("v2", to=S.PROVEN)
    roll_back(ledger, second, first)
    third = opened("v3", to=S.PROVEN)
    assert ledger.releases.live("shop", "production") == third


def test_what_runs_already_is_adopted_once(ledger: Ledger, opened: Open) -> None:
    """It is a way back like one that was proven; the same thing again is the same release, another is a new one."""
    found = version_of("running", adopted=True, extra={"ports": (8000,)})
    adopted = ledger.releases.adopt("shop", "production", found, runbook={}, deployer="ada")
    assert adopted.adopted and adopted.state is S.PROVEN and adopted.ended
    assert ledger.releases.live("shop", "production") == adopted
    assert ledger.releases.adopt("shop", "production", found, runbook={}, deployer="bob") == adopted
    drifted = ledger.releases.adopt("shop", "production", version_of("drift"), runbook={}, deployer="ada")
    assert ledger.releases.live("shop", "production") == drifted != adopted


# -------------------------------------------------------------------------------------------------- quarantine


@pytest.mark.parametrize("end", [S.FAILING, S.ROLLING_BACK, S.ROLLED_BACK, S.FROZEN])
def test_a_version_that_failed_is_quarantined(ledger: Ledger, opened: Open, end: S) -> None:
    """In its environment, until somebody clears it by name and with a reason."""
    release = opened("v2", to=S.VERIFYING)
    if end is S.ROLLED_BACK:
        roll_back(ledger, release, None)
    else:
        ledger.releases.advance(release.id, end, "503 from /readyz")
    found = ledger.releases.quarantined("shop", "production", release.commit)
    assert found and found.id == release.id
    assert ledger.releases.quarantined("shop", "staging", release.commit) is None
    cleared = ledger.releases.clear_quarantine(release.id, "ada", "the certificate had expired")
    assert (cleared.cleared_by, cleared.cleared_because) == ("ada", "the certificate had expired")
    assert ledger.releases.quarantined("shop", "production", release.commit) is None
    assert "ada cleared it" in ledger.records.notes(release.id)[0].text


@pytest.mark.parametrize("end", [S.PREPARING, S.PROVEN, S.ABANDONED])
def test_a_version_that_did_not_fail_is_free(ledger: Ledger, opened: Open, end: S) -> None:
    """What was abandoned was never judged."""
    release = opened("v2", to=S.PROVEN if end is S.PROVEN else S.PREPARING)
    if end is S.ABANDONED:
        ledger.releases.advance(release.id, S.ABANDONED, "cancelled")
    assert ledger.releases.quarantined("shop", "production", release.commit) is None


def test_the_last_judgement_of_a_version_counts(ledger: Ledger, opened: Open) -> None:
    """Proven after it had failed, it is free; failed again, it is not."""
    roll_back(ledger, opened("v2", to=S.WATCHING), None)
    proven = opened("v2", to=S.PROVEN)
    assert ledger.releases.quarantined("shop", "production", proven.commit) is None
    roll_back(ledger, proven, None)
    assert ledger.releases.quarantined("shop", "production", proven.commit) is not None
    assert ledger.releases.quarantined("shop", "production", NEVER) is None
    assert ledger.releases.quarantined("shop", "production", "") is None


def test_facts_are_kept_by_name(ledger: Ledger, opened: Open) -> None:
    """The newest value replaces the one before, in its own release."""
    release, other = opened(), opened("v2")
    assert ledger.releases.fact(release.id, "slot") is None
    ledger.releases.set_fact(release.id, "slot", "blue")
    ledger.releases.set_fact(release.id, "slot", {"now": "green", "ports": [1, 2]})
    ledger.releases.set_fact(release.id, "nothing", None)
    assert ledger.releases.fact(release.id, "slot") == {"now": "green", "ports": [1, 2]}
    assert ledger.releases.facts(release.id) == {"nothing": None, "slot": {"now": "green", "ports": [1, 2]}}
    assert ledger.releases.facts(other.id) == {}
