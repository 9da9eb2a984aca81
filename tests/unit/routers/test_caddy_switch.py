"""The driver of what stands before containers, on tables: what it asks Docker for, in which order, and what it leaves alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import Command, Output, WriteFile
from runwright.engine.performer import Performer
from runwright.engine.planning import Planner
from runwright.errors import ActionError, VerificationError
from runwright.routers.caddy.standing import Standing
from runwright.routers.caddy.switch import CaddySwitch
from runwright.routers.target import Target
from runwright.runbook.routers.caddy import Caddy
from runwright.testing.replies import Replies
from runwright.traffic import Entry, Stand, Upstream

WEB = Entry("web", 8000, {"shop_default": ("web",), "shop_back": ("web", "api.internal")}, (("", 8080),))
STAND = Stand("shop", "shop_between", (WEB,))
BLUE, GREEN = Upstream("blue", "web-blue", 8000), Upstream("green", "web-green", 8000)


def standing(folder: Path, entry: Entry = WEB, image: str = "caddy:2") -> Standing:
    return Standing(replace(STAND, entries=(entry,)), entry, image, folder)


def router(folder: Path, *entries: Entry) -> CaddySwitch:
    return CaddySwitch(Caddy(kind="caddy"), folder, "python", replace(STAND, entries=entries or (WEB,)))


def told(one: Standing, **more: Any) -> str:
    """What Docker says of its container."""
    said = {
        "id": f"id-{one.make}",
        "name": f"/{one.name}",
        "state": "running",
        "finished": "0001-01-01T00:00:00Z",
        "ports": {"8000/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "127.0.0.1", "HostPort": "32001"}], "18301/tcp": [{"HostIp": "127.0.0.1", "HostPort": "32002"}]},
        "networks": {network: {"Aliases": [*names, "0a1b2c"]} for network, names in one.networks.items()},
        "service": one.entry.service,
        "made": one.make,
    }  # fmt: skip
    return json.dumps(said | more)


def docker(*found: str, **more: Any) -> dict[str, Any]:
    """Docker's answers where these containers are."""
    return {
        "docker ps -aq": Output(0, "\n".join("abc" for _ in found).encode(), b""),
        "docker container inspect": Output(0, "\n".join(found).encode(), b""),
        "docker network inspect": Output(0, b"true\nfalse\n", b""),
        "docker info": Output(0, b'["name=seccomp"]', b""),
        "docker ps --filter publish": Output(0, b"", b""),
        "is free": 8080,
        "answers": True,
        **more,
    }


def words(do: Replies) -> list[str]:
    """The changes that Docker is asked for, without what differs by place."""
    return [" ".join(a.argv[1:3]) for a in do.changes if isinstance(a, Command) and a.argv[0] == "docker"]


def test_the_first_one_is_made_and_gets_its_names_before_it_starts(tmp_path: Path) -> None:
    """It is on the network between first; nobody finds it by a name before it can answer."""
    do = Replies(docker(), lenient=True)
    router(tmp_path).ensure(do, "e", first=GREEN)
    assert words(do) == ["create --name", "network connect", "network connect", "start " + standing(tmp_path).name]
    create = next(a for a in do.changes if "/create-" in str(a.key))
    assert isinstance(create, Command)
    line = " ".join(create.argv)
    assert "--network shop_between --publish" in line and "com.docker.compose" not in line
    assert "--publish 127.0.0.1::8000" in line and "--publish 8080:8000" in line
    first = next(a for a in do.changes if a.key == "e/first")
    assert isinstance(first, WriteFile) and first.content == b"green\n"


def test_the_plan_of_a_first_one_is_complete(tmp_path: Path) -> None:
    """It names each change and makes none."""
    plan = Planner(Performer())
    router(tmp_path / "new").ensure(plan, "e", first=BLUE)
    keys = [str(step.key) for step in plan.steps]
    make = standing(tmp_path / "new").make
    assert keys == [
        "e/folder",
        "e/first",
        *(f"e/web/folder-{make}-{name}" for name in ("shared", "config", "run")),
        f"e/web/config-{make}",
        f"e/web/create-{make}",
        f"e/web/connect-{make}-shop_default",
        f"e/web/connect-{make}-shop_back",
        f"e/web/start-{make}",
        f"e/web/current-{make}",
    ]


def test_what_stands_as_it_must_is_left_alone(tmp_path: Path) -> None:
    """Also when the version, the lease and the release are others."""
    one = standing(tmp_path)
    do = Replies(docker(told(one), **{"what stands for": one.make}), lenient=True)
    tmp_path.chmod(0o700)
    router(tmp_path).ensure(do, "e")
    assert do.keys == []


@pytest.mark.parametrize(
    ("more", "changes"),
    [
        ({"state": "exited", "finished": "T1"}, ["start"]),
        ({"state": "created", "networks": {"shop_between": {"Aliases": None}}}, ["network", "network", "start"]),
        ({"networks": {"shop_between": {}, "shop_default": {"Aliases": ["web"]}, "shop_back": {"Aliases": ["web"]}}}, ["network", "network"]),
    ],
    ids=["ended", "half made", "a name was taken from it"],
)  # fmt: skip
def test_what_does_not_stand_as_it_must_does_so_afterwards(tmp_path: Path, more: Any, changes: list[str]) -> None:
    """Whatever is the matter with it."""
    one = standing(tmp_path)
    tmp_path.chmod(0o700)
    do = Replies(docker(told(one, **more), **{"what stands for": one.make}), lenient=True)
    router(tmp_path).ensure(do, "e")
    assert [line.split()[0] for line in words(do)] == changes


@pytest.mark.parametrize("published", [True, False])
def test_a_predecessor_goes_after_the_new_one_stands_unless_it_has_its_port(tmp_path: Path, published: bool) -> None:
    """Nobody is left without service but where a port of this machine has to change hands."""
    entry = WEB if published else replace(WEB, published=())
    old = standing(tmp_path, entry, "caddy:2.10")
    holders = Output(0, old.name.encode() if published else b"", b"")
    do = Replies(
        docker(told(old), **{"docker ps --filter publish": holders, "what stands for": old.make}), lenient=True
    )
    router(tmp_path, entry).ensure(do, "e")
    order = [line.split()[0] for line in words(do)]
    start, stop = order.index("start"), order.index("stop")
    assert (stop < start) is published and order[-1] == ("start" if published else "rm")


def test_a_port_that_somebody_else_has_is_named_with_its_owner(tmp_path: Path) -> None:
    """Nothing is started, and nothing of theirs is stopped."""
    do = Replies(docker(**{"docker ps --filter publish": Output(0, b"shop-web-1\n", b"")}), lenient=True)
    with pytest.raises(ActionError, match=r"Port 8080 .* belongs to the container shop-web-1") as caught:
        router(tmp_path).ensure(do, "e")
    assert "was not started" in caught.value.state and "shop-web-1" in caught.value.next
    assert not any("start" in line for line in words(do))


def test_without_a_way_out_no_port_leads_in(tmp_path: Path) -> None:
    """Networks that are all internal are told before anything is made."""
    do = Replies(docker(**{"docker network inspect": Output(0, b"true\ntrue\n", b"")}), lenient=True)
    with pytest.raises(ActionError, match="internal"):
        router(tmp_path).ensure(do, "e")
    assert words(do) == []


def test_of_a_docker_without_root_its_root_is_us(tmp_path: Path) -> None:
    """A container of another user could not read our folder."""
    do = Replies(docker(**{"docker info": Output(0, b'["name=seccomp","name=rootless"]', b"")}), lenient=True)
    router(tmp_path).ensure(do, "e")
    create = next(a for a in do.changes if "/create-" in str(a.key))
    assert isinstance(create, Command) and create.argv[create.argv.index("--user") + 1] == "0:0"


def test_a_service_that_gets_no_requests_any_more_has_nobody_before_it(tmp_path: Path) -> None:
    """What stood there is removed."""
    other = standing(tmp_path, replace(WEB, service="old", published=()))
    one = standing(tmp_path)
    tmp_path.chmod(0o700)
    do = Replies(docker(told(one), told(other), **{"what stands for": one.make}), lenient=True)
    router(tmp_path).ensure(do, "e")
    assert words(do) == ["stop --time", "rm --force"]
    assert all("e/old/gone" in key for key in do.keys)


def test_one_that_does_not_answer_keeps_its_predecessor(tmp_path: Path) -> None:
    """It is told, and what stood there before is not removed."""
    entry = replace(WEB, published=())
    old = standing(tmp_path, entry, "caddy:2.10")
    do = Replies(docker(told(old), answers=False), lenient=True)
    with pytest.raises(VerificationError, match="does not answer"):
        router(tmp_path, entry).ensure(do, "e")
    assert "stop --time" not in words(do)


def test_a_door_is_of_the_one_that_stands_now(tmp_path: Path) -> None:
    """The front by the port that clients know; nothing where nothing runs."""
    one = standing(tmp_path)
    do = Replies(docker(told(one), **{"what stands for": one.make}))
    assert router(tmp_path).door(do, "blue") == Upstream("blue", "127.0.0.1", 32002)
    assert router(tmp_path).door(do, "front") == Upstream("front", "127.0.0.1", 8080)
    assert router(tmp_path).door(Replies(docker(**{"what stands for": ""})), "blue") is None


def test_a_switch_names_slots_alone(tmp_path: Path) -> None:
    """Where they are is always the same, whatever the platform calls it."""
    wanted = Target(GREEN)
    found = {
        "what it serves": [Target(BLUE), wanted],
        "target file": [Target(BLUE), wanted],
        "in flight": {},
        "is broken": None,
    }
    do = Replies(found, lenient=True)
    assert router(tmp_path).switch(do, Upstream("green", "elsewhere", 9), "s") == 0
    (put,) = do.changes
    assert isinstance(put, WriteFile) and (put.content, put.path) == (b"green\n", tmp_path / "shared" / "target")


def test_its_make_changes_with_what_it_is_made_of_alone(tmp_path: Path) -> None:
    """So that a release never replaces it."""
    one = standing(tmp_path)
    shuffled = replace(WEB, names={"shop_back": ("api.internal", "web"), "shop_default": ("web",)})
    assert one.make == standing(tmp_path / "elsewhere").make == standing(tmp_path, shuffled).make
    others = [
        standing(tmp_path, replace(WEB, port=8001)),
        standing(tmp_path, replace(WEB, published=())),
        standing(tmp_path, replace(WEB, names={"shop_default": ("web",)})),
        standing(tmp_path, image="caddy:2.11"),
    ]
    assert len({one.make, *(other.make for other in others)}) == 5


def test_a_door_has_a_port_that_the_service_has_not(tmp_path: Path) -> None:
    """Whatever the service listens on."""
    one = standing(tmp_path, replace(WEB, port=18301))
    assert len({18301, one.door("blue"), one.door("green")}) == 3
