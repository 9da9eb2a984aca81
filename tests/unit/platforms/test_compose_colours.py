"""What a colour is made of, and what the switch before it takes over: on rendered Compose files."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from runwright.errors import InputError
from runwright.platforms.compose import PLATFORM
from runwright.platforms.compose.colour_file import colour_file
from runwright.platforms.compose.colours import Colours, of
from runwright.platforms.compose.containers import Container
from runwright.platforms.compose.entries import entries
from runwright.platforms.compose.starting import Starting
from runwright.runbook.environment import Environment
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.versions import Version

WEB: dict[str, Any] = {
    "image": "sha256:abc",
    "build": {"context": "/src"},
    "container_name": "shop",
    "command": ["serve"],
    "environment": {"A": "x$$y", "SECRET": "s3cret"},
    "depends_on": {"db": {"condition": "service_healthy"}, "migrate": {"condition": "service_completed_successfully"}},
    "deploy": {"replicas": 3, "resources": {"limits": {"memory": "64M"}}},
    "healthcheck": {"test": ["CMD", "true"]},
    "labels": {"team": "a"},
    "networks": {"default": {"aliases": ["billing.internal"], "ipv4_address": "10.1.0.5", "priority": 5}, "back": None},
    "ports": [{"target": 8000, "published": "80", "host_ip": "127.0.0.1", "protocol": "tcp"}, {"target": 9000}],
    "volumes": [{"type": "volume", "source": "data", "target": "/data"}],
}
CONFIG: dict[str, Any] = {
    "name": "shop",
    "services": {"web": WEB, "db": {"image": "postgres:15"}},
    "networks": {"default": {"name": "shop_default"}, "back": {"name": "backend"}},
    "volumes": {"data": {"name": "shop_data"}},
}


def target(**traffic: Any) -> ComposeTarget:
    return ComposeTarget.model_validate(
        {
            "platform": "compose",
            "project": "shop",
            "directory": "/opt/shop",
            "strategy": "blue_green",
            "traffic": traffic or {"web": {"port": 8000}},
        }
    )


def changed(**more: Any) -> dict[str, Any]:
    return {**CONFIG, "services": {"web": {**WEB, **more}}}


def test_a_colour_is_the_service_but_for_what_two_cannot_share() -> None:
    """Environment, volumes, limits and healthcheck are the user's; names, ports and dependencies are not started twice."""
    made = json.loads(
        colour_file(CONFIG, {"web": None}, "green", {"runwright.release": "r1", "runwright.commit": "a$b"}, "net")
    )
    assert list(made["services"]) == ["web-green"]
    web = made["services"]["web-green"]
    for key in ("image", "command", "environment", "healthcheck", "volumes"):
        assert web[key] == WEB[key]
    assert not {"build", "container_name", "depends_on", "ports", "scale"} & set(web)
    assert web["deploy"] == {"resources": {"limits": {"memory": "64M"}}}, "how many is said by --scale alone"
    assert web["networks"] == {
        "default": {"priority": 5},
        "back": None,
        "runwright": {"aliases": ["web-green"]},
    }, "no name of the service before it is meant to be reached"
    assert web["labels"] == {
        "team": "a",
        "runwright.service": "web",
        "runwright.slot": "green",
        "runwright.release": "r1",
        "runwright.commit": "a$$b",
    }
    assert made["networks"]["runwright"] == {"name": "net", "internal": True}
    assert made["volumes"] == CONFIG["volumes"]


def test_the_switch_takes_over_names_and_published_ports() -> None:
    """By each network's real name: the service's, its container's and its aliases."""
    assert entries(CONFIG, target()) == {
        "web": {
            "names": {"shop_default": ["web", "shop", "billing.internal"], "backend": ["web", "shop"]},
            "published": [["127.0.0.1", 80]],
        }
    }
    assert entries({"services": {"web": {"image": "x"}}}, target()) == {
        "web": {"names": {"default": ["web"]}, "published": []}
    }


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"network_mode": "host"}, "its network is `host`"),
        (
            {"labels": {"traefik.enable": "true", "traefik.http.routers.web.rule": "x"}},
            "finds its containers by the label traefik.enable",
        ),
        ({"labels": ["caddy=shop.example.com"]}, "finds its containers by the label caddy"),
        ({"environment": {"VIRTUAL_HOST": "shop.example.com"}}, "finds its containers by the variable VIRTUAL_HOST"),
        ({"volumes_from": ["db"]}, "it takes its volumes from another service"),
        ({"ports": [{"target": 9000, "published": "9000"}]}, "it publishes its port 9000 as 9000 too"),
        ({"ports": [{"target": 8000, "published": "53", "protocol": "udp"}]}, "it publishes its port 8000 as 53 too"),
        ({"ports": [{"target": 8000, "published": "8000-8010"}]}, "it publishes a range of ports (8000-8010)"),
    ],
)
def test_what_cannot_run_twice_is_refused_with_the_reason(more: dict[str, Any], said: str) -> None:
    """Before anything is built beside what serves."""
    with pytest.raises(InputError) as caught:
        entries(changed(**more), target())
    assert said in caught.value.what and "strategy: recreate" in caught.value.next


@pytest.mark.parametrize(
    ("strategy", "free", "told"),
    [
        ("blue_green", 200, False),
        ("blue_green", 191, True),
        ("rolling", 64, False),
        ("rolling", 63, True),
        ("rolling", None, False),
    ],
)
def test_a_second_colour_that_may_not_fit_into_memory_is_told(strategy: str, free: int | None, told: bool) -> None:
    """By its limits: as many containers as serve, and with rolling one of them."""
    place = target().model_copy(update={"strategy": strategy})
    limited = changed(deploy={"resources": {"limits": {"memory": str(64 * 2**20)}}})
    assert entries(limited, target())["web"]["memory"] == 64 * 2**20
    version = Version(
        "shop",
        "test",
        "v2",
        "c" * 40,
        extra={"images": {"web": "i"}, "entries": entries(limited, target()), "replicas": {"web": 3}},
    )
    there = [Container(str(n), f"shop-web-blue-{n}", "web", "i", "running", slot="blue") for n in range(3)]
    says = Colours(place, Starting(place, ["web"], (), lambda: 0.0)).staged(there, version, free and free * 2**20).says
    assert any("may not fit" in line for line in says) is told


def test_labels_that_let_nobody_find_it_are_kept() -> None:
    """Traefik that is switched off, and labels of the team's own."""
    for labels in ({"traefik.enable": "false", "traefik.http.routers.web.rule": "x"}, {"caddyfile": "x", "team": "a"}):
        assert entries(changed(labels=labels), target())["web"]["published"]


def test_an_address_that_the_runbook_calls_front_leads_where_the_runbook_says() -> None:
    """It may be another page than the service's: a candidate is not asked in its place unless it is said to lead there."""
    urls = {"front": "http://127.0.0.1:1", "api": "http://127.0.0.1:2"}
    place = lambda traffic, **given: Environment(tier="development", target=target(**traffic), urls=given)  # noqa: E731
    web = {"web": {"port": 8000, "urls": ["api"]}}
    assert PLATFORM.doors(place(web, **urls)) == ("api",)
    assert PLATFORM.doors(place(web, api=urls["api"])) == ("front", "api")
    assert PLATFORM.doors(place({}, **urls)) == ("front", "api")


def test_a_service_that_the_files_do_not_have_is_named() -> None:
    """It may be behind a profile."""
    with pytest.raises(InputError, match="have no service api, which `traffic` names"):
        entries(CONFIG, target(api={"port": 1}))


def test_containers_are_told_apart_by_their_colour() -> None:
    """A plain one is in none; a one-off job is never one."""
    there = [
        Container("1", "shop-web-1", "web", "i", "running"),
        Container("2", "shop-web-green-1", "web", "i", "running", slot="green"),
        Container("3", "job", "web", "i", "running", oneoff=True, slot="green"),
    ]
    assert [c.id for c in of(there, "web", "green")] == ["2"] and [c.id for c in of(there, "web", "")] == ["1"]


def test_the_plan_says_which_ports_go_dark_in_each_release() -> None:
    """A front that is built and not in `traffic` is replaced in place after the users were moved: they come by it."""
    front = Container("c1", "shop-front-1", "front", "sha256:1", "running", published=(("", 80),))
    jobs = Container("c2", "shop-jobs-1", "jobs", "sha256:1", "running")
    web = Container("c3", "shop-web-blue-1", "web", "sha256:1", "running", slot="blue")
    version = Version(
        "shop",
        "staging",
        "v2",
        "abc",
        extra={"images": {"web": "i", "front": "i", "jobs": "i"}, "entries": {"web": {}, "front": {}}},
    )
    told = Colours(target(), starting=None).staged((front, jobs, web), version, None)  # type: ignore[arg-type]
    assert told.dark == "in each release, while front is replaced in place"
    assert "by the port 80 of front is not served" in told.says[-1]
    moved = Colours(target(web={"port": 8000}, front={"port": 80}), starting=None)  # type: ignore[arg-type]
    assert not moved.staged((replace(front, slot="blue"), jobs, web), version, None).dark


def test_what_is_taken_over_is_counted_as_people_do() -> None:
    """ "the name web", and "the 2 names shop, web"."""
    web = Container("c3", "shop-web-1", "web", "sha256:1", "running", published=(("", 80), ("::", 80)))
    version = Version(
        "shop",
        "staging",
        "v2",
        "abc",
        extra={"images": {"web": "i"}, "entries": {"web": {"names": {"n": ["web", "web"]}}}},
    )
    said = Colours(target(), starting=None).staged((web,), version, None).says[0]  # type: ignore[arg-type]
    assert "takes over the name web and the port 80, and shop-web-1 is removed" in said
