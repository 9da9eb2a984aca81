"""The forwarder's driver, on tables: which changes it asks for, in which order, and what it makes of the answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runwright.actions import Process, Reply, WriteFile
from runwright.errors import ActionError, CancelledError, ObservationError, VerificationError
from runwright.performer import Performer
from runwright.planning import Planner
from runwright.routers.forwarder import ForwarderRouter
from runwright.routers.forwarder_door import Door
from runwright.routers.shape import RouterFacts
from runwright.runbook.targets import Forwarder
from runwright.testing.replies import Replies
from runwright.traffic import Upstream

BLUE, GREEN = Upstream("blue", "127.0.0.1", 4001), Upstream("green", "127.0.0.1", 4002)
DOOR = Door(Process("here", 1, 1), "http://127.0.0.1:9", "secret-token")


def reply(data: Any) -> Reply:
    return Reply(200, {}, json.dumps(data).encode(), 0.0)


def plain(upstream: Upstream | None) -> Any:
    return {"slot": upstream.slot, "host": upstream.host, "port": upstream.port} if upstream else None


def status(**in_flight: int) -> Reply:
    return reply({"slots": {slot: {"in_flight": n} for slot, n in in_flight.items()}})


def table(served: list[Any], written: list[Any], **more: Any) -> dict[str, Any]:
    return {
        "what the forwarder serves": None,
        "target file": written,
        "see whether the forwarder runs": DOOR,
        "where the forwarder listens": "http://127.0.0.1:8080",
        "GET http://127.0.0.1:9/target": [reply(plain(s)) for s in served],
        "GET http://127.0.0.1:9/status": status(),
        **more,
    }


@pytest.fixture
def router(tmp_path: Path) -> ForwarderRouter:
    return ForwarderRouter(Forwarder(kind="forwarder"), tmp_path / "router", "python")


@pytest.mark.parametrize(
    ("served", "written", "keys"),
    [
        ([BLUE, GREEN], [BLUE, GREEN], ["s/file", "s/put"]),
        ([BLUE, GREEN], [GREEN, GREEN], ["s/put"]),
        ([GREEN, GREEN], [BLUE, GREEN], ["s/file"]),
        ([GREEN, GREEN], [GREEN, GREEN], []),
        ([None, GREEN], [None, GREEN], ["s/file", "s/put"]),
    ],
    ids=["fresh", "file was written", "file was lost", "done already", "first target"],
)
def test_a_switch_does_what_is_missing_and_the_file_comes_first(
    router: ForwarderRouter, served: list[Any], written: list[Any], keys: list[str]
) -> None:
    """Wherever an earlier attempt ended, the rest is done; a restart in between comes back right."""
    do = Replies(table(served, written), lenient=True)
    assert router.switch(do, GREEN, "s") == 0
    assert do.keys == keys


def test_a_switch_that_is_not_seen_is_an_error(router: ForwarderRouter) -> None:
    """It is read afterwards, whatever the change answered."""
    do = Replies(table([BLUE, BLUE], [BLUE, GREEN]), lenient=True)
    with pytest.raises(VerificationError) as caught:
        router.switch(do, GREEN, "s")
    assert "nothing was stopped" in caught.value.state


def test_what_is_left_in_flight_is_told(router: ForwarderRouter) -> None:
    """The drain counts every slot but the new one."""
    do = Replies({**table([BLUE, GREEN], [BLUE, GREEN]), "GET http://127.0.0.1:9/status": status(blue=3, green=9)}, lenient=True)  # fmt: skip
    assert router.switch(do, GREEN, "s") == 3


def test_a_router_that_does_not_answer_is_a_fact(router: ForwarderRouter) -> None:
    """Down, it would come back with its file's target, which therefore stays protected."""
    down = {**table([], [BLUE]), "GET http://127.0.0.1:9/target": ActionError("no answer")}
    facts = router.facts(Replies(down))
    assert facts == RouterFacts(False, None, BLUE, "http://127.0.0.1:8080")
    assert facts.named == {"blue"} and "does not run" in facts.problem
    assert router.target(Replies(down)) == BLUE


def test_a_cancel_is_not_taken_for_a_router_that_is_down(router: ForwarderRouter) -> None:
    """A person who cancels has not made the router disappear."""
    with pytest.raises(CancelledError):
        router.facts(Replies({**table([], [BLUE]), "GET http://127.0.0.1:9/target": CancelledError("cancelled")}))


@pytest.mark.parametrize("answer", [[1], "blue", {"slot": "blue"}, {"slot": "x", "host": "y", "port": "z"}, 5])
def test_an_answer_that_is_no_target_is_not_guessed_at(router: ForwarderRouter, answer: Any) -> None:
    """What is not understood decides nothing."""
    with pytest.raises(ObservationError):
        router.facts(Replies({**table([], [None]), "GET http://127.0.0.1:9/target": reply(answer)}))


def test_a_target_file_that_is_not_ours_is_not_guessed_at(router: ForwarderRouter, tmp_path: Path) -> None:
    """Neither is a file that somebody wrote by hand."""
    (tmp_path / "router").mkdir()
    (tmp_path / "router" / "target.json").write_text('{"slot": "blue"}')
    with pytest.raises(ObservationError) as caught:
        router.facts(Replies({"see whether the forwarder runs": None}))
    assert caught.value.next


def test_a_stale_file_never_sends_the_token_to_a_stranger(router: ForwarderRouter, tmp_path: Path) -> None:
    """The port of a forwarder that has died may be anybody's by now: it is not asked."""
    folder = tmp_path / "router"
    folder.mkdir()
    (folder / "pid.json").write_text('{"host": "here", "pid": 999999999, "started": 1}')
    (folder / "admin.json").write_text('{"host": "127.0.0.1", "port": 9, "pid": 999999999}')
    (folder / "token").write_text("t" * 64)
    do = Replies({})
    assert not router.facts(do).running
    assert all("ask the forwarder" not in action.says for action in do.actions)


def test_the_token_is_in_no_action_that_is_shown(router: ForwarderRouter) -> None:
    """It travels in a header alone."""
    do = Replies(table([BLUE, GREEN], [BLUE, GREEN]), lenient=True)
    router.switch(do, GREEN, "s")
    assert "secret-token" not in repr(do.actions) + repr(DOOR)
    assert isinstance(do.changes[0], WriteFile)


def test_the_plan_of_a_first_switch_is_complete(router: ForwarderRouter) -> None:
    """Nothing runs yet; the plan still names each change, and asks nobody."""
    plan = Planner(Performer())
    router.ensure(plan, "front")
    router.switch(plan, BLUE, "switch")
    assert [step.key for step in plan.steps] == ["front/start", "switch/file", "switch/put"]


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
def test_the_front_is_an_address_that_can_be_asked(
    router: ForwarderRouter, tmp_path: Path, host: str, front: str
) -> None:
    """One that listens everywhere is reached on this machine."""
    (tmp_path / "router").mkdir()
    (tmp_path / "router" / "listen.json").write_text(json.dumps({"host": host, "port": 8080}))
    assert router.facts(Replies({"see whether the forwarder runs": None})).front == front
