"""What serves is broken on purpose, on each platform, and comes back without a person."""

from __future__ import annotations

import time

import pytest

from runwright.ledger.states import ReleaseState
from runwright.runbook.drill import BREAKS
from tests.chaos.choice import EVERYTHING, PLATFORMS
from tests.chaos.judging import judged
from tests.chaos.world import NEW, World


@pytest.mark.parametrize("by", BREAKS if EVERYTHING else ["errors"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_a_drill_breaks_is_noticed_and_comes_back(world: World, by: str) -> None:
    """Whichever slot it serves in; the checker finds the system whole, and the next release goes through."""
    deploy = world.deploy(NEW)
    assert deploy.ended() == 0, deploy.log
    began, drill = time.monotonic(), world.drill(by)
    assert drill.ended() == 0, f"{drill.report}\n{drill.log}"
    assert judged(world, began, drill).state is ReleaseState.ROLLED_BACK
    with world.ledger() as ledger:
        release = ledger.releases.of_run(drill.run_id)
        assert release is not None
        kept = ledger.drills.of_release(release.id)
    assert kept is not None and (kept.outcome, kept.broken_by) == ("came_back", by), kept
    after = world.deploy("v1.6.0")
    assert after.ended() == 0, f"{after.report}\n{after.log}"
    assert judged(world, time.monotonic(), after).state is ReleaseState.PROVEN
