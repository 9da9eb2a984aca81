"""The PromQL behind the measurements, and what a Prometheus server's answers become."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from runwright.engine.actions import Reply
from runwright.errors import ActionError, CancelledError, InputError, ObservationError
from runwright.metrics import prometheus
from runwright.metrics.prometheus import PrometheusSource
from runwright.metrics.promql import age_query, requests_query, value_query
from runwright.metrics.shape import Measurement, What
from runwright.registry import METRICS
from runwright.runbook.metrics.prometheus import Prometheus
from runwright.runbook.metrics.shape import Series
from runwright.testing.direct import Direct
from runwright.testing.replies import Replies
from tests.fixtures.dripping import cut_after

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SHOP = Series(labels={"job": 'a"b\\'}, status_label="code", window=90.0)


@pytest.mark.parametrize(
    ("series", "what", "query"),
    [
        (Series(), "error_ratio",
         '(sum(rate(http_requests_total{status=~"5..|5xx"}[1m])) or vector(0)) / sum(rate(http_requests_total{status!=""}[1m]))'),
        (Series(), "request_rate", "sum(rate(http_requests_total[1m]))"),
        (Series(), "latency_p95",
         "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[1m])))"),
        (Series(window=1.5), "request_rate", "sum(rate(http_requests_total[1500ms]))"),
        (SHOP, "latency_p50",
         'histogram_quantile(0.5, sum by (le) (rate(http_request_duration_seconds_bucket{job="a\\"b\\\\"}[90s])))'),
        (SHOP, "error_ratio",
         '(sum(rate(http_requests_total{job="a\\"b\\\\",code=~"5..|5xx"}[90s])) or vector(0))'
         ' / sum(rate(http_requests_total{job="a\\"b\\\\",code!=""}[90s]))'),
    ],
)  # fmt: skip
def test_rates_are_summed_before_anything_else(series: Series, what: What, query: str) -> None:
    """Ratios and percentiles are of sums; durations and label values are written as PromQL reads them."""
    assert value_query(series, what) == query


def test_how_many_requests_it_rests_on_is_asked_too() -> None:
    """A percentile rests on the histogram's count, a ratio on the requests that have a status."""
    assert requests_query(Series(), "latency_p99") == "sum(increase(http_request_duration_seconds_count[1m]))"
    assert requests_query(Series(), "error_ratio") == 'sum(increase(http_requests_total{status!=""}[1m]))'
    assert requests_query(Series(), "request_rate") == "sum(increase(http_requests_total[1m]))"
    assert age_query(Series()) == "time() - max(timestamp(http_requests_total))"


Answer = tuple[int, Any]


@contextmanager
def server(answer: Callable[[str, dict[str, str]], Answer]) -> Iterator[str]:
    """A server that answers queries; ``answer`` gets the query and the headers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query).get("query", [""])[0]
            status, body = answer(query, {k.lower(): v for k, v in self.headers.items()})
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", body)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{httpd.server_port}"
        finally:
            httpd.shutdown()


def vector(*values: str) -> dict[str, Any]:
    result = [{"metric": {"i": str(i)}, "value": [1.0, value]} for i, value in enumerate(values)]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def source(url: str, **given: Any) -> PrometheusSource:
    return PrometheusSource(Prometheus(kind="prometheus", url=url, **given), lambda text: text, lambda: NOW)


@pytest.mark.parametrize(
    ("answer", "value", "state", "words"),
    [
        ((200, vector("0.071")), 0.071, "ok", ""),
        ((200, {"status": "success", "data": {"resultType": "scalar", "result": [1.0, "3"]}}), 3.0, "ok", ""),
        ((200, vector()), None, "no_data", "answered nothing"),
        ((200, vector("NaN")), None, "no_data", "answered nothing"),
        ((200, vector("+Inf")), None, "no_data", "the answer is inf, which is no measurement"),
        ((200, vector(True)), None, "blind", "no Prometheus"),
        ((400, {"status": "error", "errorType": "bad_data", "error": "parse error: unexpected end"}),
         None, "blind", "Prometheus answered 400: parse error: unexpected end"),
        ((503, b"starting up"), None, "blind", "Prometheus answered 503"),
        ((200, b"<html>log in</html>"), None, "blind", "no Prometheus"),
        ((200, {"hello": 1}), None, "blind", "no Prometheus"),
        ((200, {"data": {"result": [{"metric": {}, "values": [[1, "2"]]}]}}), None, "blind", "no Prometheus"),
    ],
)  # fmt: skip
def test_an_answer_becomes_a_value_no_data_or_blindness(answer: Answer, value: float, state: str, words: str) -> None:
    """An empty answer and NaN are no data; a server that errs, or is none, is blindness; neither is ever a value."""
    with server(lambda *_: answer) as url:
        found = source(url).query(Direct(), "x")
    assert (found.value, found.state, found.at) == (value, state, NOW)
    assert words in found.reason


def test_a_server_that_is_away_is_blindness() -> None:
    """Nobody listens: blind, and without a retry that would take the watch's time."""
    found = source("http://127.0.0.1:1").query(Direct(), "x")
    assert (found.state, found.reason) == ("blind", "No answer ([Errno 111] Connection refused): ask Prometheus: x.")


@pytest.mark.parametrize("begins", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"])
def test_a_server_that_drips_is_blindness_in_time(monkeypatch: pytest.MonkeyPatch, begins: bytes) -> None:
    """The watch goes on without it: one deadline for the whole answer, and the line is cut."""

    def ask(url: str, deadline: float) -> Measurement:
        monkeypatch.setattr(prometheus, "TIMEOUT_SECONDS", deadline)
        return source(url).query(Direct(), "up")

    found, deadline = cut_after(begins, ask)
    assert (found.state, found.reason) == ("blind", f"No answer within {deadline:g} s: ask Prometheus: up.")


def test_an_endless_answer_is_blindness() -> None:
    """No more is read than a measurement can need."""
    with server(lambda *_: (200, b" " * (8 * 2**20 + 1))) as url:
        found = source(url).query(Direct(), "up")
    assert (found.state, found.reason) == ("blind", "The answer is longer than 8 MiB and was not read to its end.")


def test_a_token_does_not_follow_a_redirect() -> None:
    """A Prometheus that moved is asked at its new address, without what was meant for the old one."""
    seen: list[str | None] = []

    def answer(_: str, headers: dict[str, str]) -> Answer:
        seen.append(headers.get("authorization"))
        return 200, vector("1")

    with server(answer) as there, server(lambda *_: (302, f"{there}/api/v1/query?query=x")) as url:
        assert source(url, bearer="t0ken").query(Direct(), "x").value == 1
    assert seen == [None]


@pytest.mark.parametrize("error", [ActionError("It took too long."), InputError("${secret.token} is not set.")])
def test_what_keeps_us_from_asking_is_blindness(error: Exception) -> None:
    """A deadline of ours or a missing secret says nothing about the release."""
    found = source("http://x").query(Replies({"ask Prometheus": error}), "x")
    assert (found.state, found.reason) == ("blind", error.what)  # type: ignore[attr-defined]


def test_a_cancel_is_not_swallowed() -> None:
    """A run that is cancelled while it measures ends."""
    with pytest.raises(CancelledError):
        source("http://x").measure(Replies({"measure": CancelledError("cancelled")}), "error_ratio")


def test_several_values_are_a_mistake_of_the_query() -> None:
    """No value is picked of several; the error says to aggregate."""
    with server(lambda *_: (200, vector("1", "2"))) as url, pytest.raises(ObservationError) as caught:
        source(url).query(Direct(), "up")
    assert "2 values" in caught.value.what and "sum(" in caught.value.next


def test_a_measurement_says_on_how_many_requests_it_rests() -> None:
    """The value and the number of requests come from two queries."""
    with server(lambda query, _: (200, vector("3412" if "increase" in query else "0.071"))) as url:
        found = source(url).measure(Direct(), "error_ratio")
    assert (found.value, found.requests) == (0.071, 3412)


@pytest.mark.parametrize(
    ("given", "header"),
    [({"bearer": "t0ken"}, "Bearer t0ken"), ({"basic": ("u", "password")}, "Basic dTpwYXNzd29yZA=="), ({}, None)],
)
def test_credentials_are_sent_and_not_told(given: dict[str, Any], header: str | None) -> None:
    """A token or a user and a password go with every query; no sentence holds them."""
    seen: list[str | None] = []

    def answer(_: str, headers: dict[str, str]) -> Answer:
        seen.append(headers.get("authorization"))
        return 200, vector("1")

    with server(answer) as url:
        one = source(url, **given)
        assert one.query(Direct(), "x").value == 1
        do = Replies({"ask Prometheus": Reply(200, {}, json.dumps(vector("1")).encode(), 0.1)})
        assert one.query(do, "x").value == 1
    assert seen == [header]
    assert "t0ken" not in repr(do.actions) and "password" not in repr(do.actions)


def test_a_source_is_what_the_runbook_says() -> None:
    """The kind of the environment's metrics chooses the source."""
    config = Prometheus(kind="prometheus", url="http://x")
    assert isinstance(METRICS.driver(config.kind).made(config, str, lambda: NOW), PrometheusSource)
