"""The parsers of what comes from outside, each as a function of bytes that raises for what must not happen.

Errors of ours are right: whoever asks takes them for blind. Everything else that is raised is a mistake.
"""

from __future__ import annotations

import contextlib
import json
import math
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from runwright.databases.postgres_client import Client
from runwright.engine.actions import Command, Http, Output, Reply
from runwright.engine.performer import Performer
from runwright.errors import RunwrightError
from runwright.gates.ci import ci_passed
from runwright.gates.tool import tool_there
from runwright.metrics.prometheus import PrometheusSource
from runwright.metrics.scrape import ScrapeSource
from runwright.metrics.shape import Measurement, What
from runwright.platforms.compose.usage import parse_health, parse_stats
from runwright.policy.rules import assess
from runwright.probes.asking import ask
from runwright.probes.shape import Logged, Told, World
from runwright.probes.values import Values
from runwright.reports.markdown import block, code, text
from runwright.runbook.checks import Rule
from runwright.runbook.databases.postgres import PostgresDatabase
from runwright.runbook.gates import CiPassed, Tool
from runwright.runbook.metrics.prometheus import Prometheus
from runwright.runbook.metrics.scrape import Scrape
from runwright.runbook.probes import Probe
from runwright.testing.replies import Replies
from runwright.variables import secrets_in, variables_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MEASURED: tuple[What, ...] = ("error_ratio", "latency_p50", "latency_p95", "request_rate")
PROMETHEUS = Prometheus(kind="prometheus", url="http://p")
SCRAPE = Scrape(kind="scrape", url="http://p/metrics")
PROBES = [
    Probe.model_validate({"id": "a", "get": "http://x/", **expected})
    for expected in (
        {"json": {"a.b": 1, "[*].x": {"all": True}, "status": {"in": ["ok"]}}},
        {"json": {"value": {"lt": 3}, "name": {"matches": "^(a+)+$"}, "data": {"age_lt": "3m"}, "$": {"exists": True}}},
        {"json": {"result[0]": {"lt": 3, "gt": -1}, "services[name=db].x": True}, "save": {"t": "value"}},
        {
            "numbers": {
                "part": {"json": ["a.b", "value"], "of": ["result[*]", "x", 1], "at_most": "80 %"},
                "text": {"text": "(.*)[0-9]", "at_least": 0},
            },
            "headers": {"content-type": {"not": "text/plain"}, "server": {"exists": False}},
        },
        {"contains": "ok", "headers": {"X-A": "1"}, "expect_any": [{"json": {"x": 1}}, {"status": 204}]},
    )
]


class Answering:
    """Answers everything with the same bytes, and reads them as the performer does."""

    def __init__(self, data: bytes, *, status: int = 200, code: int = 0) -> None:
        self._reply = Reply(status, {"content-type": "text/html; charset=utf-16", "location": "\x1b[2J//["}, data, 0.1)
        self._output = Output(code, data, data)

    def __call__(self, action: Any) -> Any:
        if not isinstance(action, Http | Command):
            return Replies({})(action)
        given = self._reply if isinstance(action, Http) else self._output
        return Performer()._understood(action, lambda: action.parse(given))


def prometheus(data: bytes) -> None:
    """Measure and query with what a Prometheus answered."""
    source = PrometheusSource(PROMETHEUS, str, lambda: NOW)
    for status in (200, 302, 400):
        do = Answering(data, status=status)
        for what in MEASURED:
            with contextlib.suppress(RunwrightError):  # several values where one is meant
                _check(source.measure(do, what), what)
        with contextlib.suppress(RunwrightError):
            _check(source.fresh(do))
            _check(source.query(do, "up"))


def scrape(data: bytes) -> None:
    """Measure with pages, one after the other, as they are between NUL characters."""
    at = [NOW]
    source = ScrapeSource(SCRAPE, str, lambda: at[0])
    for page in data.split(b"\0")[:6]:
        do = Answering(page)
        for what in MEASURED:
            _check(source.measure(do, what), what)
        _check(source.fresh(do))
        at[0] += timedelta(seconds=15)
        source = ScrapeSource(SCRAPE, str, lambda: at[0], source.as_json())


def probe(data: bytes) -> None:
    """Ask probes of all kinds; a terminal can show the reason."""
    for status in (200, 204, 301, 500):
        for one in PROBES:
            found = ask(Answering(data, status=status), one, Values(), lambda: NOW)
            assert found.state in ("pass", "warn", "fail", "blind")
            assert all(math.isfinite(number) for number in found.numbers.values())
            assert all(_plain(why) for why in found.missing.values())
            assert _plain(found.reason) and len(found.reason) < 2000


def inside(data: bytes) -> None:
    """Read what a client inside of a service has printed, whole or cut, and whatever it exits with."""
    one = Probe.model_validate(
        {"id": "a", "get": "http://x/", "inside": "api", "json": {"value": 1}, "phases": {"dns": "1s"}}
    )
    world = World(lambda _: ("docker", "exec"))
    whole = b"HTTP/1.1 200 OK\r\nx: " + data[:9] + b"\r\n\r\n" + data + b"\nrunwright-curl 0 0 0 0 0 0 0"
    told = json.dumps(
        {"status": len(data), "headers": {"x": data[:5].decode("latin-1")}, "body": data.decode("latin-1")}
    ).encode()
    for printed in (
        data,
        b"python\n" + data,
        b"node\n" + told,
        b"curl\n" + data,
        b"curl\n" + whole,
        b"curl\n" + whole[: len(data)],
    ):
        for exited in (0, 1):
            found = ask(Answering(printed, code=exited), one, Values(), lambda: NOW, world=world)
            assert found.state in ("pass", "fail", "blind") and _plain(found.reason)
            assert all(math.isfinite(seconds) and seconds >= 0 for seconds in found.phases.values())


def questions(data: bytes) -> None:
    """Ask a database, a cache, a log and a program that print whatever they like, and exit with whatever they like."""
    lines = tuple(data.decode("utf-8", "replace").split("\n"))
    client = Client(PostgresDatabase(kind="postgres", name="a", user="a", service="db"), ("docker", "exec", "db"), None)

    def query(text: str, seconds: float, says: str, parse: Any) -> Any:
        return client.question(text, "a", seconds, says=says, parse=lambda *told: parse(Told(*told)), assume=None)

    def log(_: Any, says: str, parse: Any) -> Any:
        return Command(says=says, argv=("docker",), parse=lambda _: parse(Logged(lines, 60.0)))

    world = World(lambda _: ("docker", "exec"), query, log, {"a": 0.5})
    for asks in (
        {"sql": "select 1", "json": {"[0].a": 1}},
        {"redis": {"service": "redis"}},
        {"redis": {"service": "redis", "command": ["INFO"]}, "numbers": {"n": {"text": "a:(.*)", "at_most": 3}}},
        {"logs": {"match": ["(a+)+$", "error"], "ignore": ["^x"], "over_before": 2.0}},
        {"command": {"argv": ["x"]}, "json": {"a": True}},
    ):
        one = Probe.model_validate({"id": "a", **asks})
        for printed in (data, b"runwright\n" + data):
            for exited in (0, 1, 75, 124, 127, -9):
                found = ask(Answering(printed, code=exited), one, Values(), lambda: NOW, world=world)
                assert found.state in ("pass", "fail", "blind") and _plain(found.reason) and len(found.reason) < 2000
                assert all(math.isfinite(number) for number in found.numbers.values())


def gates(data: bytes) -> None:
    """Ask GitHub and programs."""
    for status in (200, 301, 403, 404):
        do = Answering(data, status=status, code=int(status != 200))
        ci_passed(do, "ci", CiPassed(), source="github:a/b", commit="a" * 40, token=None, now=NOW)
        for name in ("docker", "compose", "git"):
            tool_there(do, "tool", Tool(name=name, at_least="1.0"), now=NOW)


def stats(data: bytes) -> None:
    """Read what `docker stats` printed."""
    with contextlib.suppress(RunwrightError):
        used = Answering(data)(Command(says="measure", argv=("docker",), parse=parse_stats))
        assert all(math.isfinite(value) and value >= 0 for pair in used.values() for value in pair)

    with contextlib.suppress(RunwrightError):
        told = Answering(data)(Command(says="look", argv=("docker",), parse=parse_health))
        assert all(isinstance(one.code, int) for runs in told.values() for one in runs)


def env_file(data: bytes) -> None:
    """Read the secrets of an env file."""
    for _, secret in secrets_in(variables_of(data.decode("utf-8", "replace"))):
        assert secret


def shown(data: bytes) -> None:
    """Show text from outside on a page: no control characters, and one line where one is meant."""
    given = data.decode("utf-8", "replace")
    assert _plain(text(given)) and _plain(code(given))
    assert all(_plain(line) for line in block(given).split("\n"))


TARGETS: dict[str, Callable[[bytes], None]] = {
    f.__name__: f for f in (prometheus, scrape, probe, inside, questions, gates, stats, env_file, shown)
}


def _plain(line: str) -> bool:
    """Return whether nothing in ``line`` moves a cursor or turns a line around."""
    return not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in line)


def _check(found: Measurement, what: What | None = None) -> None:
    """Raise AssertionError if a measurement cannot be one, or makes a breach of what is none."""
    assert found.state in ("ok", "no_data", "blind") and (found.state == "ok") == (found.value is not None)
    assert found.requests is None or 0 <= found.requests < math.inf
    if found.value is not None:
        assert math.isfinite(found.value) and (what is None or found.value >= 0)
        assert what != "error_ratio" or found.value <= 1
    rule = Rule.model_validate({"id": "r", "promql": "up", "above": 0.5})
    verdict = assess(rule, [found], NOW + timedelta(minutes=5), NOW - timedelta(minutes=5), 300.0)
    assert verdict.state != "breach" or (found.value or 0) > 0.5
