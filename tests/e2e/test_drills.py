"""Drills: what serves is released again, broken on purpose, and comes back by itself."""

from __future__ import annotations

import pytest

from runwright.policy.drills import Drill
from runwright.testing.invariants import violations
from tests.chaos.choice import SLOW
from tests.e2e.place import Place

SERVES = "v1.6.0"


def drilled(place: Place, by: str, minutes: float = 3.0) -> str:
    """Start a drill and return its run's id."""
    deployment = place.client.read_deployment_by_name(f"drill/{place.name}")
    parameters = {"by": by, "watch_minutes": minutes, "deployer": "e2e"}
    return str(place.client.create_flow_run_from_deployment(deployment.id, parameters=parameters).id)


def kept(place: Place, run: str) -> Drill:
    drill = place.ledger.drills.of_release(place.release_of(run).id)
    assert drill is not None
    return drill


@pytest.mark.story  # the drill itself is tried in tests/chaos/test_drills.py, a run of Prefect's by the stories of releases
@pytest.mark.parametrize("by", ["kill", *(pytest.param(by, marks=SLOW) for by in ("errors", "latency"))])
def test_what_is_broken_is_noticed_and_put_back_by_the_run_itself(place: Place, by: str) -> None:
    """The ledger says how fast, users are served as before, and the version may be released and drilled again."""
    if not place.live():
        place.serving("v1.1.0")  # so that what is drilled serves in the second slot, and its drill in the first
    before = place.serving(SERVES).ledger.releases.live(place.system, "local")
    assert before is not None
    run = drilled(place, by)
    state = place.ended(run)
    assert state.is_completed(), state.message
    drill = kept(place, run)
    assert (drill.outcome, drill.broken_by) == ("came_back", by)
    assert "down" in drill.noticed_by or "ready" in drill.noticed_by, drill.noticed_by
    noticed, back = drill.seconds_until_noticed, drill.seconds_until_back
    assert noticed is not None and back is not None and 0 < noticed < back < 180
    assert place.version() == SERVES
    assert place.ledger.releases.live(place.system, "local") == before
    assert place.fired_by(run) == [], "a drill that passed fires nothing"
    assert place.ledger.releases.quarantined(place.system, "local", before.commit) is None
    assert violations(place.ledger, place.system, "local") == []


@SLOW
def test_a_drill_that_is_not_noticed_fails_and_is_put_back_all_the_same(place: Place) -> None:
    """A watch that is too short to judge anything would have frozen such a release: its run says so, and fails."""
    place.serving(SERVES)
    run = drilled(place, "latency", minutes=0.01)
    state = place.ended(run)
    assert state.is_failed() and "the watch could not judge it" in (state.message or ""), state.message
    assert kept(place, run).outcome == "unclear"
    assert place.state_of(run) == "rolled_back"
    assert place.version() == SERVES
    place.rolled_back(run)


@SLOW  # that its automation fires is told where all of them are, and a run that dies is put back by the same rollback
def test_a_drill_whose_process_dies_is_put_back_by_the_automation(place: Place) -> None:
    """Half-way through, with users on what was going to be broken."""
    place.serving(SERVES)
    deployment = place.client.read_deployment_by_name(f"drill/{place.name}")
    variables = {"env": {**deployment.job_variables["env"], "RUNWRIGHT_FAULTS": "kill@after:drill/spoil"}}
    run = str(
        place.client.create_flow_run_from_deployment(
            deployment.id, parameters={"by": "errors", "deployer": "e2e"}, job_variables=variables
        ).id
    )
    assert place.ended(run).is_crashed()
    fired = place.rolled_back(run)
    assert fired.state is not None and fired.state.is_completed(), fired.state
    assert place.state_of(run) == "rolled_back"
    assert kept(place, run).outcome == "interrupted"
    assert place.version() == SERVES
