"""Probes that are asked from inside of a service, by whatever it has there."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import Command
from runwright.probes.asking import ask, cleanup
from runwright.probes.shape import ProbeResult, World
from runwright.runbook.probes import Probe
from runwright.testing.direct import Direct
from tests.integration.test_http_probe import Shop, clock, probe, serving, values

CLIENTS = {"python": "python3", "curl": "curl", "node": "node"}


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    server = Shop()
    with serving(server):
        yield server


@pytest.fixture(params=CLIENTS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A place in which there is a shell and one of the clients."""
    for name in ("sh", "head", CLIENTS[request.param]):
        there = sys.executable if name == "python3" else shutil.which(name)
        if there is None:
            pytest.skip(f"there is no {name} here")
        (tmp_path / name).write_text(f'#!/bin/sh\nexec {there} "$@"\n')
        (tmp_path / name).chmod(0o755)
    return World(lambda service: ("env", f"PATH={tmp_path}", "IN=" + service))


def asked(shop: Shop, world: World, **given: Any) -> ProbeResult:
    return ask(
        Direct(), Probe.model_validate({"id": "p", "inside": "api", **given}), values(shop), clock, key="k", world=world
    )


def test_what_is_asked_from_inside_is_judged_as_from_here(shop: Shop, world: World) -> None:
    """Status, headers, body, times, a login of a user and of a token, a POST with a body, and what it saves."""
    shop.wrong_for = 0
    ready = asked(shop, world, get="${url.api}/readyz", json={"ok": True}, headers={"x-frame-options": "DENY"})
    assert (ready.reason, ready.state) == ("answered 200", "pass")
    assert {"first_byte", "total"} <= set(ready.phases) and 0 < (ready.seconds or 0) < 5
    assert asked(shop, world, head="${url.api}/readyz").state == "pass"
    login = {"get": "${url.api}/basic", "basic": ["admin", "${secret.password}"]}
    assert asked(shop, world, **login).state == "pass"
    assert asked(shop, world, get="${url.api}/basic").reason == "answered 401, expected 200"
    body = {"user": "u", "password": "${secret.password}"}
    token = asked(shop, world, post="${url.api}/login", body=body, save={"token": "access_token"})
    assert (token.state, token.saved) == ("pass", {"token": "aa.bb.cc"})
    made = probe(id="p", inside="api", post="${url.api}/customers", body={"name": 'a "b" \\ é'}, bearer="${saved.token}",
                 status=201, save={"id": "id"}, cleanup="${url.api}/customers/${saved.id}")  # fmt: skip
    known = values(shop).with_saved(token.saved)
    created = ask(Direct(), made, known, clock, key="k", world=world)
    assert (created.state, shop.customers) == ("pass", {"c 1": {"name": 'a "b" \\ é'}})
    gone = cleanup(Direct(), made, known.with_saved(created.saved), key="k", world=world)
    assert gone is not None and (gone.state, shop.customers) == ("pass", {})


def test_what_gives_no_answer_inside_is_told_from_what_could_not_be_asked(shop: Shop, world: World) -> None:
    """A refusal and a silence are evidence; a name that is not known in there says nothing of the release."""
    assert asked(shop, world, get="http://127.0.0.1:1/").reason == "it refused the connection"
    broken = asked(shop, world, get="${url.api}/broken")
    assert (broken.state, broken.reason) == ("fail", "it broke the connection")
    silent = asked(shop, world, get="${url.api}/silent", timeout="500ms")
    assert (silent.state, silent.reason, silent.answered) == ("fail", "no answer within 500ms", False)
    unknown = asked(shop, world, get="http://nowhere.invalid/")
    assert (unknown.state, unknown.reason) == ("blind", "its name could not be resolved in there")
    tls = asked(shop, world, get=f"https://127.0.0.1:{shop.server_port}/")
    assert (tls.state, tls.reason) == ("fail", "no TLS connection: the handshake failed")
    huge = asked(shop, world, get="${url.api}/huge", contains="x")
    assert huge.state == "pass"


def test_a_login_is_in_no_word_of_a_program(shop: Shop) -> None:
    """It goes over standard input, and a result does not show it."""
    seen: list[Command[Any]] = []

    def do(action: Any) -> Any:
        seen.append(action)
        raise KeyboardInterrupt

    one = probe(id="p", inside="api", get="http://localhost/", basic=["admin", "${secret.password}"])
    with pytest.raises(KeyboardInterrupt):
        ask(do, one, values(shop), clock, world=World(lambda _: ("docker", "exec")))
    assert not any("hunter2" in word or "YWRtaW46" in word for word in seen[0].argv)
    assert "hunter2" not in repr(seen[0]) and "YWRtaW46" not in repr(seen[0])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("sh", "-c", 'PATH=/nowhere; shift 2; eval "$1"', "sh"), "nothing in there"),
        (("false",), "it exited with 1"),
        (("sh", "-c", "echo it is not running >&2; exit 1"), "it is not running"),
        (("sh", "-c", "yes"), "printed more than"),
        (("echo", "python"), "did not"),
        (("/no/such/docker",), "could not be started"),
    ],
)
def test_where_nobody_can_ask_it_is_blind(shop: Shop, words: tuple[str, ...], reason: str) -> None:
    """No client, no way in, a service that does not run, a shell that says something else."""
    found = asked(shop, World(lambda _: words), get="${url.api}/readyz")
    assert found.state == "blind" and reason in found.reason
    assert asked(shop, World(), get="${url.api}/readyz").state == "blind"
