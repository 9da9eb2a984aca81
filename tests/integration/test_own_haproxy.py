"""A HAProxy of the team's own, with the lines that the docs name: told by its socket, never reloaded."""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from runwright.errors import ActionError, FencedError, RefusedError
from runwright.routers.caddy.state import free_port
from runwright.routers.haproxy import HAProxyRouter
from runwright.runbook.routers.haproxy import HAProxy
from runwright.testing.direct import Direct
from runwright.traffic import Entry, Stand, Upstream
from tests.docs.pages import ROOT
from tests.fixtures.engine import Docker
from tests.fixtures.load import Load

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
pytestmark = pytest.mark.skipif(HAPROXY is None, reason="no haproxy on this machine")

BASE = """
global
    stats socket {folder}/admin.sock mode 600 level admin
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
"""


def lines(what: str = "host") -> str:
    """The lines that the docs name for processes of this machine, or for containers."""
    page = (ROOT / "docs" / "how-to" / "zero-downtime.md").read_text()
    return page.partition(f"```haproxy {what}\n")[2].partition("```")[0]


class Upstreams:
    """Two servers that say which slot they are, and 409 to a POST that they were given before."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._servers = {slot: self._server(slot) for slot in ("blue", "green")}
        self.gate = threading.Event()

    def _server(self, slot: str) -> ThreadingHTTPServer:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                if self.path == "/held":
                    outer.gate.wait(20)
                self._answer(200)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(409 if body in outer._seen else 200)
                outer._seen.add(body)

            def _answer(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(slot)))
                self.end_headers()
                self.wfile.write(slot.encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server

    def at(self, slot: str) -> Upstream:
        return Upstream(slot, "127.0.0.1", self._servers[slot].server_address[1])

    def close(self) -> None:
        for server in self._servers.values():
            server.shutdown()
            server.server_close()


@dataclass
class World:
    folder: Path
    port: int
    upstreams: Upstreams
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def router(self, token: int | None = None) -> HAProxyRouter:
        spec = HAProxy(
            kind="haproxy",
            socket=f"{self.folder}/admin.sock",
            map=f"{self.folder}/web.map",
            front=self.url,
            drain_timeout=5.0,
        )
        return HAProxyRouter(spec, sys.executable, token)

    def start(self) -> None:
        assert HAPROXY is not None
        self.process = subprocess.Popen([HAPROXY, "-db", "-f", f"{self.folder}/haproxy.cfg"], stderr=subprocess.DEVNULL)
        end = time.monotonic() + 15
        while not self.router().facts(Direct()).running:
            assert time.monotonic() < end, "HAProxy did not start"
            time.sleep(0.05)

    def end(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(10)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    here = World(tmp_path, free_port("127.0.0.1", 0), Upstreams())
    cookie = "    cookie SRV insert indirect nocache\n    server app 0.0.0.0:0 cookie "  # the team's own lines
    blue, _, green = lines().partition("backend web-green")
    blue, green = (
        text.replace("    server app 0.0.0.0:0", cookie + slot) for text, slot in ((blue, "b"), (green, "g"))
    )
    text = f"{BASE.format(folder=tmp_path)}{blue}backend web-green{green}"
    text = text.replace("/etc/haproxy/runwright/web.map", f"{tmp_path}/web.map").replace(
        ":80\n", f"127.0.0.1:{here.port}\n"
    )
    (tmp_path / "haproxy.cfg").write_text(text)
    (tmp_path / "web.map").touch()
    here.start()
    yield here
    here.end()
    here.upstreams.close()


def test_it_serves_what_it_is_told_and_comes_back_with_it(world: World) -> None:
    """Absolute, seen, done once; after a restart by somebody else it serves what the file says."""
    router, do = world.router(), Direct()
    router.ensure(do, "e", first=world.upstreams.at("blue"))
    assert httpx.get(world.url).text == "blue"
    facts = router.facts(do)
    assert facts.agreed and facts.serving == world.upstreams.at("blue") and facts.front == world.url
    router.switch(do, world.upstreams.at("green"), "s")
    assert httpx.get(world.url).text == "green"
    before = list(do.keys)
    router.switch(do, world.upstreams.at("green"), "again")
    assert do.keys == before
    world.end()
    assert (router.facts(do).running, router.target(do)) == (False, world.upstreams.at("green"))
    world.start()
    router.ensure(do, "restarted")
    assert httpx.get(world.url).text == "green" and do.keys == before


def test_ten_switches_under_posts_on_kept_connections_lose_and_repeat_none(world: World) -> None:
    """And none is in flight elsewhere afterwards."""
    router, do = world.router(), Direct()
    router.ensure(do, "e", first=world.upstreams.at("blue"))
    with Load(world.port, 8) as load:
        for number in range(10):
            slot = ("green", "blue")[number % 2]
            assert router.switch(do, world.upstreams.at(slot), f"switch-{number}") == 0
            before, end = load.counts[slot], time.monotonic() + 20
            while load.counts[slot] < before + 20:
                assert time.monotonic() < end
                time.sleep(0.02)
    assert set(load.counts) == {"blue", "green"}, load.counts
    counted = router.counted(do)
    assert sum(c.requests for c in counted.values()) >= sum(load.counts.values()) and counted["blue"].errors == 0


def test_two_slots_share_the_requests(world: World) -> None:
    """In the percentages that it tells."""
    router, do = world.router(), Direct()
    blue, green = world.upstreams.at("blue"), world.upstreams.at("green")
    router.ensure(do, "e", first=blue)
    router.switch(do, green, "share", 25, blue)
    facts = router.facts(do)
    assert facts.agreed and facts.serving == blue and facts.shares == {"green": 25, "blue": 75}
    with httpx.Client(base_url=world.url) as client:
        found = Counter(client.get("/").text for _ in range(1000))
    assert found["green"] / 10 == pytest.approx(25, abs=4.5), found


def test_a_request_in_flight_ends_where_it_began_and_a_cookie_holds_nobody(world: World) -> None:
    """The switch waits for it; whoever has the old one's cookie gets the new one with his next request."""
    router, do = world.router(), Direct()
    router.ensure(do, "e", first=world.upstreams.at("blue"))
    got: list[str] = []
    waiting = threading.Thread(target=lambda: got.append(httpx.get(world.url + "/held", timeout=20).text))
    waiting.start()
    end = time.monotonic() + 10
    while router.in_flight(do, "blue") != 1:
        assert time.monotonic() < end
        time.sleep(0.02)
    threading.Timer(0.5, world.upstreams.gate.set).start()
    with httpx.Client(base_url=world.url) as client:
        assert client.get("/").text == "blue" and client.cookies["SRV"] == "b"
        assert router.switch(do, world.upstreams.at("green"), "s") == 0
        assert client.get("/").text == "green" and client.cookies["SRV"] == "g"
    waiting.join(20)
    assert got == ["blue"]


def test_who_was_overtaken_moves_nobody(world: World) -> None:
    """Its file is fenced by the lease's token."""
    world.router(7).ensure(Direct(), "e", first=world.upstreams.at("blue"))
    world.router(8).announce(Direct(), "newer")
    with pytest.raises(FencedError):
        world.router(7).switch(Direct(), world.upstreams.at("green"), "late")
    assert httpx.get(world.url).text == "blue"


def test_what_its_configuration_lacks_is_told(world: World) -> None:
    """Before anything is changed, with where the lines are."""
    world.end()
    with pytest.raises(ActionError, match="does not answer"):
        world.router().ensure(Direct(), "e")
    text = (world.folder / "haproxy.cfg").read_text()
    (world.folder / "haproxy.cfg").write_text(text.replace("backend web-green", "backend other"))
    world.start()
    do = Direct()
    with pytest.raises(RefusedError, match="no backend web-green") as caught:
        world.router().ensure(do, "e", first=world.upstreams.at("blue"))
    assert "zero-downtime.md" in caught.value.next and do.keys == []


@pytest.mark.docker
def test_in_a_container_it_finds_the_containers_of_a_slot_by_their_name(docker: Docker, tmp_path: Path) -> None:
    """It joins the network on which they are; all of them have a part; nobody is sent to a slot of which none is up."""
    name, folder = f"rwt-haproxy-{secrets.token_hex(3)}", tmp_path / "runwright"
    folder.mkdir()
    (folder / "web.map").touch()
    front = lines().partition("\nbackend web-blue")[0] + "\n"
    inside = "/etc/haproxy/runwright"
    (tmp_path / "haproxy.cfg").write_text(BASE.format(folder=inside) + front + lines("containers"))
    label, port = ("--label", f"rwt={name}"), free_port("127.0.0.1", 0)
    spec = HAProxy(
        kind="haproxy", socket=f"{folder}/admin.sock", map=f"{folder}/web.map", map_inside=f"{inside}/web.map",
        container=name, front=f"http://127.0.0.1:{port}",
    )  # fmt: skip
    stand = Stand("shop", f"{name}-between", (Entry("web", 8000, {}),))
    router, do = HAProxyRouter(spec, sys.executable, None, stand), Direct()
    blue, green = Upstream("blue", "web-blue", 8000), Upstream("green", "web-green", 8000)
    app = ("-v", f"{ROOT}/tests/data/slot_app.py:/app.py:ro", "python:3.11-slim", "python", "/app.py")
    try:
        docker.run("network", "create", "--internal", *label, stand.network)
        docker.run("network", "create", *label, f"{name}-app")
        for slot in ("blue", "green", "green"):
            docker.run(
                "run",
                "-d",
                *label,
                "--network",
                stand.network,
                "--network-alias",
                f"web-{slot}",
                "-e",
                f"SLOT={slot}",
                *app,
            )
        mounts = ("-v", f"{folder}:{inside}", "-v", f"{tmp_path}/haproxy.cfg:/etc/haproxy/haproxy.cfg:ro")
        run = (
            "run",
            "-d",
            *label,
            "--name",
            name,
            "--user",
            "0:0",
            "--network",
            f"{name}-app",
            "-p",
            f"127.0.0.1:{port}:80",
        )
        docker.run(*run, *mounts, "haproxy:2", "haproxy", "-db", "-f", "/etc/haproxy/haproxy.cfg")
        end = time.monotonic() + 20
        while not router.facts(do).running:
            assert time.monotonic() < end, docker.run("logs", name)
            time.sleep(0.05)
        router.ensure(do, "e")
        router.switch(do, blue, "first")
        assert router.facts(do).agreed and httpx.get(spec.front).text == "blue"
        with Load(port, 4) as load:
            for number in range(4):
                router.switch(do, (green, blue)[number % 2], f"switch-{number}")
                time.sleep(0.3)
        assert set(load.counts) == {"blue", "green"}, load.counts
        router.switch(do, green, "last")
        with httpx.Client(base_url=spec.front) as client:
            assert len({client.get("/").headers["x-instance"] for _ in range(20)}) == 2
    finally:
        subprocess.run(
            ["docker", "rm", "-f", *docker.run("ps", "-aq", "--filter", f"label=rwt={name}").split()],
            capture_output=True,
            check=False,
        )
        subprocess.run(["docker", "network", "rm", stand.network, f"{name}-app"], capture_output=True, check=False)
