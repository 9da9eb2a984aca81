"""What `runwright status` sees of a real target."""

from __future__ import annotations

import time

import pytest

from deployments.cli.running import what_runs
from tests.chaos.choice import PLATFORMS
from tests.chaos.world import NEW, OLD, World


@pytest.fixture
def seen(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("RUNWRIGHT_HOME", str(world.home))
    return world


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_runs_is_told_by_its_version_also_before_it_is_proven(seen: World, platform: str) -> None:
    """What is live, and what a run that still watches it has put in its place."""
    live = seen.live()
    services = "web" if platform == "host" else "scheduler, web"
    found = what_runs(live)
    assert (found["release"], found["text"]) == (live.id, f"{OLD}: {services}")
    assert found["services"][0]["runs"] is True
    deploy = seen.deploy(NEW, watch_minutes=5.0)
    seen.await_watch(deploy)
    with seen.ledger() as ledger:
        new = ledger.releases.of_run(deploy.run_id)
    assert new is not None
    found = what_runs(seen.live(), [new])
    assert (found["release"], found["text"]) == (new.id, f"{NEW}: {services} (watching)")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_runs_no_more_is_told(seen: World) -> None:
    """Somebody ended it by hand, or the machine was restarted."""
    live = seen.live()
    seen.end_everything()
    seen.clear()
    until = time.monotonic() + 60  # what was killed takes a moment to be gone
    gone = ("The router does not run. web does not run", "nothing of it is seen from this machine")
    while what_runs(live)["text"] not in gone:
        assert time.monotonic() < until, what_runs(live)
        time.sleep(0.1)
    assert what_runs(live)["release"] is None
