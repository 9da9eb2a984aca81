"""Rates, ratios and percentiles from pages: resets, several processes, what is missing, and going on after a crash."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.engine.actions import Reply
from runwright.errors import ActionError, CancelledError, InputError, RunbookError
from runwright.metrics.buckets import beyond, quantile
from runwright.metrics.pages import growth, read_page
from runwright.metrics.scrape import MAX_PAGE_BYTES, ScrapeSource
from runwright.runbook.metrics.scrape import Scrape
from runwright.runbook.metrics.shape import Series
from runwright.testing.replies import Replies

INF = math.inf


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def page(
    ok: float = 0, failed: float = 0, started: float | None = None, buckets: dict[str, float] | None = None
) -> str:
    lines = ["# TYPE http_requests_total counter"]
    lines += [
        f'http_requests_total{{status="200",path="/a"}} {ok}',
        f'http_requests_total{{status="503",path="/a"}} {failed}',
    ]
    if started is not None:
        lines += ["# TYPE process_start_time_seconds gauge", f"process_start_time_seconds {started}"]
    if buckets:
        lines += ["# TYPE http_request_duration_seconds histogram"]
        lines += [f'http_request_duration_seconds_bucket{{le="{le}"}} {count}' for le, count in buckets.items()]
        lines += [f"http_request_duration_seconds_count {max(buckets.values())}", "http_request_duration_seconds_sum 1"]
    return "\n".join(lines) + "\n"


def watched(pages: list[Any], what: Any = "error_ratio", every: float = 30, **series: Any) -> Any:
    """What is measured at the last of ``pages``, which are read one interval apart."""
    clock = Clock()
    source = ScrapeSource(Scrape(kind="scrape", url="http://x/metrics", series=Series(**series)), str, clock)
    found = None
    for one in pages:
        answer = Reply(200, {}, one.encode(), 0.01) if isinstance(one, str) else one
        found = source.measure(Replies({"metrics page": answer}), what)
        clock.now += timedelta(seconds=every)
    return found


@pytest.mark.parametrize(
    ("pages", "value", "requests"),
    [
        ([page(0, 0), page(93, 7)], 0.07, 100),
        ([page(1000, 500), page(1093, 507)], 0.07, 100),  # what was before does not count
        ([page(0, 0), page(50, 0), page(93, 7)], 0.07, 100),
        ([page(900, 0), page(1000, 0), page(1000, 0), page(1093, 7)], 0.07, 100),  # the window is a minute
        ([page(5000, 10), page(93, 7)], 0.07, 100),  # a restart: counters began at 0
        ([page(10, 0, started=100), page(93, 7, started=200)], 0.07, 100),  # a restart that no fall shows
        ([page(0, 0), page(43, 5), page(20, 2), page(50, 2)], 2 / 52, 52),
        (["", page(93, 7)], 0.07, 100),  # series that are new began at 0
    ],
)
def test_a_ratio_is_what_the_counters_grew_by_in_the_window(pages: list[str], value: float, requests: float) -> None:
    """Growth over the window alone counts, and a process that restarted began at 0."""
    found = watched(pages)
    assert found.state == "ok"
    assert found.value == pytest.approx(value)
    assert found.requests == pytest.approx(requests)


def test_a_rate_is_per_second() -> None:
    """A hundred requests more in thirty seconds are 3.3 a second."""
    assert watched([page(0), page(100)], "request_rate").value == pytest.approx(100 / 30)


def test_no_requests_are_a_rate_of_zero_and_no_ratio() -> None:
    """A service that nobody uses has a request rate, and it is 0; it has no error ratio."""
    assert watched([page(10), page(10)], "request_rate").value == 0
    found = watched([page(10), page(10)])
    assert (found.value, found.state, found.reason) == (None, "no_data", "no requests in the last 30s")


@pytest.mark.parametrize(
    ("pages", "what", "state", "words"),
    [
        ([page(1)], "error_ratio", "no_data", "read once"),
        (["", ""], "error_ratio", "no_data", "has no http_requests_total"),
        ([page(), page(5)], "latency_p95", "no_data", "has no http_request_duration_seconds_bucket"),
        ([page(1), Reply(401, {}, b"", 0.0)], "error_ratio", "blind", "answered 401"),
        ([page(1), ActionError("No answer (refused).")], "error_ratio", "blind", "No answer (refused)."),
        ([page(1), InputError("${secret.token} is not set.")], "error_ratio", "blind", "${secret.token} is not set."),
        ([page(1), "<!doctype html><html>"], "error_ratio", "blind", "no metrics page"),
        ([page(1), "#" * MAX_PAGE_BYTES], "error_ratio", "blind", "longer than 8 MiB"),
        ([page(9, started=200), page(9, started=100), page(9, started=200)], "error_ratio", "blind", "several processes"),
        ([page(1), 'http_requests_total{code="500"} 5\n'], "error_ratio", "no_data", "no label status; it has: code"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_no_value(pages: list[Any], what: str, state: str, words: str) -> None:
    """A page that lacks something is no data, one that cannot be read is blindness; a misspelled label is never 0 errors."""
    found = watched(pages, what)
    assert (found.value, found.state) == (None, state)
    assert words in found.reason


def test_labels_choose_the_series_and_failures_are_what_the_runbook_calls_so() -> None:
    """Only series with the wanted labels count, and the whole status must match the expression."""
    text = (
        'http_requests_total{{app="shop",class="5xx"}} {a}\nhttp_requests_total{{app="shop",class="2xx"}} {b}\n'
        'http_requests_total{{app="other",class="5xx"}} {c}\nhttp_requests_total{{app="shop",class="15xx"}} {d}\n'
    )
    pages = [text.format(a=0, b=0, c=0, d=0), text.format(a=1, b=8, c=70, d=1)]
    found = watched(pages, status_label="class", labels={"app": "shop"})
    assert (found.value, found.requests) == (0.1, 10)


def test_a_percentile_is_of_the_window() -> None:
    """The slow requests of before do not count."""
    before = {"0.1": 10.0, "0.5": 10.0, "1.0": 500.0, "+Inf": 500.0}
    after = {"0.1": 100.0, "0.5": 110.0, "1.0": 600.0, "+Inf": 600.0}
    found = watched([page(buckets=before), page(buckets=after)], "latency_p95")
    # 90 in the first bucket, 10 in the second, of 100: the 95th is in the middle of 0.1 .. 0.5
    assert (found.value, found.requests) == (pytest.approx(0.3), 100)


def test_a_percentile_above_the_highest_bucket_says_so() -> None:
    """Its value is the highest bound, as Prometheus says, and the reason tells that it may be more."""
    found = watched([page(buckets={"0.1": 0, "+Inf": 0}), page(buckets={"0.1": 1, "+Inf": 10})], "latency_p95")
    assert (found.value, "at least" in found.reason) == (0.1, True)


def test_rules_that_are_judged_together_look_at_one_page() -> None:
    """Several measurements at the same moment read the page once."""
    clock = Clock()
    source = ScrapeSource(Scrape(kind="scrape", url="http://x/metrics"), str, clock)
    do = Replies({"metrics page": Reply(200, {}, page(1).encode(), 0.0)})
    for what in ("error_ratio", "request_rate", "latency_p95"):
        source.measure(do, what)  # type: ignore[arg-type]
    assert len(do.actions) == 1


def test_a_watch_goes_on_with_the_pages_that_it_had() -> None:
    """After a crash the first page is no first page: what was kept as JSON is where the growth begins."""
    clock = Clock()
    config = Scrape(kind="scrape", url="http://x/metrics")
    before = ScrapeSource(config, str, clock)
    before.measure(Replies({"metrics page": Reply(200, {}, page(0).encode(), 0.0)}), "error_ratio")
    kept = json.loads(json.dumps(before.as_json()))
    clock.now += timedelta(seconds=40)
    after = ScrapeSource(config, str, clock, kept)
    found = after.measure(Replies({"metrics page": Reply(200, {}, page(93, 7).encode(), 0.0)}), "error_ratio")
    assert (found.value, found.requests) == (0.07, 100)


def test_pages_of_another_time_are_forgotten() -> None:
    """Growth since an hour ago says nothing about the last minute, and pages do not pile up."""
    assert watched([page(0), page(93, 7)], every=3600).state == "no_data"
    clock = Clock()
    source = ScrapeSource(Scrape(kind="scrape", url="http://x/metrics"), str, clock)
    for i in range(50):
        source.measure(Replies({"metrics page": Reply(200, {}, page(i).encode(), 0.0)}), "error_ratio")
        clock.now += timedelta(seconds=30)
    assert len(source.as_json()) == 3


def test_how_fresh_a_page_is() -> None:
    """A page that answers with the counter is fresh; without the counter there is no data; a page that is away is blind."""

    def fresh(answer: Any) -> Any:
        source = ScrapeSource(Scrape(kind="scrape", url="http://x/metrics"), str, Clock())
        return source.fresh(Replies({"metrics page": answer}))

    assert fresh(Reply(200, {}, page(1).encode(), 0.0)).value == 0
    assert fresh(Reply(200, {}, b"up 1\n", 0.0)).state == "no_data"
    assert fresh(ActionError("refused")).state == "blind"


def test_a_page_answers_no_queries_and_a_cancel_is_not_swallowed() -> None:
    """PromQL needs a server; a run that is cancelled ends."""
    source = ScrapeSource(Scrape(kind="scrape", url="http://x/metrics"), str, Clock())
    with pytest.raises(RunbookError):
        source.query(Replies({}), "up")
    with pytest.raises(CancelledError):
        source.measure(Replies({"metrics page": CancelledError("cancelled")}), "error_ratio")


@pytest.mark.parametrize(
    ("q", "buckets", "value"),
    [
        (0.5, {0.1: 10, 0.2: 10, INF: 10}, 0.05),
        (0.95, {0.1: 90, 0.5: 100, INF: 100}, 0.3),
        (0.99, {0.1: 0, 0.5: 0, INF: 10}, 0.5),
        (0.5, {-1.0: 10, 0.5: 10, INF: 10}, -1.0),
        (0.9, {0.1: 50, 0.2: 49.9999, 0.4: 100, INF: 100}, 0.2 + 0.2 * 40 / 50),  # buckets that fall are levelled
        (0.5, {0.1: 0, INF: 0}, math.nan),
        (0.5, {0.1: 1, 0.2: 1}, math.nan),  # no bucket for the rest
        (0.5, {INF: 5}, math.nan),
        (0.5, {}, math.nan),
    ],
)  # fmt: skip
def test_percentiles_are_those_of_prometheus(q: float, buckets: dict[float, float], value: float) -> None:
    """Interpolated within the bucket; the edges are Prometheus's own."""
    assert quantile(q, buckets) == pytest.approx(value, nan_ok=True)


counts = st.lists(st.integers(0, 1000), min_size=2, max_size=8)


@given(counts, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_higher_percentile_is_never_lower(grown: list[int], a: float, b: float) -> None:
    """Percentiles rise with their rank and stay within the bounds."""
    bounds = [0.1 * 2**i for i in range(len(grown) - 1)] + [INF]
    total, buckets = 0.0, {}
    for bound, count in zip(bounds, grown, strict=True):
        total += count
        buckets[bound] = total
    low, high = quantile(min(a, b), buckets), quantile(max(a, b), buckets)
    if total == 0:
        assert math.isnan(low)
    else:
        assert 0 <= low <= high + 1e-9 <= bounds[-2] + 2e-9
        assert not beyond(a, buckets) or quantile(a, buckets) == bounds[-2]


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), min_size=1, max_size=20))
def test_growth_counts_every_request_that_a_page_has_seen(steps: list[tuple[int, bool]]) -> None:
    """Whenever the process restarts, what its page shows afterwards is counted once, and growth is never negative."""
    value, expected, started, pages = 0, 0, 1000.0, [read_page(page(0, started=1000), Series(), 0.0)]
    for i, (more, restart) in enumerate(steps, 1):
        if restart:
            value, started = 0, started + 100
        value += more
        expected += more
        pages.append(read_page(page(value, started=started), Series(), float(i)))
    assert sum(growth(pages, "requests").values()) == expected
