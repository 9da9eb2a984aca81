"""Routers of the team's own, on tables: what is written, what is understood, and in which order they are told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from runwright.engine.actions import Output, WriteFile
from runwright.errors import ActionError, InputError, ObservationError, RefusedError, VerificationError
from runwright.routers import containers
from runwright.routers.base import TargetFile
from runwright.routers.haproxy import HAProxyRouter, socket
from runwright.routers.nginx import NginxRouter, included
from runwright.routers.target import Target
from runwright.runbook.routers.haproxy import HAProxy
from runwright.runbook.routers.nginx import Nginx
from runwright.testing.replies import Replies
from runwright.traffic import Entry, Stand, Upstream

BLUE, GREEN = Upstream("blue", "127.0.0.1", 4001), Upstream("green", "127.0.0.1", 4002)
FRONT = "http://127.0.0.1:8080"
BOTH = pytest.mark.parametrize("make", ["haproxy", "nginx"], indirect=True)
Make = Callable[[], TargetFile]


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    def haproxy() -> HAProxyRouter:
        return HAProxyRouter(HAProxy(kind="haproxy", socket="s", map=str(tmp_path / "web"), front=FRONT), "python")

    def nginx() -> NginxRouter:
        return NginxRouter(Nginx(kind="nginx", file=str(tmp_path / "web"), told=f"{FRONT}/told", front=FRONT))

    return haproxy if request.param == "haproxy" else nginx


@BOTH
@pytest.mark.parametrize(
    "target", [Target(BLUE), Target.of(GREEN, 25, BLUE), Target.of(GREEN, 1, BLUE), Target.of(BLUE, 99, GREEN)]
)
def test_what_is_written_is_what_is_read(make: Make, target: Target) -> None:
    """With both addresses and the share."""
    router = make()
    router.target_file.write_bytes(router.content(target))
    assert router.named() == target


@BOTH
def test_what_nobody_has_written_says_nothing(make: Make) -> None:
    """Neither does an empty file."""
    assert make().named() is None
    make().target_file.touch()
    assert make().named() is None


@BOTH
def test_it_is_not_ours_to_be_spoilt_or_stopped(make: Make) -> None:
    """It may serve others."""
    with pytest.raises(InputError):
        make().inject(Replies({}), "blue", "errors", 1.0, "drill")  # type: ignore[attr-defined]
    make().stop(Replies({}), "stop")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "said", ["green", "green/25", "web-red/100/web-red", "web-green/x/web-blue", "web-green/25/web-green"]
)
def test_a_map_that_is_not_ours_is_not_guessed_at(tmp_path: Path, said: str) -> None:
    """What is not understood decides nothing."""
    file = tmp_path / "web"
    file.write_text(f"web {said}\nweb-green.host h\nweb-green.port 1\n")
    with pytest.raises(ObservationError):
        HAProxyRouter(HAProxy(kind="haproxy", socket="s", map=str(file), front=FRONT), "python").named()


@pytest.mark.parametrize(
    "line", ["green", "red 127.0.0.1:1", "green 127.0.0.1:x", "green a:1 25 red b:2", "green a:1 125 blue b:2"]
)
def test_a_line_of_nginx_that_is_not_ours_is_not_guessed_at(line: str) -> None:
    """Whoever answers there."""
    with pytest.raises(ObservationError):
        included.target(line, ("blue", "green"))


def test_haproxy_is_told_after_the_file_and_only_what_it_can_reach(tmp_path: Path) -> None:
    """A slot without a server that is up is never served."""
    file = tmp_path / "web"
    router = HAProxyRouter(HAProxy(kind="haproxy", socket="s", map=str(file), front=FRONT), "python")
    found = {
        "it can reach": lambda _: [],
        "target file": [Target(BLUE), Target(GREEN)],
        "what it serves": [Target(BLUE), Target(GREEN)],
        "with the file": False,
        "in flight": {},
    }
    do = Replies(found, lenient=True)
    router.switch(do, GREEN, "s")
    assert do.keys == ["s/put", "s/told"]
    down = Replies(found | {"it can reach": lambda _: ["web-green"]}, lenient=True)
    with pytest.raises(VerificationError, match="no server of web-green"):
        router.switch(down, GREEN, "s")
    assert down.keys == []


def test_nginx_is_told_after_the_file_by_one_reload_that_says_what_it_costs(tmp_path: Path) -> None:
    """What it does not take is put back."""
    file = tmp_path / "web"
    file.write_bytes(before := included.content("web", Target(BLUE), {}))
    router = NginxRouter(Nginx(kind="nginx", file=str(file), told=f"{FRONT}/told", front=FRONT))
    found = {
        "target file": [Target(BLUE), Target(GREEN)],
        "what it serves": [Target(BLUE), Target(BLUE), Target(GREEN)],
        "what nginx was told": Target(GREEN),
        "version": Output(0, b"", b"nginx version: nginx/1.22.1"),
        "open connections": Output(0, b"", b""),
    }
    do = Replies(found, lenient=True)
    router.switch(do, GREEN, "s")
    assert do.keys == ["s/put", "s/test", "s/reload"]
    assert "keepalive_min_timeout" in do.changes[-1].says
    refuses = Replies(found | {"s/test": ActionError("nginx exited with 1")}, lenient=True)
    with pytest.raises(ActionError, match="does not take"):
        router.switch(refuses, GREEN, "s")
    back = refuses.changes[-1]
    assert isinstance(back, WriteFile) and back.content == before and "s/reload" not in refuses.keys


def test_among_containers_a_slot_is_where_its_name_is(tmp_path: Path) -> None:
    """Whatever address the platform tells."""
    stand = Stand("shop", "between", (Entry("web", 8000, {}),))
    router = NginxRouter(Nginx(kind="nginx", file=str(tmp_path / "web"), told=f"{FRONT}/t", front=FRONT), None, stand)
    assert router.known(Target.of(GREEN, 25, BLUE)) == Target(
        Upstream("green", "web-green", 8000), 25, Upstream("blue", "web-blue", 8000)
    )


def test_connections_are_counted_by_where_they_go() -> None:
    """Established ones alone, and of the wanted addresses alone."""
    table = """  sl  local_address rem_address   st tx_queue rx_queue
   0: 0100007F:1F90 00000000:0000 0A 0
   1: 0100007F:9C40 0100007F:0FA1 01 0
   2: 0100007F:9C41 0100007F:0FA1 06 0
   3: 0100007F:9C42 0200007F:0FA1 01 0
"""
    assert included.connections(table, [("127.0.0.1", 4001)]) == 1
    assert included.connections(table, [("127.0.0.1", 4001), ("127.0.0.2", 4001)]) == 2
    assert included.connections(table, []) == 0


@pytest.mark.parametrize(
    ("mounts", "told"),
    [
        ([{"Destination": "/in/web.map", "Source": "/out/web.map"}], "`/out:/in:ro`"),
        ([{"Destination": "/in", "Source": "/else"}], "/out"),
        ([], "/out"),
    ],
    ids=["mounted alone", "another folder", "not mounted"],
)
def test_a_file_that_a_container_does_not_see_by_its_name_is_refused(mounts: list[dict[str, str]], told: str) -> None:
    """With the line to write instead."""
    do = Replies({"mounted": Output(0, json.dumps(mounts).encode(), b"")})
    with pytest.raises(RefusedError) as caught:
        containers.require_folder(do, "front", "/in/web.map", Path("/out/web.map"))
    assert told in caught.value.next


@pytest.mark.parametrize(("destination", "source"), [("/in", "/out"), ("/", "/")])
def test_a_file_whose_folder_is_mounted_is_seen(destination: str, source: str) -> None:
    """Or a folder above it."""
    mounts = [{"Destination": destination, "Source": source}]
    inside = "/in/web.map" if destination == "/in" else "/out/web.map"
    containers.require_folder(
        Replies({"mounted": Output(0, json.dumps(mounts).encode(), b"")}), "front", inside, Path("/out/web.map")
    )


def test_a_map_file_is_read_as_haproxy_reads_it() -> None:
    """A key, and the rest of the line."""
    assert socket.in_file("web a/100/a\n\nweb-a.host 127.0.0.1\nalone\n") == {
        "web": "a/100/a",
        "web-a.host": "127.0.0.1",
    }
