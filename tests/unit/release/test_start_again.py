"""What dies on a host outside of a release is started again, under the lease, and not for ever; real processes, a real Caddy."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.cli.standing import standings
from runwright.engine.effects.processes import recorded
from runwright.ledger.states import ReleaseState
from runwright.platforms.host import driver
from runwright.platforms.host.slots import see
from runwright.policy.supervision import RESTARTS, STARTED_AGAIN
from runwright.release import drivers, start_again
from tasks.lease import holding
from tasks.run import RUN
from tests.unit.release.conftest import Opener
from tests.unit.release.test_stop_serving import PLACE, Shop, shop  # noqa: F401 - a fixture
from tests.unit.release.test_stop_serving import database as database


def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def serving(shop: Shop) -> Shop:  # noqa: F811
    """The shop after its release was given up: v0 serves from green, and nobody works here."""
    shop.work.ledger.releases.advance(shop.work.id, ReleaseState.ABANDONED, "not wanted")
    return shop


def kill(shop: Shop, what: str) -> None:  # noqa: F811
    """Kill the front door or the process in a slot, as the kernel does where memory is short."""
    root = shop.work.site.root
    if what == "front":
        process = recorded(root / "caddy" / "pid.json")
    else:
        seen = see(root / "slots" / f"{what}.json")
        process = seen.process if seen else None
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX")


def look(shop: Shop) -> list[str]:  # noqa: F811
    releases = shop.work.ledger.releases
    live = releases.live("shop", "local")
    assert live is not None
    return start_again.start_again(RUN, shop.work.ledger, live, releases.fact(live.id, STARTED_AGAIN))


def notes(shop: Shop) -> list[str]:  # noqa: F811
    (stands,) = standings(shop.work.ledger).values()
    return [one["text"] for one in stands.meanwhile]


@pytest.mark.parametrize(
    ("killed", "told"),
    [
        (("front",), "The front door died"),
        (("green",), "V0 in green died"),
        (("front", "green"), "The front door and v0 in green died"),
    ],
)
def test_what_served_serves_again(serving: Shop, killed: tuple[str, ...], told: str) -> None:
    """Also on another port, if its own was taken; what is kept warm is not touched; a second look changes nothing."""
    assert look(serving) == []
    for what in killed:
        kill(serving, what)
    (said,) = look(serving)
    assert said.startswith(f"shop/local: {told} outside of a release; started again ")
    assert serving.answers() == "v0" and notes(serving) == [said.removeprefix("shop/local: ")]
    assert look(serving) == []
    kill(serving, "blue")
    assert look(serving) == [], "the warm one serves nobody"


def test_what_dies_again_and_again_is_told_and_left_alone(serving: Shop) -> None:
    """Until a person has seen to it."""
    for _ in range(RESTARTS):
        kill(serving, "front")
        assert "started again" in look(serving)[0]
    kill(serving, "front")
    (said,) = look(serving)
    assert "it is left alone now" in said and look(serving) == []
    drivers.router(serving.work.site).ensure(serving.do, "by hand")  # type: ignore[union-attr]
    assert look(serving) == [] and serving.answers() == "v0"
    kill(serving, "front")
    assert "started again" in look(serving)[0]


def test_nothing_is_started_beside_a_release(shop: Shop) -> None:  # noqa: F811
    """Who works on one, or is about to put it right, knows what shall run."""
    kill(shop, "green")
    assert look(shop) == []
    shop.work.ledger.releases.advance(shop.work.id, ReleaseState.ABANDONED, "not wanted")
    with holding(shop.work.id, "retire"):
        assert look(shop) == []
    assert "started again" in look(shop)[0]


def test_what_waits_for_a_person_gets_its_front_door_back_and_nothing_else(shop: Shop) -> None:  # noqa: F811
    """What was stopped for a migration may not meet the database as it is."""
    shop.work.ledger.releases.advance(shop.work.id, ReleaseState.FROZEN, "half done")
    for what in ("front", "green"):
        kill(shop, what)
    assert look(shop)[0].startswith("shop/local: The front door died outside of a release; started again")
    assert shop.answers() == "502" and "green" not in shop.runs()


def test_what_cannot_be_started_is_told(serving: Shop) -> None:
    """With the reason; it is tried again a few times."""
    kill(serving, "green")
    for file in (serving.folder / "store" / "web" / ("c" * 40)).iterdir():
        file.unlink()
    (said,) = look(serving)
    assert "could not be started again" in said and "ended before it was ready" in said


def test_another_machines_processes_are_not_looked_for(serving: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a supervisor that runs elsewhere, where nothing of it can be seen."""
    kill(serving, "green")
    with monkeypatch.context() as patch:
        patch.setattr(driver.socket, "gethostname", lambda: "elsewhere")
        assert look(serving) == []


def test_where_services_are_replaced_in_place_nothing_is_started(opened: Opener) -> None:
    """Docker does that."""
    compose = {"target": {"platform": "compose", "project": "shop", "directory": "/opt/shop"}, "router": None}
    assert start_again.died(opened(local={**PLACE, **compose}).release) == []
