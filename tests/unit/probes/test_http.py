"""What is sent, how an answer is judged, and what is said of it."""

from __future__ import annotations

import errno
import json
import socket
import ssl
from datetime import UTC, datetime
from typing import Any

import pytest

from runwright.engine.actions import Http, Reply
from runwright.engine.performer import Performer
from runwright.engine.planning import Planner
from runwright.errors import ActionError, CancelledError, DeadlineError, InDoubtError, InputError, UnreachableError
from runwright.probes.asking import ask, ask_until, cleanup
from runwright.probes.http import headers_of
from runwright.probes.shape import PLANNED
from runwright.probes.values import Values
from runwright.runbook.probes import Probe
from runwright.testing.replies import Replies

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
VALUES = Values(
    urls={"api": "http://shop.test:8000/", "front": "http://shop.test:8000"},
    secrets={"password": "hunter2-hunter2", "token": "t0p-s3cr3t"},
    release={"id": "r1", "version": "v1.2.3", "commit": "ab" * 20},
)


def clock() -> datetime:
    return NOW


def probe(**given: Any) -> Probe:
    urls = {"get", "head", "post", "delete"}
    return Probe.model_validate({"id": "ready", **({} if urls & set(given) else {"get": "${url.api}/readyz"}), **given})


def reply(status: int = 200, body: Any = None, **headers: str) -> Reply:
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, content, 0.0123)


def failing(cause: BaseException, kind: type[ActionError] = ActionError) -> ActionError:
    error = kind("No answer (something): ask ready.")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("given", "answer", "state", "reason"),
    [
        ({}, reply(), "pass", "answered 200"),
        ({}, reply(503), "fail", "answered 503, expected 200"),
        ({"status": [401, 403]}, reply(403), "pass", "answered 403"),
        ({"status": [401, 403]}, reply(200), "fail", "answered 200, expected 401 or 403"),
        (
            {"json": {"ok": True, "checks[*].ok": {"all": True}}},
            reply(503, {"ok": False, "checks": [{"ok": True}, {"ok": False}]}),
            "fail",
            "answered 503, expected 200; body: ok is false, expected true; body: checks[1].ok is false, expected true",
        ),
        ({"json": {"status": "healthy"}}, reply(200, {"status": "unhealthy"}), "fail",
         'answered 200; body: status is "unhealthy", expected "healthy"'),
        ({"json": {"ok": True}}, reply(200, b"<html>", content_type="text/html; charset=utf-8"), "fail",
         "answered 200; body: not JSON (text/html, 6 bytes)"),
        ({"json": {"ok": True}}, reply(200, b"["*200_000), "fail",
         "answered 200; body: not JSON (no content-type, 200,000 bytes)"),
        ({"json": {"ok": True}}, reply(200, b" "*(2**20+1)), "fail",
         "answered 200; body: longer than 1 MiB, not read as JSON"),
        ({"contains": "Welcome"}, reply(200, b"Welcome to the shop"), "pass", "answered 200"),
        ({"contains": "Welcome"}, reply(200, b"Fatal error"), "fail", 'answered 200; body: does not contain "Welcome"'),
        ({"headers": {"X-Frame-Options": "DENY"}}, reply(200, x_frame_options="DENY"), "pass", "answered 200"),
        ({"headers": {"X-Frame-Options": "DENY"}}, reply(200), "fail",
         'answered 200; header X-Frame-Options is missing, expected "DENY"'),
        ({}, reply(302, location="https://login.test/sign-in?ticket=abc"), "fail",
         "answered 302, expected 200 (it redirects to https://login.test/sign-in)"),
        ({"status": 302}, reply(302, location="/login"), "pass", "answered 302"),
        ({"warn": [503]}, reply(503), "warn", "answered 503, expected 200"),
        ({"warn": [503]}, reply(500), "fail", "answered 500, expected 200"),
        (
            {"expect_any": [{"json": {"status": "ok"}}, {"json": {"database.status": "connected"}}]},
            reply(200, {"database": {"status": "connected"}}), "pass", "answered 200",
        ),
        (
            {"expect_any": [{"json": {"status": "ok"}}, {"json": {"state": "up"}}]},
            reply(200, {"state": "down"}), "fail",
            'answered 200; none of 2 right answers: body: status is missing, expected "ok"; '
            'or body: state is "down", expected "up"',
        ),
        ({"expect_any": [{"status": 401}, {"status": 403}]}, reply(401), "pass", "answered 401"),
        ({"expect_any": [{"status": 401}, {"status": 403}]}, reply(200), "fail",
         "none of 2 right answers: answered 200, expected 401; or answered 200, expected 403"),
        ({"status": 503, "expect_any": [{"json": {"a": 1}}]}, reply(503, {"a": 1}), "pass", "answered 503"),
        ({"json": {"b": 2}, "expect_any": [{"json": {"a": 1}}]}, reply(200, {"a": 1}), "fail",
         "answered 200; body: b is missing, expected 2"),
        ({"json": dict.fromkeys("abcde", 1)}, reply(200, {}), "fail",
         "answered 200; body: a is missing, expected 1; body: b is missing, expected 1; "
         "body: c is missing, expected 1; and 2 more"),
    ],
)  # fmt: skip
def test_an_answer_is_judged_as_the_probe_says(given: dict[str, Any], answer: Reply, state: str, reason: str) -> None:
    """Every expectation counts, and the reason is short, with what was answered and what was expected."""
    result = ask(Replies({"readyz": answer}), probe(**given), VALUES, clock)
    assert (result.state, result.reason) == (state, reason)
    assert (result.status, result.seconds) == (answer.status, 0.0123)


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (failing(ConnectionRefusedError(111, "refused")), "fail", "it refused the connection"),
        (failing(ConnectionResetError(104, "reset")), "fail", "it broke the connection"),
        (failing(TimeoutError(), DeadlineError), "fail", "no answer within 5s"),
        (failing(socket.gaierror(-2, "Name or service not known")), "blind", "its name could not be resolved"),
        (failing(OSError(errno.ENETUNREACH, "no")), "blind", "this machine could not reach its network: ENETUNREACH"),
        (failing(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")), "fail",
         "no TLS connection: the handshake failed"),
        (ActionError("Odd."), "fail", "no answer: Odd."),
        (UnreachableError("ssh://shop cannot be reached."), "blind", "ssh://shop cannot be reached."),
        (InDoubtError("It was begun before."), "blind", "it was sent before an interruption, and is not sent again"),
    ],
)  # fmt: skip
def test_no_answer_is_a_failure_unless_the_reason_lies_on_our_side(error: ActionError, state: str, reason: str) -> None:
    """A target that refuses or is silent fails; a name that nobody resolves or a network that is down proves nothing."""
    result = ask(Replies({"readyz": error}), probe(), VALUES, clock)
    assert (result.state, result.reason, result.status) == (state, reason, None)


def test_a_cancel_is_no_result() -> None:
    """A run that is cancelled while it asks ends; it does not count that as a failure of the target."""
    with pytest.raises(CancelledError):
        ask(Replies({"readyz": CancelledError("cancelled")}), probe(), VALUES, clock)


@pytest.mark.parametrize("reference", ["${secret.nobody}", "${saved.nothing}", "${url.unknown}"])
def test_a_missing_value_makes_it_blind_and_nothing_is_sent(reference: str) -> None:
    """What cannot be filled in is named; the target is not asked with half of a request."""
    do = Replies({})
    result = ask(do, probe(get="${url.api}/x/" + reference), VALUES, clock)
    assert result.state == "blind"
    assert reference in result.reason
    assert do.actions == []


def test_what_is_sent_holds_what_the_probe_says() -> None:
    """References are filled in, in the address, the headers, the body and the credentials; the sentence has no secret."""
    do = Replies({"smoke/login": reply(200, {"access_token": "abc.def.ghi"})})
    given = probe(
        id="login",
        post="${url.api}/auth/login",
        body={"user": "u", "password": "${secret.password}", "deep": [{"v": "${release.version}", "n": 1}]},
        send_headers={"X-Run": "${release.id}"},
        basic=("admin", "${secret.password}"),
        save={"token": "access_token"},
    )
    result = ask(do, given, VALUES, clock, key="smoke")
    (sent,) = do.actions
    assert isinstance(sent, Http)
    assert (sent.method, sent.url, sent.key, sent.repeatable) == (
        "POST",
        "http://shop.test:8000/auth/login",
        "smoke/login",
        False,
    )
    assert json.loads(sent.body or b"") == {
        "user": "u",
        "password": "hunter2-hunter2",
        "deep": [{"v": "v1.2.3", "n": 1}],
    }
    assert sent.headers["x-run"] == "r1"
    assert sent.headers["content-type"] == "application/json"
    assert sent.auth == ("admin", "hunter2-hunter2")
    assert dict(result.saved) == {"token": "abc.def.ghi"}
    assert "hunter2" not in sent.says + repr(sent) and "abc.def" not in repr(result)


def test_a_saved_token_is_used_by_the_next_probe_and_never_told() -> None:
    """What one probe saves the next one uses; a server that repeats it in its answer does not get it into a reason."""
    values = VALUES.with_saved({"token": "abc.def.ghi"})
    do = Replies({"customers": reply(403, {"error": "abc.def.ghi is not valid"})})
    result = ask(do, probe(get="${url.api}/customers", bearer="${saved.token}", json={"error": None}), values, clock)
    (sent,) = do.actions
    assert isinstance(sent, Http) and sent.headers["authorization"] == "Bearer abc.def.ghi"
    assert "abc.def.ghi" not in result.reason
    assert "[secret saved.token] is not valid" in result.reason


@pytest.mark.parametrize("body", [{}, {"id": None}, {"id": {"x": 1}}])
def test_a_right_answer_without_what_is_to_be_saved_fails(body: Any) -> None:
    """A login that answers 200 and gives no token has not worked."""
    do = Replies({"login": reply(200, body)})
    result = ask(do, probe(id="login", post="${url.api}/login", save={"token": "id"}), VALUES, clock, key="smoke/1")
    assert result.state == "fail"
    assert "which is to be saved as token" in result.reason


def test_a_change_without_a_key_is_refused() -> None:
    """A POST is a change, so somebody must have given it a key."""
    with pytest.raises(InputError, match="no key"):
        ask(Replies({}), probe(post="${url.api}/x"), VALUES, clock)


def test_what_the_journal_skips_has_nothing_saved_and_says_so() -> None:
    """A login that was settled before a crash is not sent again; its token is not in the journal, so nobody has it."""
    fact = {"state": "pass", "reason": "answered 200", "status": 200, "seconds": 0.1}
    result = ask(
        Replies({"login": fact}), probe(id="login", post="${url.api}/login", save={"t": "t"}), VALUES, clock, key="k"
    )
    assert result.state == "blind"
    assert "smoke tests must begin again" in result.reason


def test_the_result_of_a_change_can_be_journaled_and_holds_no_secret() -> None:
    """The fact that a POST leaves is JSON, and what was saved is not in it."""
    do = Replies({"login": reply(200, {"t": "abc.def.ghi"})})
    kept: list[Any] = []

    def recording(action: Any) -> Any:
        kept.append(do(action))
        return kept[-1]

    ask(recording, probe(id="login", post="${url.api}/login", save={"t": "t"}), VALUES, clock, key="k")
    assert "abc.def" not in json.dumps(kept)


def test_what_the_target_chose_stays_one_part_of_the_path() -> None:
    """A saved value cannot lead a DELETE somewhere else."""
    do = Replies({"DELETE": reply(204)})
    given = probe(post="${url.api}/customers", cleanup="${url.api}/customers/${saved.id}")
    cleanup(do, given, VALUES.with_saved({"id": "../admin?x=1"}), key="smoke")
    assert do.actions[0].url == "http://shop.test:8000/customers/..%2Fadmin%3Fx%3D1"  # type: ignore[attr-defined]
    assert do.keys == ["smoke/ready-cleanup"]


@pytest.mark.parametrize(
    ("answer", "state"),
    [(reply(204), "pass"), (reply(404), "pass"), (reply(500), "warn"), (failing(ConnectionRefusedError()), "warn")],
)
def test_what_is_gone_already_is_cleaned_up_and_a_failure_is_a_remark(answer: Any, state: str) -> None:
    """Cleaning up never fails a release, and says if something was left behind."""
    given = probe(post="${url.api}/customers", cleanup="${url.api}/customers/7")
    result = cleanup(Replies({"DELETE": answer}), given, VALUES, key="smoke")
    assert result is not None and result.state == state


def test_without_what_names_it_nothing_is_removed() -> None:
    """Where the probe never saved an id nothing is deleted, and that is a remark."""
    given = probe(post="${url.api}/customers", cleanup="${url.api}/customers/${saved.id}")
    result = cleanup(Replies({}), given, VALUES, key="smoke")
    assert result is not None and (result.state, "${saved.id}" in result.reason) == ("warn", True)
    assert cleanup(Replies({}), probe(), VALUES, key="smoke") is None


def test_a_health_probe_is_asked_until_it_is_right() -> None:
    """Wrong answers and refused connections are "not yet"; the right one ends it."""
    do = Replies({"readyz": [failing(ConnectionRefusedError()), reply(503), reply(200)]})
    result = ask_until(do, probe(), VALUES, clock, within_seconds=60)
    assert (result.state, len(do.actions)) == ("pass", 3)


def test_a_health_probe_that_never_gets_right_says_what_it_answered_last() -> None:
    """On the deadline the reason is that of a last look."""
    result = ask_until(Replies({"readyz": reply(503)}), probe(within="90s"), VALUES, clock, within_seconds=300)
    assert (result.state, result.reason) == ("fail", "not right within 90s: answered 503, expected 200")


def test_a_post_is_never_repeated_by_waiting() -> None:
    """A POST that answers wrongly is not sent a second time."""
    do = Replies({"POST": [reply(500), reply(200)]})
    result = ask_until(do, probe(post="${url.api}/x"), VALUES, clock, within_seconds=60, key="smoke")
    assert (result.state, len(do.actions)) == ("fail", 1)


def test_a_plan_lists_the_posts_and_asks_nothing() -> None:
    """In plan mode probes after a change are assumed to pass, and what they would save has a placeholder."""
    planner = Planner(Performer())
    values = VALUES
    for one in (
        probe(id="login", post="${url.api}/login", save={"token": "t"}),
        probe(id="list", get="${url.api}/list", bearer="${saved.token}"),
        probe(id="make", post="${url.api}/customers", bearer="${saved.token}", save={"id": "id"}),
    ):
        result = ask(planner, one, values, clock, key="smoke/1")
        assert result.reason == PLANNED
        values = values.with_saved(result.saved)
    assert [step.key for step in planner.steps] == ["smoke/1/login", "smoke/1/make"]


def test_the_test_route_moves_everything_behind_the_front_door() -> None:
    """Rebasing moves every address of the same server and keeps paths; other servers stay."""
    values = Values(urls={"front": "http://shop.test", "api": "http://shop.test/api", "sso": "https://sso.test"})
    moved = values.rebased("front", "http://127.0.0.1:9001")
    assert moved.urls == {
        "front": "http://127.0.0.1:9001",
        "api": "http://127.0.0.1:9001/api",
        "sso": "https://sso.test",
    }


def test_at_a_door_of_its_own_a_candidate_is_asked_for_the_host_that_clients_know() -> None:
    """Django and Flask refuse any other, and a version that is well would be put back; what was not moved is asked as it is."""
    urls = {"front": "https://shop.test", "api": "https://shop.test/api", "sso": "https://sso.test"}
    values = Values(urls=urls).rebased("front", "http://127.0.0.1:9001").rebased("front", "http://127.0.0.1:9001")
    clients = {"host": "shop.test", "x-forwarded-proto": "https"}
    assert values.as_clients("${url.front}/") == values.as_clients("${url.api}/healthz") == clients
    assert values.as_clients("${url.sso}/") == values.as_clients("http://127.0.0.1:9001/") == {}
    said = probe(get="${url.api}/ready", send_headers={"Host": "other.test"})
    assert headers_of(said, values, "${url.api}/ready")["host"] == "other.test"


def test_a_missing_secret_names_itself_and_where_to_set_it() -> None:
    """The error names the reference and the command, and no value of any other secret."""
    with pytest.raises(InputError) as caught:
        VALUES.fill("${secret.password} ${secret.smoke_user}")
    assert "${secret.smoke_user}" in caught.value.what
    assert "runwright secrets set" in caught.value.next and "smoke_user" in caught.value.next
    assert "hunter2" not in str(caught.value)
