"""Whatever change a fault strikes, and however, the release ends well without a person.

Each case is a release in a process of its own, a fault in it, and then the rollback, started as the automation starts
it. Then the independent checker asks the target. ``make chaos`` runs all cases; CI runs a sample that covers each phase.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from runwright.ledger.states import ReleaseState
from runwright.testing.faults import Fault
from tests.chaos.cases import ALL, Case, keys
from tests.chaos.choice import EVERYTHING, PLATFORMS, on
from tests.chaos.judging import judged, told
from tests.chaos.platforms import WORLDS
from tests.chaos.scenes import KILLED, keys_made, keys_of, reason, struck, switched_and_killed
from tests.chaos.world import NEW, OLD, Scene, World

CHOSEN = [on(case.platform, case, id=case.id, story=not case.quick) for case in ALL if EVERYTHING or case.sampled]
HELD_TO_A_RUN = {"host": {"cold"}}
"""Whose keys CI compares with a run of their own. A deploy's are compared where one is made anyhow; of the others they follow from
the same code, or a case that does not strike fails."""
SCENES = [
    on(platform, scene, id=f"{platform}-{scene}")
    for platform, world in WORLDS.items()
    for scene in world.scenes
    if scene != "retry" and (EVERYTHING or scene in HELD_TO_A_RUN.get(platform, ()))
]


@pytest.mark.parametrize(("platform", "case"), CHOSEN)
def test_a_release_ends_well_whatever_strikes(
    world_as_it_is: World, case: Case, record_property: Callable[[str, object], None]
) -> None:
    """Given a fault at a change, and the rollback that follows, every promise is kept and the shop serves."""
    world = world_as_it_is
    record_property("platform", case.platform)
    record_property("kind", case.kind)
    record_property("case", case.id)
    began, deploy, after = struck(world, case.scene, case.fault)
    struck_one = (after or [deploy])[-1]
    code = struck_one.process.exitcode
    assert code is not None
    assert world.has_struck(case.fault), struck_one.log
    assert (code == KILLED) == case.mode.startswith("kill"), f"{code}\n{struck_one.log}"
    if code and case.scene == "retry":
        after.append(world.deploy(NEW, run_id=deploy.run_id))
        code = after[-1].ended()
        assert (code == 0) == (case.key != "deploy/migrate" or case.mode == "kill-after"), after[-1].log
    if code:
        after.append(world.rollback(deploy, reason(code)))
        assert after[-1].ended() == 0, f"{after[-1].report}\n{after[-1].log}"
    outcome = judged(world, began, deploy, *after, nothing_before=case.scene == "first")
    told(record_property, outcome)
    if code == 0 and case.scene in ("deploy", "first", "retry"):
        assert outcome.state is ReleaseState.PROVEN
    else:
        assert outcome.state in (ReleaseState.ROLLED_BACK, ReleaseState.ABANDONED)


@pytest.mark.parametrize(("platform", "scene"), SCENES)
def test_keys(world_as_it_is: World, platform: str, scene: Scene) -> None:
    """The changes that the cases name are the ones that a real run of their scene makes: none is left out.

    If one is: ``python -m tests.chaos.keys`` records them anew.
    """
    assert keys_made(world_as_it_is, scene) == keys(platform, scene)


@pytest.mark.parametrize("platform", WORLDS)
def test_the_sample_names_cases(platform: str) -> None:
    """Each case of the sample is one of the matrix."""
    assert {case.name for case in ALL if case.platform == platform} >= WORLDS[platform].sample >= WORLDS[platform].quick


@pytest.mark.parametrize("platform", PLATFORMS)
def test_after_a_crash_and_the_way_back_the_next_release_goes_through(world: World) -> None:
    """Given a release that was killed and put back, a good one is released after it, and is what serves."""
    deploy = world.deploy(NEW, str(Fault("kill", "during", world.switched)))
    assert deploy.ended() == KILLED
    assert world.rollback(deploy, reason(KILLED)).ended() == 0
    again = world.deploy("v1.6.0")
    assert again.ended() == 0, again.log
    assert judged(world, time.monotonic(), again).state is ReleaseState.PROVEN


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_rollback_that_is_fired_three_times_acts_once(world: World) -> None:
    """Given three rollbacks of one failed run at the same time, one acts, and what the others do changes nothing."""
    deploy = switched_and_killed(world)
    world.lease_seconds = 30.0  # none of the three dies, and its beat may be late
    began = time.monotonic()
    three = [world.rollback(deploy, reason(KILLED)) for _ in range(3)]
    assert [one.ended() for one in three] == [0, 0, 0], [one.report for one in three]
    outcome = judged(world, began, deploy, *three)
    assert outcome.state is ReleaseState.ROLLED_BACK
    with world.ledger() as ledger:
        release = ledger.releases.of_run(deploy.run_id)
        assert release is not None
        states = [t.after for t in ledger.releases.transitions(release.id)]
        tokens = {e.token for e in ledger.journal(release.id).entries() if e.key.startswith("back")}
    assert states.count(ReleaseState.ROLLED_BACK) == 1
    assert len(tokens) == 1


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_run_that_died_while_it_watched_is_watched_to_the_end(world: World) -> None:
    """Given a release whose run died in the watch, the rollback watches on, and the release is proven."""
    deploy = world.deploy(NEW, watch_minutes=0.15)
    world.await_watch(deploy)
    os.kill(deploy.pid, signal.SIGKILL)
    assert deploy.ended() == KILLED
    began = time.monotonic()
    rollback = world.rollback(deploy, reason(KILLED))
    assert rollback.ended() == 0, rollback.log
    assert judged(world, began, deploy, rollback).state is ReleaseState.PROVEN


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_release_that_was_proven_is_taken_back_when_a_person_asks(world: World, platform: str) -> None:
    """Given a proven release, which made the changes that are known of it, a person's rollback puts the old version back."""
    deploy = world.deploy(NEW)
    assert deploy.ended() == 0, deploy.log
    assert keys_of(world, deploy, "deploy") == keys(platform, "deploy")
    rollback = world.rollback(None, "we do not like it")
    assert rollback.ended() == 0, rollback.log
    assert judged(world, time.monotonic(), deploy, rollback).state is ReleaseState.ROLLED_BACK
    with world.ledger() as ledger:
        live = ledger.releases.live(world.system, world.environment)
    assert live is not None
    assert live.ref == OLD
