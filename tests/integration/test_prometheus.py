"""The two sources of metrics against a real Prometheus server that scrapes a real page."""

from __future__ import annotations

import json
import math
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from runwright.errors import ObservationError
from runwright.metrics.buckets import quantile
from runwright.metrics.prometheus import PrometheusSource
from runwright.metrics.scrape import ScrapeSource
from runwright.metrics.shape import Measurement
from runwright.runbook.metrics.prometheus import Prometheus
from runwright.runbook.metrics.scrape import Scrape
from runwright.runbook.metrics.shape import Series
from runwright.testing.direct import Direct
from tests.fixtures.engine import Docker

pytestmark = pytest.mark.docker

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["{address}"]}}]
"""
SERIES = Series(labels={"job": "shop"}, window=15.0)
PAGE_SERIES = Series(window=15.0)  # on the page itself there is no job


class Shop:
    """A service with steady traffic: 93 good and 7 failed requests a step, and the same durations in each."""

    def __init__(self) -> None:
        self.steps = 0
        self.lock = threading.Lock()

    def page(self) -> str:
        with self.lock:
            n = self.steps
        buckets = {"0.05": 40 * n, "0.1": 70 * n, "0.25": 88 * n, "0.5": 97 * n, "1.0": 99 * n, "+Inf": 100 * n}
        lines = ["# TYPE http_requests_total counter", f'http_requests_total{{status="200",path="/"}} {50 * n}']
        lines += [f'http_requests_total{{status="201",path="/new"}} {43 * n}']
        lines += [f'http_requests_total{{status="503",path="/"}} {7 * n}']
        lines += ["# TYPE http_request_duration_seconds histogram"]
        lines += [f'http_request_duration_seconds_bucket{{le="{le}"}} {count}' for le, count in buckets.items()]
        lines += [f"http_request_duration_seconds_sum {10 * n}", f"http_request_duration_seconds_count {100 * n}"]
        return "\n".join(lines) + "\n"


def polled(what: Callable[[], Any], seconds: float = 60) -> Any:
    """Return the first answer that is not None."""
    until = time.monotonic() + seconds
    while (found := what()) is None:
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.25)
    return found


@pytest.fixture(scope="module")
def page_url() -> Iterator[str]:
    shop, stopped = Shop(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = shop.page().encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    def traffic() -> None:
        while not stopped.wait(0.1):
            with shop.lock:
                shop.steps += 1

    with ThreadingHTTPServer(("0.0.0.0", 0), Handler) as httpd:
        for target in (httpd.serve_forever, traffic):
            threading.Thread(target=target, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}/metrics"
        stopped.set()
        httpd.shutdown()


@pytest.fixture(scope="module")
def prometheus(docker: Docker, page_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus server that has scraped the page for longer than the window."""
    name = f"rwt-measuring-{uuid.uuid4().hex[:8]}"
    port = page_url.rsplit(":", 1)[1].split("/")[0]
    config: Path = tmp_path_factory.mktemp("prometheus") / "prometheus.yml"
    config.write_text(CONFIG.format(address=f"host.docker.internal:{port}"))
    config.chmod(0o644)
    docker.run(
        "create", "--name", name, "--add-host", "host.docker.internal:host-gateway", "-p", "127.0.0.1::9090",
        "prom/prometheus",
    )  # fmt: skip
    try:
        docker.run("cp", str(config), f"{name}:/etc/prometheus/prometheus.yml")
        docker.run("start", name)
        url = "http://" + docker.run("port", name, "9090/tcp").splitlines()[0]
        rate = 'sum(rate(http_requests_total{job="shop"}[15s]))'
        polled(lambda: True if (ask(url, rate).value or 0) > 0 else None)
        yield url
    finally:
        docker.run("rm", "-f", "-v", name)


def source(url: str, series: Series = SERIES) -> PrometheusSource:
    config = Prometheus(kind="prometheus", url=url, series=series)
    return PrometheusSource(config, str, lambda: datetime.now(UTC))


def ask(url: str, promql: str) -> Measurement:
    return source(url).query(Direct(), promql)


def test_the_measurements_are_right(prometheus: str) -> None:
    """Seven of a hundred requests fail; nothing of that depends on when it is asked."""
    do, one = Direct(), source(prometheus)
    errors = one.measure(do, "error_ratio")
    assert (errors.state, errors.value) == ("ok", pytest.approx(0.07))
    assert errors.requests is not None and errors.requests > 100
    assert one.measure(do, "latency_p95").value == pytest.approx(0.25 + 0.25 * 7 / 9)
    assert one.measure(do, "latency_p50").value == pytest.approx(0.05 + 0.05 * 10 / 30)
    rate = one.measure(do, "request_rate").value
    assert rate is not None and rate > 0
    # the page is served by this very process: while that is held up, a scrape fails, and the last one counts as stale
    assert polled(lambda: age if (age := one.fresh(do).value) is not None and 0 <= age < 30 else None) is not None


def test_a_page_read_by_ourselves_tells_the_same(prometheus: str, page_url: str) -> None:
    """The ratio and the percentiles that we compute from two pages are those of Prometheus."""
    do, theirs = Direct(), source(prometheus)
    ours = ScrapeSource(Scrape(kind="scrape", url=page_url, series=PAGE_SERIES), str, lambda: datetime.now(UTC))

    def measured() -> Measurement | None:
        found = ours.measure(do, "error_ratio")
        return found if found.state == "ok" else None

    assert polled(measured).value == pytest.approx(theirs.measure(do, "error_ratio").value)
    for what in ("latency_p50", "latency_p95", "latency_p99"):
        assert ours.measure(do, what).value == pytest.approx(theirs.measure(do, what).value)


@pytest.mark.parametrize("q", [0.01, 0.25, 0.5, 0.88, 0.9, 0.95, 0.99, 1.0])
@pytest.mark.parametrize(
    "buckets",
    [
        {"0.1": 90, "0.5": 100, "1": 100, "+Inf": 100},
        {"0.1": 0, "0.5": 0, "1": 3, "+Inf": 10},
        {"0.1": 50, "0.2": 49.9999, "0.4": 100, "+Inf": 100},
        {"-1": 10, "0.5": 10, "+Inf": 12},
        {"0.1": 7, "+Inf": 7},
        {"0.1": 0, "+Inf": 0},
        {"0.1": 3, "0.2": 5},
    ],
)
def test_our_percentiles_are_computed_as_prometheus_computes_them(
    prometheus: str, q: float, buckets: dict[str, float]
) -> None:
    """The same histogram, given to both: the same value, also at the edges."""
    vectors = " or ".join(f'label_replace(vector({count}), "le", "{le}", "", "")' for le, count in buckets.items())
    theirs = ask(prometheus, f"histogram_quantile({q}, {vectors})")
    ours = quantile(q, {float(le): float(count) for le, count in buckets.items()})
    if math.isnan(ours):
        assert theirs.state == "no_data"
    else:
        assert theirs.value == pytest.approx(ours, rel=1e-12)


def test_what_is_not_there_is_no_data(prometheus: str) -> None:
    """Another job, or a misspelled label, has no ratio: it is never a ratio of 0."""
    do = Direct()
    for series in (Series(labels={"job": "nobody"}), Series(status_label="statuz"), Series(requests="nothing_total")):
        found = source(prometheus, series).measure(do, "error_ratio")
        assert (found.value, found.state) == (None, "no_data")
    assert source(prometheus, Series(labels={"job": "nobody"})).fresh(do).state == "no_data"


def test_a_service_that_never_failed_has_a_ratio_of_zero(prometheus: str) -> None:
    """Where no failed request was ever counted there is no such series, and the ratio is 0 all the same."""
    found = source(prometheus, SERIES.model_copy(update={"failed": "418"})).measure(Direct(), "error_ratio")
    assert (found.value, found.state) == (0, "ok")


def test_a_query_has_one_value(prometheus: str) -> None:
    """A number, a scalar and a comparison are understood; several values and a wrong query are told apart."""
    assert polled(lambda: ask(prometheus, 'up{job="shop"}').value or None) == 1
    assert ask(prometheus, "scalar(vector(3))").value == 3
    assert ask(prometheus, 'up{job="shop"} > 1').state == "no_data"
    assert ask(prometheus, "sum(").state == "blind"
    assert "400" in ask(prometheus, "sum(").reason
    assert ask(prometheus, "up[1m]").state == "blind"
    with pytest.raises(ObservationError):
        ask(prometheus, "http_requests_total")


def test_nothing_of_it_must_be_told_twice(prometheus: str) -> None:
    """A measurement can be kept: it is plain values."""
    found = source(prometheus).measure(Direct(), "error_ratio")
    assert json.dumps([found.value, found.requests, found.state, found.reason])
