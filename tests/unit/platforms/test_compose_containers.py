"""What containers tell, and when they have settled."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from runwright.engine.actions import Output
from runwright.errors import ActionError, DeadlineError, ObservationError
from runwright.platforms.compose.containers import (
    Container,
    Settled,
    containers_of,
    never_ready,
    parse_containers,
    require_sound,
)
from runwright.platforms.compose.images import parse_image, swallows_command
from runwright.testing.replies import Replies

PLAIN = Container("id1", "shop-api-1", "api", "sha256:1", "running")


def line(**changes: Any) -> str:
    raw = {
        "id": "c1", "name": "/shop-api-1", "image": "sha256:1", "state": "running", "exit_code": 0, "oom_killed": False,
        "created": "2026-11-21T07:13:43.608817056Z", "started": "2026-11-21T07:13:44Z", "restarts": 0,
        "ports": {"8000/tcp": None, "9000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "32768"}]}, "health": "healthy",
        "service": "api", "oneoff": "False", "files": "/s/a.yml,/s/b.yml", "directory": "/opt/shop", "env_files": "",
        "release": "r1", "commit": "", "project": "shop", "networks": {}, "shares": ["shop_default", "", "private"],
    }  # fmt: skip
    return json.dumps({**raw, **changes})


def test_an_inspection_becomes_containers() -> None:
    """Names lose their slash, lists are split, the published port is found, one that vanished is left out."""
    text = line(id="c2", name="/shop-jobs-1", service="jobs", health=None, oneoff="True") + "\n" + line() + "\n"
    api, jobs = parse_containers(Output(1, text.encode(), b"Error: No such container: c3"))
    assert (api.name, api.files, api.env_files, api.port) == ("shop-api-1", ("/s/a.yml", "/s/b.yml"), (), 32768)
    assert (jobs.health, jobs.oneoff, api.oneoff) == (None, True, False)
    fact = api.fact()
    assert (fact.service, fact.instance, fact.identity, fact.healthy) == ("api", "shop-api-1", "sha256:1", True)
    assert jobs.fact().healthy is None


def test_an_engine_that_does_not_answer_is_not_an_empty_one() -> None:
    """No answer is an error, never "nothing runs"."""
    with pytest.raises(ObservationError, match="could not tell"):
        parse_containers(Output(1, b"", b"Cannot connect to the Docker daemon"))
    with pytest.raises(ObservationError):
        parse_image(Output(1, b"", b"Cannot connect to the Docker daemon"))


def test_two_commands_tell_all_and_none_is_asked_for_nothing() -> None:
    """A list of ids, then one inspection; no inspection if there are no containers."""
    do = Replies({"docker ps": Output(0, b"c1\n", b""), "docker container inspect": Output(0, line().encode(), b"")})
    assert [c.name for c in containers_of(do, "shop") or ()] == ["shop-api-1"]
    assert len(do.actions) == 2
    assert containers_of(Replies({"docker ps": Output(0, b"", b"")}), "shop") == ()


def test_environments_are_never_asked_for() -> None:
    """The inspection names its fields, and neither environment nor command is among them."""
    do = Replies({"docker ps": Output(0, b"c1\n", b""), "docker container inspect": Output(0, b"", b"")})
    containers_of(do, "shop")
    words = " ".join(do.actions[1].argv)  # type: ignore[attr-defined]
    assert not [part for part in (".Env", ".Config.Cmd", "json .Config}", "json .State.Health}") if part in words]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_without_a_healthcheck_it_settles_after_running_unchanged_for_a_while() -> None:
    """The clock starts when it is first seen to run, and again if it was started anew."""
    clock = Clock()
    settled = Settled(10.0, clock)
    assert not settled((PLAIN,))
    clock.now = 9.9
    assert not settled((PLAIN,))
    assert not settled((replace(PLAIN, started="later"),))
    clock.now = 10.0
    assert settled((PLAIN,))


@pytest.mark.parametrize(("health", "expected"), [("starting", False), ("healthy", True)])
def test_with_a_healthcheck_health_counts_and_time_does_not(health: str, expected: bool) -> None:
    """Healthy is healthy at once, starting never is."""
    clock = Clock()
    settled = Settled(10.0, clock)
    settled((replace(PLAIN, health=health),))
    clock.now = 1000.0
    assert settled((replace(PLAIN, health=health),)) is expected


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"state": "exited", "exit_code": 137, "oom_killed": True}, r"ended \(exit code 137, OOMKilled yes\)"),
        ({"state": "restarting", "restarts": 2, "exit_code": 1}, r"restarted 2 times \(exit code 1"),
        ({"restarts": 1}, "restarted once"),
        ({"image": "sha256:2"}, "runs image sha256:2, not sha256:1"),
    ],
)
def test_trouble_ends_the_waiting_at_once_and_is_named(changes: dict[str, Any], told: str) -> None:
    """Nobody waits for a deadline to learn that a container has ended."""
    container = replace(PLAIN, **changes)
    assert Settled(0.0, Clock())((container,))
    with pytest.raises(ActionError, match=told):
        require_sound((container,), {"api": "sha256:1"})


def test_unhealthy_is_not_the_end_of_the_waiting() -> None:
    """Docker goes on asking an unhealthy container, so it may still get well before the deadline."""
    settled = Settled(0.0, Clock())
    assert not settled((replace(PLAIN, health="unhealthy"),))
    assert settled((replace(PLAIN, health="healthy"),))


def test_one_that_ends_is_told_before_another_that_is_unhealthy() -> None:
    """What cannot get well by waiting ends it, and is what the error names."""
    ill = replace(PLAIN, health="unhealthy")
    ended = replace(PLAIN, id="id2", name="shop-jobs-1", state="exited", exit_code=1)
    assert Settled(0.0, Clock())((ill, ended))
    with pytest.raises(ActionError, match="shop-jobs-1 ended"):
        require_sound((ill, ended), {})


@pytest.mark.parametrize(("now", "trouble"), [(3, ""), (4, "restarted once"), (6, "restarted 3 times")])
def test_restarts_from_before_the_start_do_not_count(now: int, trouble: str) -> None:
    """A container that is not replaced keeps its count: a crash of last week says nothing about this start."""
    container, before = replace(PLAIN, restarts=now, health="starting"), {"id1": 3}
    assert Settled(0.0, Clock(), before)((container,)) is bool(trouble)
    assert trouble in container.trouble(3)
    if trouble:
        with pytest.raises(ActionError, match=trouble):
            require_sound((container,), {}, before)
    else:
        require_sound((container,), {}, before)


def test_who_waited_in_vain_is_told_how_the_containers_fare() -> None:
    """The error names those that are late, not those that are well, and begins with what the first one's healthcheck said."""
    web = replace(PLAIN, name="shop-web-1", health="healthy")
    late = (replace(PLAIN, health="unhealthy"), replace(PLAIN, name="shop-jobs-1", health="starting"))
    health = {"Status": "unhealthy", "Log": [{"ExitCode": 7, "Output": "* trying\ncurl: (7) refused\n"}]}
    with pytest.raises(DeadlineError) as caught:
        Replies({"inspect": Output(0, json.dumps(health).encode(), b"")})(never_ready((*late, web), 180))
    error = caught.value
    assert error.what == (
        "curl: (7) refused (shop-api-1): waited 180 s in vain: shop-api-1 runs, and its healthcheck fails: Docker calls it unhealthy; "
        "shop-jobs-1 runs, and its healthcheck has not passed yet."
    )
    assert "docker logs --tail 100 shop-api-1" in error.next
    with pytest.raises(DeadlineError, match=r"^Waited 180 s in vain: shop-api-1 is created"):
        Replies({"inspect": Output(0, b"null", b"")})(never_ready((replace(PLAIN, state="created"),), 180))


def test_a_created_container_is_neither_sound_nor_in_trouble() -> None:
    """Compose makes all of them before it starts the first."""
    assert not Settled(0.0, Clock())((replace(PLAIN, state="created"),))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("3c4fab145005_shop-jobs-1", "shop-jobs-1"),
        ("shop-jobs-1", None),
        ("3c4fab14_shop", None),
        ("zc4fab145005_shop", None),
    ],
)
def test_leftovers_of_an_interrupted_compose_are_recognised(name: str, meant: str | None) -> None:
    """Twelve hexadecimal digits and an underscore before the name that it was to get."""
    assert replace(PLAIN, name=name).meant_name == meant


@pytest.mark.parametrize(
    ("entrypoint", "swallows"),
    [
        ((), False),
        (("docker-entrypoint.sh",), False),
        (("/usr/local/bin/entrypoint",), False),
        (("/bin/sh", "/start.sh"), False),
        (("tini", "--"), False),
        (("/sbin/tini", "-g", "--", "docker-entrypoint.sh"), False),
        (("python", "app.py"), True),
        (("sh", "-c", "alembic upgrade head && serve"), True),
        (("dumb-init", "--", "gunicorn"), True),
    ],
)
def test_an_entrypoint_that_would_swallow_a_command_is_recognised(entrypoint: tuple[str, ...], swallows: bool) -> None:
    """Scripts and inits hand on what they are given; programs take it for their own arguments."""
    assert swallows_command(entrypoint) is swallows
