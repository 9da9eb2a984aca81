"""Several people press the button together."""

from __future__ import annotations

import time

import pytest

from runwright.ledger.states import ReleaseState
from tests.chaos.choice import EVERYTHING
from tests.chaos.judging import judged
from tests.chaos.world import NEW, OLD, World

pytestmark = pytest.mark.timeout(900)
PATIENT_SECONDS = 30.0
"""Nobody dies here, but many processes share a machine: a lease that lapsed would rightly be taken by another."""
MANY = 10 if EVERYTHING else 4
"""How many CI has the time for: leases are fought for by ten threads and ten processes in tests/unit/ledger as well."""


def test_of_many_deploys_at_once_one_wins_and_the_others_say_who_holds_it(world: World) -> None:
    """Given many deploys of one environment, one is proven; each of the others changed nothing and names the winner."""
    world.lease_seconds = PATIENT_SECONDS
    many = [world.deploy(NEW) for _ in range(MANY)]
    codes = [one.ended() for one in many]
    stories = "\n".join(f"{one.report}" for one in many)
    assert sorted(codes) == [0] + [1] * (MANY - 1), stories
    winner = many[codes.index(0)]
    assert judged(world, time.monotonic(), winner).state is ReleaseState.PROVEN
    for one in many:
        if one is not winner:
            assert one.report.kind in ("LeaseHeldError", "RefusedError"), one.report
            assert (
                f"{world.system}/{world.environment}" in one.report.error
                or "has not come to an end" in one.report.error
            )
            assert "runwright status" in one.report.error, one.report
    with world.ledger() as ledger:
        lost = [r for one in many if one is not winner and (r := ledger.releases.of_run(one.run_id))]
        assert {r.state for r in lost} <= {ReleaseState.ABANDONED}
        for release in lost:
            assert not ledger.journal(release.id).changed(under_lease=True), release


def test_deploys_and_rollbacks_at_once_leave_one_of_the_two_versions_proven(world: World) -> None:
    """Given deploys and as many rollbacks at once, whatever their order, the shop is whole and the ledger is right."""
    before = world.deploy(NEW)
    assert before.ended() == 0, before.log
    world.lease_seconds = PATIENT_SECONDS
    deploys = [world.deploy("v1.6.0") for _ in range(MANY // 2)]
    rollbacks = [world.rollback(None, "we do not like it") for _ in range(MANY // 2)]
    for one in (*deploys, *rollbacks):
        one.ended()
        assert one.report.kind in ("", "LeaseHeldError", "RefusedError"), f"{one.report}\n{one.log[-3000:]}"
    outcome = judged(world, time.monotonic(), before, *deploys, *rollbacks)
    assert outcome.state in (ReleaseState.PROVEN, ReleaseState.ROLLED_BACK)
    with world.ledger() as ledger:
        live = ledger.releases.live(world.system, world.environment)
        open_ones = [r for r in ledger.releases.find(world.system, world.environment, limit=50) if not r.ended]
    assert live is not None and live.ref in (OLD, NEW, "v1.6.0")
    assert open_ones == []
