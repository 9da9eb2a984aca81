"""What serves is broken on purpose, on each platform, and comes back without a person."""

from __future__ import annotations

import time

import pytest

from runwright.ledger.states import ReleaseState
from runwright.runbook.drill import BREAKS
from tests.chaos.choice import PLATFORMS, SLOW
from tests.chaos.judging import judged
from tests.chaos.scenes import reason
from tests.chaos.world import NEW, World
from tests.fixtures.example import exchanged


@SLOW  # CI has the drill by way of Prefect (tests/e2e), which the same checker looks at
@pytest.mark.parametrize("by", BREAKS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_a_drill_breaks_is_noticed_and_comes_back(world: World, by: str) -> None:
    """Whichever slot it serves in; the checker finds the system whole, and the next release goes through."""
    if by == "latency":  # what takes longer than a probe waits is seen anyhow; containers may answer in time, and late
        file = world.root / "examples" / "shop.yaml"
        rule = "    - {id: down, probe: ready, failures: 3}\n"
        slow = f"{rule}    - {{id: slow, probe: ready, above: 300ms, for: 2s}}\n"
        file.write_text(exchanged(file.read_text(), rule, slow))
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


@SLOW
def test_what_no_rule_sees_is_told_and_comes_back_all_the_same(world: World) -> None:
    """Given a watch that lets answers take for ever, users wait and nobody notices: the drill fails, and says what to do."""
    file = world.root / "examples" / "shop.yaml"
    text = file.read_text()
    for seen, unseen in (
        ("      within: 60s\n", "      within: 60s\n      timeout: 30s\n"),
        ("    - {id: latency, measure: latency_p95, above: 1s, for: 6s, min_requests: 20}\n", ""),
        ("    - {id: errors, measure: error_ratio, above: 0.05, for: 4s, min_requests: 20}\n", ""),
    ):
        text = exchanged(text, seen, unseen)
    file.write_text(text)
    began, drill = time.monotonic(), world.drill("latency", watch_minutes=0.1)
    assert drill.ended() == 1, f"{drill.report}\n{drill.log}"
    assert "the watch did not notice" in drill.report.error and "latency_p95" in drill.report.error, drill.report
    rollback = world.rollback(drill, reason(1))
    assert rollback.ended() == 0, f"{rollback.report}\n{rollback.log}"
    assert judged(world, began, drill, rollback).state is ReleaseState.ROLLED_BACK
    with world.ledger() as ledger:
        release = ledger.releases.of_run(drill.run_id)
        assert release is not None
        kept = ledger.drills.of_release(release.id)
    assert kept is not None and (kept.outcome, kept.noticed_at) == ("unnoticed", None), kept
