"""An nginx of the team's own in a container, with the lines that the docs name: one reload for each change."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from runwright.errors import ActionError, FencedError, RefusedError
from runwright.routers.caddy.state import free_port
from runwright.routers.nginx import NginxRouter
from runwright.runbook.routers.nginx import Nginx
from runwright.testing.direct import Direct
from runwright.traffic import Upstream
from tests.docs.pages import ROOT
from tests.fixtures.engine import Docker
from tests.fixtures.load import Load
from tests.integration.test_own_haproxy import Upstreams

pytestmark = pytest.mark.docker

IMAGE = "nginx:1"


def lines(what: str) -> str:
    """Lines that the docs name."""
    page = (ROOT / "docs" / "how-to" / "zero-downtime.md").read_text()
    return page.partition(f"```nginx {what}\n")[2].partition("```")[0]


@dataclass
class World:
    docker: Docker
    name: str
    folder: Path
    port: int
    told: int
    upstreams: Upstreams

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def router(self, token: int | None = None, inside: str = "/etc/nginx/runwright/web.conf") -> NginxRouter:
        told, file = f"http://127.0.0.1:{self.told}/runwright/web", f"{self.folder}/runwright/web.conf"
        spec = Nginx(
            kind="nginx",
            file=file,
            file_inside=inside,
            container=self.name,
            told=told,
            front=self.url,
            drain_timeout=5.0,
        )
        return NginxRouter(spec, token)

    def start(self, mount: str) -> None:
        """Run nginx with the docs' lines in its configuration."""
        serves = (
            lines("lines")
            .replace("listen 80;", f"listen 127.0.0.1:{self.port};")
            .replace("127.0.0.1:8091", f"127.0.0.1:{self.told}")
        )
        serves = serves.replace("keepalive_min_timeout 10s;", "")  # this image is older
        (self.folder / "nginx.conf").write_text(f"pid /tmp/nginx.pid;\nevents {{}}\nhttp {{\n{serves}\n}}\n")
        (self.folder / "runwright").mkdir(exist_ok=True)
        before = lines("file").replace("web:8000", f"127.0.0.1:{self.upstreams.at('blue').port}")
        (self.folder / "runwright" / "web.conf").write_text(before)
        run = (
            "run",
            "-d",
            "--name",
            self.name,
            "--network",
            "host",
            "-v",
            f"{self.folder}/nginx.conf:/etc/nginx/nginx.conf:ro",
        )
        self.docker.run(*run, "-v", f"{self.folder}/{mount}", IMAGE)
        end = time.monotonic() + 20
        while not self.router().facts(Direct()).running:
            assert time.monotonic() < end, self.docker.run("logs", self.name)
            time.sleep(0.05)


@pytest.fixture
def place(docker: Docker, tmp_path: Path) -> Iterator[World]:
    told = free_port("127.0.0.1", 0)
    here = World(docker, f"rwt-nginx-{secrets.token_hex(3)}", tmp_path, free_port("127.0.0.1", 0), told, Upstreams())
    yield here
    docker.run("rm", "-f", here.name)
    here.upstreams.close()


@pytest.fixture
def world(place: World) -> World:
    place.start("runwright:/etc/nginx/runwright:ro")
    return place


def test_it_serves_what_it_is_told_shares_and_comes_back_with_it(world: World) -> None:
    """Absolute, seen, done once; before the first release it serves what its owner wrote."""
    router, do = world.router(), Direct()
    blue, green = world.upstreams.at("blue"), world.upstreams.at("green")
    assert httpx.get(world.url).text == "blue" and router.target(do) is None
    router.ensure(do, "e", first=blue)
    assert router.facts(do).agreed and router.target(do) == blue
    router.switch(do, green, "share", 25, blue)
    facts = router.facts(do)
    assert facts.agreed and facts.serving == blue and facts.shares == {"green": 25, "blue": 75}
    with httpx.Client(base_url=world.url) as client:
        found = Counter(client.get("/").text for _ in range(1000))
    assert found["green"] / 10 == pytest.approx(25, abs=4.5), found
    router.switch(do, green, "all")
    assert httpx.get(world.url).text == "green"
    before = list(do.keys)
    router.switch(do, green, "again")
    assert do.keys == before and [key for key in before if key.endswith("/reload")] == [
        "e/told/reload",
        "share/reload",
        "all/reload",
    ]
    world.docker.run("restart", "-t", "1", world.name)
    end = time.monotonic() + 15
    while not router.facts(do).running:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert httpx.get(world.url).text == "green" and router.facts(do).agreed


def test_a_request_in_flight_ends_where_it_began_and_new_connections_lose_nothing(world: World) -> None:
    """The switch waits for it; what a reload costs on kept connections is said where it is done."""
    router, do = world.router(), Direct()
    router.ensure(do, "e", first=world.upstreams.at("blue"))
    got: list[str] = []
    waiting = threading.Thread(target=lambda: got.append(httpx.get(world.url + "/held", timeout=20).text))
    waiting.start()
    end = time.monotonic() + 10
    while router.in_flight(do, "blue") != 1:
        assert time.monotonic() < end
        time.sleep(0.02)
    threading.Timer(1.0, world.upstreams.gate.set).start()
    assert router.switch(do, world.upstreams.at("green"), "s") == 0
    waiting.join(20)
    assert got == ["blue"]
    with Load(world.port, 4, kept=False) as load:
        for number in range(4):
            router.switch(do, world.upstreams.at(("blue", "green")[number % 2]), f"switch-{number}")
            time.sleep(0.2)
    assert set(load.counts) == {"blue", "green"}, load.counts
    (reload, *_) = [action for action in do.done if str(action.key).endswith("s/reload")]
    assert "keepalive_min_timeout" in reload.says


def test_a_file_that_nginx_does_not_take_is_put_back(world: World) -> None:
    """It can be started again, and serves on."""
    router, do = world.router(), Direct()
    router.ensure(do, "e", first=world.upstreams.at("blue"))
    before = (world.folder / "runwright" / "web.conf").read_text()
    with pytest.raises(ActionError, match="does not take") as caught:
        router.switch(do, Upstream("green", "nowhere.invalid", 80), "s")
    assert "what it was before" in caught.value.state
    assert (world.folder / "runwright" / "web.conf").read_text() == before and httpx.get(world.url).text == "blue"


def test_who_was_overtaken_moves_nobody(world: World) -> None:
    """Its file is fenced by the lease's token."""
    world.router(7).ensure(Direct(), "e", first=world.upstreams.at("blue"))
    world.router(8).announce(Direct(), "newer")
    with pytest.raises(FencedError):
        world.router(7).switch(Direct(), world.upstreams.at("green"), "late")
    assert httpx.get(world.url).text == "blue"


def test_a_file_that_is_mounted_alone_is_refused(place: World) -> None:
    """Nothing that is renamed into its place gets there; the message has the line to write instead."""
    place.start("runwright/web.conf:/etc/nginx/runwright/web.conf:ro")
    do = Direct()
    with pytest.raises(RefusedError, match="single file") as caught:
        place.router().ensure(do, "e", first=place.upstreams.at("blue"))
    assert f"{place.folder}/runwright:/etc/nginx/runwright:ro" in caught.value.next and do.keys == []


def test_a_file_that_is_included_nowhere_is_refused(world: World) -> None:
    """Or whose folder is another one."""
    do = Direct()
    with pytest.raises(RefusedError, match="and not"):
        world.router(inside="/etc/nginx/runwright/other.conf").ensure(do, "e")
    with pytest.raises(RefusedError, match="nothing of this machine"):
        world.router(inside="/etc/nginx/other/web.conf").ensure(do, "e")
    assert do.keys == []
