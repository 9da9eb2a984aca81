"""Runs that are cancelled, and runs that are stopped and wake up after somebody else has taken over."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from runwright.ledger.states import ReleaseState
from tests.chaos.cases import keys
from tests.chaos.choice import EVERYTHING, PLATFORMS, on
from tests.chaos.judging import judged, told
from tests.chaos.platforms import WORLDS
from tests.chaos.scenes import switched_and_killed
from tests.chaos.world import NEW, World

CANCEL_SECONDS = 20.0
"""What is promised: Prefect kills a cancelled run after thirty."""

BOTH = {("host", "during", "prepare/build/web/web"), ("host", "during", "deploy/migrate")}
CANCELLED = {*BOTH, ("host", "after", "deploy/switch/put")}
"""Where CI cancels a run. Before its switch it ends as in a migration; what it has done already has to be put back."""
STOPPED = {*BOTH, ("host", "before", "deploy/switch/put")}
"""Where CI stops one. It wakes up and would move the users; behind its switch it has less to do."""


def chosen(sample: set[tuple[str, str, str]]) -> list[Any]:
    """Return the parameters of a test at every change; where CI looks, of those in the sample."""
    return [
        on(platform, point, key, id=f"{platform}-{point}-{key}")
        for platform, world in WORLDS.items()
        for key in keys(platform, "retry")
        if not key.startswith(world.elsewhere or ("-",))
        for point in world.signals
        if EVERYTHING or (platform, point, key) in sample
    ]


@pytest.mark.parametrize(("platform", "point", "key"), chosen(CANCELLED))
def test_a_cancelled_run_ends_in_time_and_is_put_right(
    world: World, platform: str, point: str, key: str, record_property: Callable[[str, object], None]
) -> None:
    """Given a cancel in the midst of a change, the run ends within 20 s, and the rollback puts things right."""
    record_property("kind", "cancelled (SIGTERM)")
    record_property("platform", platform)
    record_property("case", f"{platform}-cancel-{point}-{key}")
    fault = f"hang@{point}:{key}"
    deploy = world.deploy(NEW, fault, hang_seconds=600)
    world.await_fault(deploy, fault)
    os.kill(deploy.pid, signal.SIGTERM)
    began = time.monotonic()
    code = deploy.ended(CANCEL_SECONDS)
    assert code == -signal.SIGTERM, f"{deploy.report}\n{deploy.log}"
    rollback = world.rollback(deploy, "Cancelled: by a person")
    assert rollback.ended() == 0, f"{rollback.report}\n{rollback.log}"
    outcome = judged(world, began, deploy, rollback)
    told(record_property, outcome)
    ended = ReleaseState.ABANDONED if key.startswith("prepare") else ReleaseState.ROLLED_BACK
    assert outcome.state in (ended, ReleaseState.ABANDONED if "backup" in key else ended)


@pytest.mark.parametrize(("platform", "point", "key"), chosen(STOPPED))
def test_a_run_that_wakes_up_after_it_lost_the_lease_changes_nothing(
    world: World, platform: str, point: str, key: str, record_property: Callable[[str, object], None]
) -> None:
    """Given a run that was stopped in a change, and a rollback that took its lease, what wakes up changes nothing."""
    record_property("kind", "stopped, and woken up after the lease was lost (SIGSTOP)")
    record_property("platform", platform)
    record_property("case", f"{platform}-stop-{point}-{key}")
    fault = f"stop@{point}:{key}"
    deploy = world.deploy(NEW, fault)
    world.await_stopped(deploy)
    began = time.monotonic()
    rollback = world.rollback(deploy, "Crashed: no heartbeat")
    assert rollback.ended() == 0, f"{rollback.report}\n{rollback.log}"
    told(record_property, judged(world, began, deploy, rollback))
    before = world.traces()
    os.kill(deploy.pid, signal.SIGCONT)
    code = deploy.ended()
    assert code == 1, f"{code}: {deploy.report}\n{deploy.log}"
    outcome = judged(world, began, deploy, rollback)
    assert world.traces() == before, deploy.log
    assert outcome.state in (ReleaseState.ROLLED_BACK, ReleaseState.ABANDONED)
    if not key.startswith("prepare"):
        assert deploy.report.kind == "FencedError", deploy.report


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_rollback_that_is_cancelled_is_finished_by_the_next(world: World) -> None:
    """Given a rollback that somebody cancels half-way, it ends in time, and the next one finishes what it began."""
    deploy = switched_and_killed(world)
    fault = "hang@during:" + world.switched.replace("deploy/", "back*/")
    first = world.rollback(deploy, "Crashed", fault, hang_seconds=600)
    world.await_fault(first, fault)
    os.kill(first.pid, signal.SIGTERM)
    began = time.monotonic()
    assert first.ended(CANCEL_SECONDS) == -signal.SIGTERM, first.log
    second = world.rollback(deploy, "Crashed")
    assert second.ended() == 0, f"{second.report}\n{second.log}"
    assert judged(world, began, deploy, first, second).state is ReleaseState.ROLLED_BACK
