"""Caddy's driver, on tables: which changes it asks for, in which order, and what it makes of the answers."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import Fence, WriteFile
from runwright.engine.effects.processes import this_process
from runwright.engine.performer import Performer
from runwright.engine.planning import Planner
from runwright.errors import ActionError, CancelledError, FencedError, ObservationError, RefusedError, VerificationError
from runwright.routers.caddy import configuration, state, target
from runwright.routers.caddy.driver import CaddyRouter
from runwright.routers.shape import RouterFacts
from runwright.routers.target import Target
from runwright.runbook.routers.caddy import Caddy
from runwright.testing.replies import Replies
from runwright.traffic import Counted, Upstream

BLUE, GREEN = Upstream("blue", "127.0.0.1", 4001), Upstream("green", "127.0.0.1", 4002)
FRONT = "http://127.0.0.1:8080"


def targets(found: Any) -> Any:
    """Upstreams as what a target file names: each alone."""
    if isinstance(found, list):
        return [targets(one) for one in found]
    return Target(found) if isinstance(found, Upstream) else found


def table(served: Any, written: Any, **more: Any) -> dict[str, Any]:
    return {
        "what it serves": targets(served),
        "target file": targets(written),
        "where clients come in": FRONT,
        "what is in flight": more.pop("counted", {}),
        **more,
    }


@pytest.fixture
def router(tmp_path: Path) -> CaddyRouter:
    return CaddyRouter(Caddy(kind="caddy"), tmp_path / "caddy", "python")


@pytest.mark.parametrize(
    ("written", "keys"),
    [([BLUE, GREEN], ["s/put"]), ([GREEN, GREEN], []), ([None, GREEN], ["s/put"])],
    ids=["fresh", "done already", "first target"],
)
def test_a_switch_does_what_is_missing(router: CaddyRouter, written: list[Any], keys: list[str]) -> None:
    """Wherever an earlier attempt ended, the rest is done."""
    do = Replies(table([*written], written), lenient=True)
    assert router.switch(do, GREEN, "s") == 0
    assert do.keys == keys


@pytest.mark.parametrize(
    ("served", "written"), [(BLUE, GREEN), (None, GREEN), (BLUE, BLUE), (ActionError("no"), GREEN)]
)
def test_a_switch_that_is_not_seen_is_an_error(router: CaddyRouter, served: Any, written: Any) -> None:
    """It is read afterwards, whatever the change answered."""
    with pytest.raises(VerificationError) as caught:
        router.switch(Replies(table(served, written), lenient=True), GREEN, "s")
    assert "nothing was stopped" in caught.value.state


def test_what_is_left_in_flight_is_told(router: CaddyRouter) -> None:
    """The drain counts every slot but the new one."""
    counted = {"blue": Counted(3, 10, 1), "green": Counted(9, 9, 0)}
    assert router.switch(Replies(table(GREEN, GREEN, counted=counted), lenient=True), GREEN, "s") == 3


def test_a_router_that_does_not_answer_is_a_fact(router: CaddyRouter) -> None:
    """Down, it would come back with its file's target, which therefore stays protected."""
    down = table(ActionError("no answer"), BLUE)
    facts = router.facts(Replies(down))
    assert facts == RouterFacts(False, None, BLUE, FRONT)
    assert facts.named == {"blue"} and "does not run" in facts.problem
    assert router.target(Replies(down)) == BLUE


def test_a_cancel_is_not_taken_for_a_router_that_is_down(router: CaddyRouter) -> None:
    """A person who cancels has not made the router disappear."""
    with pytest.raises(CancelledError):
        router.facts(Replies(table(CancelledError("cancelled"), BLUE)))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "app.internal"])
def test_what_is_written_is_what_is_read(host: str) -> None:
    """A target comes back as it was."""
    to = Upstream("green", host, 4002)
    assert target.read(target.line(Target(to)).decode()) == Target(to)


@pytest.mark.parametrize(
    "text", ["blue", "blue 127.0.0.1", "blue :80", "blue 127.0.0.1:0", "blue 127.0.0.1:http", "red 127.0.0.1:1", "blue a b:1", "{}"]
)  # fmt: skip
def test_a_target_that_is_not_ours_is_not_guessed_at(text: str) -> None:
    """What is not understood decides nothing."""
    with pytest.raises(ObservationError):
        target.read(text)


@pytest.mark.parametrize(("text", "named"), [("", None), ("\n", None), ("blue 127.0.0.1:4001", BLUE)])
def test_a_target_may_be_nothing(text: str, named: Upstream | None) -> None:
    """Nothing was served yet."""
    assert target.read(text) == (Target(named) if named else None)


def test_under_a_lease_what_is_served_is_fenced(tmp_path: Path) -> None:
    """Who was overtaken cannot say it any more."""
    router = CaddyRouter(Caddy(kind="caddy"), tmp_path / "caddy", "python", 7)
    do = Replies(table([BLUE, GREEN], [BLUE, GREEN]), lenient=True)
    router.switch(do, GREEN, "s")
    fence, put = do.changes
    assert isinstance(fence, Fence) and (fence.path, fence.token) == (tmp_path / "caddy" / "fence", 7)
    assert isinstance(put, WriteFile) and put.permit == tmp_path / "caddy" / "fence" / "7"


def test_who_was_overtaken_asks_for_no_change(tmp_path: Path) -> None:
    """The fence is read before anything else is done."""
    router = CaddyRouter(Caddy(kind="caddy"), tmp_path / "caddy", "python", 7)
    do = Replies({**table(BLUE, BLUE), "front door's fence": 8})
    with pytest.raises(FencedError):
        router.switch(do, GREEN, "s")
    assert do.keys == []


def test_the_plan_of_a_first_switch_is_complete(router: CaddyRouter) -> None:
    """Nothing runs yet; the plan still names each change, and asks nobody."""
    plan = Planner(Performer())
    router.ensure(plan, "front")
    router.switch(plan, BLUE, "switch")
    assert [step.key for step in plan.steps] == ["front/folder", "front/config", "front/start", "switch/put"]


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        (RouterFacts(True, BLUE, BLUE), ""),
        (RouterFacts(True, None, None), ""),
        (RouterFacts(True, BLUE, GREEN), "serves blue"),
        (RouterFacts(True, None, GREEN), "serves nothing"),
        (RouterFacts(False, None, GREEN), "does not run"),
    ],
)
def test_every_disagreement_has_a_sentence(facts: RouterFacts, problem: str) -> None:
    """And only a disagreement has one."""
    assert problem in facts.problem and bool(facts.problem) is bool(problem)
    assert facts.agreed is not bool(problem)


@pytest.mark.parametrize(
    ("host", "front"),
    [("0.0.0.0", "http://127.0.0.1:8080"), ("::", "http://127.0.0.1:8080"), ("::1", "http://[::1]:8080"), ("10.0.0.5", "http://10.0.0.5:8080")],
)  # fmt: skip
def test_the_front_is_an_address_that_can_be_asked(tmp_path: Path, host: str, front: str) -> None:
    """One that listens everywhere is reached on this machine."""
    (tmp_path / configuration.FILE).write_bytes(configuration.configuration(host, 8080))
    assert state.url(tmp_path) == front


def test_a_configuration_that_is_spoilt_is_told(tmp_path: Path) -> None:
    """With what to do about it."""
    (tmp_path / configuration.FILE).write_text('{"apps": {}}')
    with pytest.raises(ObservationError) as caught:
        state.url(tmp_path)
    assert "Remove it" in caught.value.next


def test_a_port_that_was_given_once_is_kept(router: CaddyRouter, tmp_path: Path) -> None:
    """Clients know it: it is asked for again at the next start, whatever else is free."""
    (tmp_path / "caddy").mkdir(mode=0o700)
    port = state.free_port("127.0.0.1", 0)
    (tmp_path / "caddy" / configuration.FILE).write_bytes(configuration.configuration("127.0.0.1", port))
    found = {"what it serves": ActionError("down"), "which Caddy": "caddy", "whether the front door answers": True}
    do = Replies(found, lenient=True)
    router.ensure(do, "again")
    assert do.keys == ["again/start"], "what is written already says so"


def test_the_configuration_has_no_second_door() -> None:
    """No admin API, nothing that is loaded again by itself, and one port."""
    content = configuration.configuration("127.0.0.1", 8080)
    assert b'"disabled": true' in content and b'"persist": false' in content
    assert configuration.listens(content) == ("127.0.0.1", 8080)


def test_a_forwarder_of_an_earlier_version_is_not_taken_for_nobody(router: CaddyRouter, tmp_path: Path) -> None:
    """What it serves would be ended to make room: everything is refused, with the one command that helps."""
    (tmp_path / "forwarder").mkdir()
    (tmp_path / "forwarder" / "pid.json").write_text(json.dumps(asdict(this_process(os.getpid()))))
    for ask in (router.facts, router.target):
        with pytest.raises(RefusedError) as caught:
            ask(Replies(table(None, None)))
        assert f"predecessor {tmp_path / 'caddy'}" in caught.value.next and "nothing was changed" in caught.value.state


@pytest.mark.parametrize("share", [1, 5, 25, 50, 95, 99])
def test_a_share_comes_back_as_it_was(share: int) -> None:
    """With the addresses of both."""
    wanted = Target.of(GREEN, share, BLUE)
    assert target.read(target.line(wanted).decode()) == wanted
    assert (wanted.main, wanted.shares) == (BLUE, {"green": share, "blue": 100 - share})


@pytest.mark.parametrize(("share", "stays", "alone"), [(100, None, GREEN), (100, BLUE, GREEN), (0, BLUE, BLUE)])
def test_all_and_nothing_are_one_slot_alone(share: int, stays: Upstream | None, alone: Upstream) -> None:
    """The other one may be stopped then."""
    assert Target.of(GREEN, share, stays) == Target(alone)


@pytest.mark.parametrize(("share", "stays"), [(-1, BLUE), (101, BLUE), (50, None), (50, GREEN)])
def test_a_share_that_cannot_be_is_none(share: int, stays: Upstream | None) -> None:
    """It is a mistake of whoever asks."""
    with pytest.raises(ValueError, match=r"100|rest"):
        Target.of(GREEN, share, stays)


def test_a_share_is_written_told_and_drains_nobody(router: CaddyRouter) -> None:
    """Both go on to serve, so nothing is waited for."""
    wanted = Target.of(GREEN, 25, BLUE)
    do = Replies(
        {"what it serves": wanted, "target file": [Target(BLUE), wanted], "share requests": True, "is broken": None},
        lenient=True,
    )
    assert router.switch(do, GREEN, "s", 25, BLUE) == 0
    (put,) = do.changes
    assert isinstance(put, WriteFile) and put.content == b"green 127.0.0.1:4002 4000 blue 127.0.0.1:4001\n"


def test_a_front_door_of_an_earlier_version_is_not_told_what_it_does_not_know(router: CaddyRouter) -> None:
    """It would answer 503 to everybody."""
    do = Replies(table(BLUE, BLUE) | {"share requests": False, "is broken": None}, lenient=True)
    with pytest.raises(ActionError, match="earlier Runwright"):
        router.switch(do, GREEN, "s", 25, BLUE)
    assert do.keys == []


def test_while_two_share_neither_may_be_stopped() -> None:
    """And what is written counts as well as what is served."""
    shares = {"green": 25, "blue": 75}
    facts = RouterFacts(True, BLUE, BLUE, "", shares, shares)
    assert facts.agreed and facts.named == {"blue", "green"} and (facts.share("green"), facts.share("blue")) == (25, 75)
    apart = RouterFacts(True, BLUE, BLUE, "", {}, shares)
    assert not apart.agreed and apart.named == {"blue", "green"} and "green with 25 %" in apart.problem
