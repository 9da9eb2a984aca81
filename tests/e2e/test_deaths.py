"""Releases whose process is killed."""

from __future__ import annotations

import pytest

from runwright.policy.rollback import Way
from tests.chaos.choice import SLOW
from tests.e2e.place import Place


@SLOW
def test_killed_in_its_watch_a_release_is_watched_to_the_end_by_the_rollback(place: Place) -> None:
    """A crash is no evidence against the release: what was left of the watch is watched, and the release is proven."""
    place.serving("v1.1.0")
    run = place.start("v1.6.0", 0.3)
    place.until(lambda: place.watched(run) or None, "the watch")
    place.kill(run)

    assert place.ended(run).is_crashed()
    fired = place.rolled_back(run)
    assert fired.state is not None and fired.state.is_completed(), fired.state
    release = place.release_of(run)
    assert release.state.value == "proven", release.because
    decision = place.ledger.releases.fact(release.id, "decision")
    assert decision is not None and decision["way"] == Way.WATCH_ON
    assert place.version() == "v1.6.0"


@pytest.mark.story  # one that died with its machine is put back in tests/e2e/test_supervised.py; what fires for a crash, beside this
def test_killed_between_the_switch_and_its_proof_a_release_is_put_back(place: Place) -> None:
    """Users reached a version that nobody had proven: the one before it serves again."""
    before, new = ("v1.6.0", "v1.1.0") if place.live() == "v1.6.0" else ("v1.1.0", "v1.6.0")
    place.serving(before)
    run = place.start(new, faults="kill@after:deploy/switch/put")

    assert place.ended(run).is_crashed()
    assert place.version() == new, "the traffic had moved"
    fired = place.rolled_back(run)
    assert fired.state is not None and fired.state.is_completed(), fired.state
    assert fired.parameters["reason"].startswith("Crashed")
    assert place.state_of(run) == "rolled_back"
    assert place.version() == before
