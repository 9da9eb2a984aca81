"""Caddy before the containers of two slots: it has the service's names and ports, and nobody notices when the slot changes."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest

from runwright.engine.actions import WriteFile
from runwright.errors import ActionError, FencedError
from runwright.routers.caddy import state
from runwright.routers.caddy.switch import CaddySwitch
from runwright.runbook.routers.caddy import Caddy
from runwright.testing.direct import Direct
from runwright.traffic import Entry, Stand, Upstream, reached
from tests.fixtures.engine import Docker
from tests.fixtures.load import Load

pytestmark = pytest.mark.docker

APP = Path(__file__).parent.parent / "data" / "slot_app.py"
IMAGE = "python:3.11-slim"
SLOTS = {"blue": 1, "green": 2}
"""How many containers each has."""
ALIASES = ("web", "shop.internal")


@dataclass
class World:
    """Two networks, the containers of two slots, and a switch before them."""

    docker: Docker
    name: str
    folder: Path
    port: int
    clients: str = ""
    more: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def stand(self) -> Stand:
        names = {f"{self.name}-app": ALIASES, **self.more}
        return Stand(self.name, f"{self.name}-between", (Entry("web", 8000, names, (("127.0.0.1", self.port),)),))

    def router(self, stand: Stand | None = None, token: int | None = None) -> CaddySwitch:
        return CaddySwitch(
            Caddy(kind="caddy", drain_timeout=5.0), self.folder, sys.executable, stand or self.stand, token
        )

    def to(self, slot: str) -> None:
        assert self.router().switch(Direct(), upstream(slot), f"to-{slot}") == 0

    def standing(self) -> list[str]:
        listed = self.docker.run(
            "ps", "--no-trunc", "--filter", f"label=runwright.switch={self.name}", "--format", "{{.ID}}"
        )
        return listed.split()

    def started(self) -> str:
        return self.docker.run("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", *self.standing())

    def inside(self, script: str) -> str:
        """What a client on the user's network sees."""
        return self.docker.run("exec", self.clients, "python", "-c", script)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def upstream(slot: str) -> Upstream:
    return Upstream(slot, reached("web", slot), 8000)


def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def made(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    name = f"rwt-switch-{secrets.token_hex(3)}"
    world = World(docker, name, tmp_path_factory.mktemp("state") / "switch", state.free_port("127.0.0.1", 0))
    label = ("--label", f"rwt={name}")
    try:
        docker.run("network", "create", "--internal", *label, f"{name}-between")
        docker.run("network", "create", *label, f"{name}-app")
        run = ("run", "-d", *label, "-v", f"{APP}:/app.py:ro")
        for slot, number in SLOTS.items():
            on = ("--network", f"{name}-between", "--network-alias", reached("web", slot), "-e", f"SLOT={slot}")
            for _ in range(number):
                docker.run(*run, *on, IMAGE, "python", "/app.py")
        on = ("--network", f"{name}-app", "-e", "SLOT=none")
        world.clients = docker.run(*run, *on, IMAGE, "python", "/app.py")
        world.router().ensure(Direct(), "start", first=upstream("blue"))
        yield world
    finally:
        world.router().stop(Direct(), "end")
        assert world.standing() == []
        labels = (f"label=rwt={name}", f"label=runwright.switch={name}")
        ids = [found for label in labels for found in docker.run("ps", "-aq", "--filter", label).split()]
        subprocess.run(["docker", "rm", "-f", *ids], capture_output=True, check=False)
        subprocess.run(["docker", "network", "rm", f"{name}-between", f"{name}-app"], capture_output=True, check=False)


@pytest.fixture
def world(made: World) -> World:
    """The same for every test; it serves blue."""
    made.router().ensure(Direct(), "again")
    made.to("blue")
    return made


def docker_ids(world: World, project: str) -> list[str]:
    return world.docker.run("ps", "-aq", "--filter", f"label=runwright.switch={project}").split()


def test_its_names_lead_to_it_alone_and_nothing_of_a_request_changes(world: World) -> None:
    """A proxy of the user's that asks it by name has said who the client is, and that stays; no slot has the names."""
    script = "import socket; print({n: socket.gethostbyname_ex(n)[2] for n in ('web', 'shop.internal')})"
    address = world.docker.run("inspect", "-f", f'{{{{(index .NetworkSettings.Networks "{world.name}-app").IPAddress}}}}', *world.standing())  # fmt: skip
    assert eval(world.inside(script)) == {"web": [address], "shop.internal": [address]}
    asked = "import urllib.request as u; r = u.Request('http://web:8000/headers', headers={'X-Forwarded-For': '9.9.9.9, 8.8.8.8'})"
    seen = world.inside(f"{asked}; print(u.urlopen(r).read().decode())")
    assert "X-Forwarded-For: 9.9.9.9, 8.8.8.8\n" in seen and "Host: web:8000" in seen and "Via" not in seen


def test_ten_switches_under_posts_on_kept_connections_lose_and_repeat_none(world: World) -> None:
    """An event stream stays where it began, and is no request in flight."""
    router, do = world.router(), Direct()
    with httpx.stream("GET", f"{world.url}/events", headers={"Accept": "text/event-stream"}) as stream:
        lines = stream.iter_lines()
        with Load(world.port, 8) as load:
            for number in range(10):
                slot = ("green", "blue")[number % 2]
                assert router.switch(do, upstream(slot), f"switch-{number}") == 0
                before = load.counts[slot]
                until(lambda before=before, slot=slot: load.counts[slot] > before + 20)
        router.switch(do, upstream("green"), "last")
        assert next(line for line in lines if line) == "data: blue"
        counted = router.counted(do)
        assert (counted["blue"].in_flight, counted["blue"].streams) == (0, 1)
    assert set(load.counts) == {"blue", "green"}, load.counts
    assert [type(change) for change in do.done] == [WriteFile] * 11, "no process is started, and no container"
    assert counted["blue"].requests >= load.counts["blue"] and counted["blue"].errors == 0
    assert counted["green"].seconds[float("inf")] == counted["green"].requests


def test_shares_are_shares_of_requests_whatever_the_number_of_containers(world: World) -> None:
    """A quarter for two containers beside one is a quarter, and the router tells it; afterwards all go to one again."""
    router, do = world.router(), Direct()
    for share in (25, 5):
        assert router.switch(do, upstream("green"), f"s{share}", share, upstream("blue")) == 0
        facts = router.facts(do)
        assert facts.agreed and facts.shares == {"green": share, "blue": 100 - share}
        assert facts.serving == upstream("blue") and facts.named == {"blue", "green"}
        with httpx.Client(base_url=world.url) as client:
            answers = [client.get("/") for _ in range(1000)]
        found = Counter(answer.text for answer in answers)
        assert found["green"] / 10 == pytest.approx(share, abs=4.5), (
            found
        )  # three times the standard deviation, and more
        green = {answer.headers["x-instance"] for answer in answers if answer.text == "green"}
        assert len(green) == SLOTS["green"], "each container has a part of it"
    router.switch(do, upstream("green"), "all")
    assert (router.facts(do).shares, router.facts(do).share("green"), httpx.get(world.url).text) == ({}, 100, "green")


def test_a_door_leads_to_its_slot_alone(world: World) -> None:
    """Before any client is sent there; and the front is what clients reach."""
    router, do = world.router(), Direct()
    doors = {slot: router.door(do, slot) for slot in ("blue", "green", "front")}
    answers = {slot: httpx.get(door.url).text for slot, door in doors.items() if door is not None}
    assert answers == {"blue": "blue", "green": "green", "front": "blue"}
    assert router.facts(do).front == world.url


def test_a_container_that_dies_takes_no_later_request_with_it(world: World) -> None:
    """Its slot has another one, which gets them."""
    world.to("green")
    dead = httpx.get(world.url).headers["x-instance"]
    world.docker.run("kill", dead)
    try:
        with httpx.Client(base_url=world.url) as client:
            assert {client.post("/", content=secrets.token_hex()).status_code for _ in range(50)} == {200}
    finally:
        world.docker.run("start", dead)


def test_what_stands_as_it_must_is_left_alone_and_a_dead_one_comes_back_with_its_target(world: World) -> None:
    """Whatever is released: it is started anew only where it does not run."""
    world.to("green")
    before, do = world.started(), Direct()
    world.router().ensure(do, "again")
    assert (world.started(), do.keys) == (before, [])
    world.docker.run("stop", "-t", "1", *world.standing())
    assert not world.router().facts(Direct()).running
    world.router().ensure(Direct(), "dead")
    assert world.started() != before and httpx.get(world.url).text == "green"


def test_a_drill_spoils_what_clients_get_and_no_door(world: World) -> None:
    """It ends with the next switch."""
    router, do = world.router(), Direct()
    router.inject(do, "blue", "errors", 30.0, "drill")
    door = router.door(do, "blue")
    assert door is not None
    assert (httpx.get(world.url).status_code, httpx.get(door.url).status_code) == (500, 200)
    assert router.counted(do)["blue"].errors >= 1
    world.to("blue")
    assert httpx.get(world.url).status_code == 200


def test_who_was_overtaken_moves_nobody(world: World) -> None:
    """The target is fenced by the lease's token."""
    newer = world.router(token=9)
    newer.announce(Direct(), "newer")
    with pytest.raises(FencedError):
        world.router(token=8).switch(Direct(), upstream("green"), "late")
    assert httpx.get(world.url).text == "blue"
    newer.switch(Direct(), upstream("green"), "newer")
    assert httpx.get(world.url).text == "green"


def test_a_port_of_somebody_else_is_not_taken(world: World, tmp_path: Path) -> None:
    """It is said whose it is; nothing is started, and what has it goes on."""
    stand = replace(world.stand, project=f"{world.name}-b")
    stand = replace(stand, entries=(replace(stand.entries[0], names={f"{world.name}-app": ("other",)}),))
    other = CaddySwitch(Caddy(kind="caddy"), tmp_path / "switch", sys.executable, stand)
    try:
        with pytest.raises(
            ActionError, match=f"Port {world.port} .* belongs to the container {world.name}-web-switch-"
        ):
            other.ensure(Direct(), "start")
        assert httpx.get(world.url).text == "blue"
    finally:
        stopped = docker_ids(world, f"{world.name}-b")
        world.docker.run("rm", "-f", *stopped)


def test_one_with_other_names_stands_before_its_predecessor_goes(world: World) -> None:
    """It serves what that one served, and answers to the new names."""
    world.to("green")
    before = world.standing()
    entry = replace(world.stand.entries[0], names={f"{world.name}-app": ("web", "shop2.internal")})
    renamed = world.router(replace(world.stand, entries=(entry,)))
    do = Direct()
    renamed.ensure(do, "renamed")
    assert len(world.standing()) == 1 and world.standing() != before
    assert renamed.facts(do).agreed and httpx.get(world.url).text == "green"
    assert (
        world.inside("import urllib.request as u; print(u.urlopen('http://shop2.internal:8000').read().decode())")
        == "green"
    )
