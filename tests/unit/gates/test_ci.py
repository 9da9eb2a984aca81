"""The CI gate: asked of a small HTTP server that answers like the API of GitHub."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from runwright.gates.ci import ci_passed, github_name
from runwright.policy.gates import GateResult, GateState
from runwright.runbook.gates import CiPassed
from runwright.testing.direct import Direct

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
COMMIT = "1a2b3c4d" * 5
TOKEN = "ghp_correcthorsebatterystaple"


def run(name: str, conclusion: str | None = "success", **more: Any) -> dict[str, Any]:
    status = "in_progress" if conclusion is None else "completed"
    return {"id": 1, "name": name, "status": status, "conclusion": conclusion, "started_at": None, **more}


def status(context: str, state: str = "success") -> dict[str, Any]:
    return {"context": context, "state": state}


class LikeGitHub:
    """Answers the two addresses that the gate asks, page by page; ``refuse`` answers everything with one status."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []
        self.statuses: list[dict[str, Any]] = []
        self.refuse: tuple[int, dict[str, str]] | None = None
        self.asked: list[tuple[str, str | None]] = []
        self.url = ""

    def answer(self, path: str) -> tuple[int, dict[str, str], Any]:
        parts = urlsplit(path)
        query = parse_qs(parts.query)
        size, page = int(query["per_page"][0]), int(query["page"][0])
        key, items = ("check_runs", self.runs) if parts.path.endswith("/check-runs") else ("statuses", self.statuses)
        expected = f"/repos/acme/shop/commits/{COMMIT}/{'check-runs' if key == 'check_runs' else 'status'}"
        if self.refuse or parts.path != expected:
            return (*(self.refuse or (404, {})), {"message": "no"})
        return 200, {}, {"total_count": len(items), key: items[(page - 1) * size : page * size]}


@pytest.fixture
def github() -> Iterator[LikeGitHub]:
    fake = LikeGitHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fake.asked.append((self.path, self.headers.get("Authorization")))
            code, headers, data = fake.answer(self.path)
            body = json.dumps(data).encode()
            self.send_response(code)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()


def asked(
    github: LikeGitHub, *names: str, token: str | None = TOKEN, source: str = "github:acme/shop", **spec: Any
) -> GateResult:
    gate = CiPassed.model_validate({"checks": list(names), "api": github.url, **spec})
    return ci_passed(Direct(), "ci", gate, source=source, commit=COMMIT, token=token, now=NOW)


CASES: list[tuple[str, list[dict[str, Any]], list[dict[str, Any]], list[str], str, str]] = [
    ("all passed", [run("tests"), run("lint", "neutral")], [status("cov")], [], "pass", "3 checks passed: "),
    ("one failed", [run("tests"), run("lint", "failure")], [], [], "fail", "1 of 2 checks passed; not passed: lint"),
    ("a status failed", [run("tests")], [status("cov", "error")], [], "fail", "cov (error)"),
    ("cancelled is not passed", [run("tests", "cancelled")], [], [], "fail", "tests (cancelled)"),
    ("timed out is not passed", [run("tests", "timed_out")], [], [], "fail", "tests (timed out)"),
    ("one still runs", [run("tests"), run("e2e", None)], [], [], "fail", "not finished yet: e2e (in progress)"),
    ("a status is pending", [], [status("deploy", "pending")], [], "fail", "not finished yet: deploy"),
    ("none at all", [], [], [], "fail", "no checks at all"),
    ("only skipped ones", [run("tests", "skipped")], [], [], "fail", "all 1 were skipped"),
    ("a skipped one beside a passed one", [run("tests"), run("docs", "skipped")], [], [], "pass", "1 check passed"),
    ("the named passed, another failed", [run("tests"), run("x", "failure")], [], ["tests"], "pass", "tests"),
    ("a named one failed", [run("tests", "failure"), run("x")], [], ["tests"], "fail", "tests (failure)"),
    ("a named one was skipped", [run("tests", "skipped"), run("x")], [], ["tests"], "fail", "tests (skipped)"),
    ("a named one never ran", [run("x")], [], ["tests", "x"], "fail", "never ran: tests (the commit has x)"),
    ("a named one is a status", [], [status("ci/circle")], ["ci/circle"], "pass", "ci/circle"),
    ("a name of both kinds", [run("tests")], [status("tests", "failure")], ["tests"], "fail", "tests (failure)"),
    ("a name of both kinds, other way", [run("tests", "failure")], [status("tests")], ["tests"], "fail", "tests"),
]


@pytest.mark.parametrize(("case", "runs", "statuses", "names", "state", "reason"), CASES, ids=[c[0] for c in CASES])
def test_checks_decide(
    github: LikeGitHub, case: str, runs: Any, statuses: Any, names: list[str], state: str, reason: str
) -> None:
    """Passed, failed, still running, skipped and missing checks, by name and without names."""
    github.runs, github.statuses = runs, statuses
    result = asked(github, *names)
    assert (result.id, result.state, result.at) == ("ci", GateState(state), NOW)
    assert reason in result.reason


@pytest.mark.parametrize("turned", [False, True])
def test_a_check_that_was_run_again_is_judged_by_its_last_run(github: LikeGitHub, turned: bool) -> None:
    """In whatever order they are listed; a failure that was repaired is no failure, nor the other way round."""
    old = run("tests", "failure", id=1, started_at="2026-11-21T10:00:00Z")
    new = run("tests", "success", id=2, started_at="2026-11-21T11:00:00Z")
    github.runs = [new, old] if turned else [old, new]
    assert asked(github, "tests").state is GateState.PASS
    old["conclusion"], new["conclusion"] = "success", "failure"
    assert asked(github, "tests").state is GateState.FAIL


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("names", [[], ["tests"]])
@pytest.mark.parametrize(
    ("first", "second", "state", "reason"),
    [
        ("failure", "success", "fail", "not passed: tests (failure)"),
        (None, "success", "fail", "not finished yet: tests"),
        ("failure", None, "fail", "not passed: tests (failure)"),
        ("skipped", "success", "pass", "1 check passed: tests"),
        ("success", "success", "pass", "1 check passed: tests"),
    ],
)
def test_of_two_workflows_with_a_job_of_one_name_the_worse_counts(
    github: LikeGitHub, first: str | None, second: str | None, state: str, reason: str, names: list[str], turned: bool
) -> None:
    """Whichever of them began later; one that was skipped says nothing against the other."""
    begun = ["2026-11-21T10:00:00Z", "2026-11-21T10:00:05Z"]
    one = run("tests", first, id=1, started_at=begun[turned], check_suite={"id": 11})
    other = run("tests", second, id=2, started_at=begun[not turned], check_suite={"id": 12})
    github.runs = [one, other]
    result = asked(github, *names)
    assert result.state is GateState(state)
    assert reason in result.reason


def test_a_workflow_that_was_repaired_is_no_failure_beside_another(github: LikeGitHub) -> None:
    """Run again it stays in its suite, and there its last run counts."""
    github.runs = [
        run("tests", "failure", id=1, started_at="2026-11-21T10:00:00Z", check_suite={"id": 11}),
        run("tests", "success", id=2, started_at="2026-11-21T10:00:05Z", check_suite={"id": 12}),
        run("tests", "success", id=3, started_at="2026-11-21T11:00:00Z", check_suite={"id": 11}),
    ]
    assert asked(github, "tests").state is GateState.PASS


def test_all_pages_are_read(github: LikeGitHub) -> None:
    """A failure on the third page counts like one on the first."""
    github.runs = [run(f"job-{n}") for n in range(250)]
    assert asked(github).reason.startswith("250 checks passed: ")
    github.runs[240] = run("job-240", "failure")
    assert "249 of 250 checks passed; not passed: job-240" in asked(github).reason


REFUSALS = [
    (401, {}, "does not accept the token"),
    (403, {}, "refuses"),
    (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1795262400"}, "until 12:00 UTC"),
    (429, {}, "rate limit"),
    (404, {}, "no such repository or commit"),
    (422, {}, "does not know the commit"),
    (301, {"Location": "https://api.github.com/repositories/1"}, "renamed or moved"),
    (502, {}, "status 502"),
]


@pytest.mark.parametrize(("code", "headers", "reason"), REFUSALS)
@pytest.mark.parametrize("token", [TOKEN, None])
def test_a_refusal_is_blind_and_says_what_to_do(
    github: LikeGitHub, code: int, headers: dict[str, str], reason: str, token: str | None
) -> None:
    """No answer is neither a pass nor a failure of the commit. The token is in no message."""
    github.refuse = (code, headers)
    result = asked(github, token=token)
    assert result.state is GateState.BLIND
    assert reason in result.reason
    assert TOKEN not in result.reason


def test_an_unknown_conclusion_is_blind(github: LikeGitHub) -> None:
    """What we do not understand we do not judge."""
    github.runs = [run("tests", "sort_of_fine")]
    result = asked(github)
    assert result.state is GateState.BLIND
    assert "sort_of_fine" in result.reason


def test_nobody_answering_is_blind() -> None:
    """The network may be down."""
    spec = CiPassed(api="http://127.0.0.1:1")
    result = ci_passed(Direct(), "ci", spec, source="github:acme/shop", commit=COMMIT, token=None, now=NOW)
    assert result.state is GateState.BLIND


def test_the_token_travels_in_a_header_only(github: LikeGitHub) -> None:
    """It is in no address, which servers and proxies write down."""
    github.runs = [run("tests")]
    asked(github)
    assert {header for _, header in github.asked} == {f"Bearer {TOKEN}"}
    assert not any(TOKEN in path for path, _ in github.asked)
    github.asked.clear()
    asked(github, token=None)
    assert {header for _, header in github.asked} == {None}


@pytest.mark.parametrize(
    ("spec", "source", "commit", "reason"),
    [
        ({}, "https://gitlab.com/acme/shop", COMMIT, "not on GitHub"),
        ({"github": "../.."}, "", COMMIT, "no repository"),
        ({"github": "acme/.."}, "", COMMIT, "no repository"),
        ({}, "github:acme/shop", "v1.4.0", "no full commit id"),
        ({}, "github:acme/shop", COMMIT[:8], "no full commit id"),
        ({"api": "http://github.example.com/api/v3"}, "github:acme/shop", COMMIT, "with a token"),
    ],
)
def test_nothing_is_sent_to_an_address_that_is_not_safe(
    spec: dict[str, Any], source: str, commit: str, reason: str
) -> None:
    """The address is built from checked parts, and a token travels encrypted or stays on this machine."""

    def nothing_is_asked(action: Any) -> Any:
        raise AssertionError(action)

    gate = CiPassed.model_validate(spec)
    result = ci_passed(nothing_is_asked, "ci", gate, source=source, commit=commit, token=TOKEN, now=NOW)
    assert result.state is GateState.BLIND
    assert reason in result.reason


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("github:acme/shop", "acme/shop"),
        ("https://github.com/acme/shop", "acme/shop"),
        ("https://github.com/acme/shop.js.git", "acme/shop.js"),
        ("https://x:y@github.com/acme/shop", "acme/shop"),
        ("git@github.com:acme/shop.git", "acme/shop"),
        ("ssh://git@github.com/acme/shop.git", "acme/shop"),
        ("https://github.com.evil.example/acme/shop", None),
        ("https://gitlab.com/acme/shop", None),
        ("/srv/shop", None),
    ],
)
def test_the_repository_is_found_in_its_address(source: str, name: str | None) -> None:
    """All usual ways to write a repository on GitHub, and nothing else."""
    assert github_name(source) == name
