"""Measure with the service's own metrics page, read again and again: for those who have no Prometheus."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from runwright.engine.actions import Do, Http, Reply
from runwright.errors import ActionError, CancelledError, InputError, ObservationError, RunbookError
from runwright.metrics.buckets import beyond, quantile
from runwright.metrics.pages import Page, bound_of, growth, labels_of, read_page, several_processes
from runwright.metrics.shape import QUANTILES, Clock, Fill, Measurement, What, plausible
from runwright.patterns import is_whole
from runwright.runbook.base import as_duration
from runwright.runbook.metrics.scrape import Scrape

TIMEOUT_SECONDS = 10.0
SAME_PAGE_SECONDS = 2.0
"""Rules that are judged together look at the same page: within this time it is not asked for again."""
MAX_PAGE_BYTES = 8 * 2**20
"""So much of an answer is read at most: a page of that size was cut off, and some series are missing."""
OLDEST_WINDOWS = 3
OLDEST_SECONDS = 900.0
"""A page that is older than three windows, and than a quarter of an hour, is of another time: a watch that goes on after
a long interruption begins anew."""


class ScrapeSource:
    """A metrics page. Rates need two pages, so the first measurement is no_data.

    ``kept`` is what ``as_json`` of an earlier source gave: a watch that goes on after a crash has its pages again.
    """

    def __init__(self, config: Scrape, fill: Fill, clock: Clock, kept: Sequence[dict[str, Any]] = ()) -> None:
        self._config = config
        self._fill = fill
        self._clock = clock
        self._pages = [Page.from_json(data) for data in kept]
        self._asked_at: float | None = None
        self._error = ""

    def as_json(self) -> list[dict[str, Any]]:
        """Return the pages that later measurements need, as plain JSON values."""
        return [page.as_json() for page in self._pages]

    def measure(self, do: Do, what: What) -> Measurement:
        """Return a measurement over the series' window, or over what was seen of it so far."""
        self._look(do)
        if self._error:
            return self._unknown("blind", self._error)
        if several_processes(self._pages):
            reason = "several processes answer in turn on this page: its counters mean nothing; use a Prometheus server"
            return self._unknown("blind", reason)
        if len(self._pages) < 2:
            return self._unknown("no_data", "the metrics page was read once; rates need a second time")
        return plausible(self._latency(what) if what in QUANTILES else self._traffic(what), what)

    def query(self, do: Do, promql: str) -> Measurement:  # noqa: ARG002 - the shape of every source
        """Raise RunbookError: a page answers no queries."""
        raise RunbookError(
            f"A metrics page answers no queries: {promql}",
            state="It was not measured.",
            next="Use `metrics: {kind: prometheus}` for rules with promql, or `measure` in the rule.",
        )

    def fresh(self, do: Do) -> Measurement:
        """Return 0 if the page answers now and has the request counter: its samples are as old as the answer."""
        self._look(do)
        if self._error:
            return self._unknown("blind", self._error)
        if not self._pages[-1].requests:
            return self._unknown("no_data", f"the page has no {self._wanted()} yet")
        return Measurement(self._clock(), 0.0)

    def _traffic(self, what: What) -> Measurement:
        series = self._config.series
        grown = growth(self._pages, "requests")
        if not grown:
            return self._unknown("no_data", f"the page has no {self._wanted()}")
        if what == "request_rate":
            total = sum(grown.values())
            return Measurement(self._clock(), total / (self._pages[-1].at - self._pages[0].at), total)
        statuses = [(labels_of(key).get(series.status_label), value) for key, value in grown.items()]
        if all(status is None for status, _ in statuses):
            names = ", ".join(sorted({name for key in grown for name in labels_of(key)})) or "none"
            return self._unknown("no_data", f"{series.requests} has no label {series.status_label}; it has: {names}")
        total = sum(value for status, value in statuses if status)
        if total == 0:
            return self._unknown("no_data", f"no requests in the last {self._seen()}", 0.0)
        failed = sum(value for status, value in statuses if status and is_whole(series.failed, status))
        return Measurement(self._clock(), failed / total, total)

    def _latency(self, what: What) -> Measurement:
        buckets: dict[float, float] = {}
        for key, value in growth(self._pages, "buckets").items():
            bound = bound_of(key)
            if math.isnan(bound):
                return self._unknown(
                    "blind", f"a bucket of {self._config.series.duration} has a `le` that is no number"
                )
            buckets[bound] = buckets.get(bound, 0.0) + value
        if not buckets:
            return self._unknown("no_data", f"the page has no {self._config.series.duration}_bucket")
        value, total = quantile(QUANTILES[what], buckets), buckets.get(math.inf, 0.0)
        if math.isnan(value):
            return self._unknown("no_data", f"no requests in the last {self._seen()}", total)
        reason = "above the highest bucket: it is at least so much" if beyond(QUANTILES[what], buckets) else ""
        return Measurement(self._clock(), value, total, "ok", reason)

    def _look(self, do: Do) -> None:
        now = self._clock().timestamp()
        if self._asked_at is not None and 0 <= now - self._asked_at < SAME_PAGE_SECONDS:
            return
        try:
            page = do(self._request())
        except CancelledError:
            raise
        except (ActionError, ObservationError, InputError) as error:
            page = f"the metrics page could not be read: {error.what}"
        self._asked_at = self._clock().timestamp()
        self._error = page if isinstance(page, str) else ""
        if isinstance(page, Page):
            self._pages = self._needed([*(p for p in self._pages if p.at < page.at), page])

    def _needed(self, pages: list[Page]) -> list[Page]:
        """Return the pages of the window, and the one before it, which is where the window's growth begins."""
        window, newest = self._config.series.window, pages[-1].at
        oldest = newest - max(OLDEST_WINDOWS * window, OLDEST_SECONDS)
        recent = [page for page in pages if page.at >= oldest]
        begins = [i for i, page in enumerate(recent) if page.at <= newest - window]
        return recent[begins[-1] if begins else 0 :]

    def _request(self) -> Http[Page | str]:
        config = self._config
        headers = {"accept": "text/plain;version=0.0.4", "user-agent": "runwright"}
        if config.bearer:
            headers["authorization"] = f"Bearer {self._fill(config.bearer)}"
        return Http(
            method="GET",
            url=self._fill(config.url),
            headers=headers,
            auth=(self._fill(config.basic[0]), self._fill(config.basic[1])) if config.basic else None,
            ok=None,
            parse=self._parsed,
            says="read the metrics page",
            deadline_seconds=TIMEOUT_SECONDS,
        )

    def _parsed(self, reply: Reply) -> Page | str:
        if reply.status != 200:
            return f"the metrics page answered {reply.status}"
        if len(reply.body) >= MAX_PAGE_BYTES:
            return f"the metrics page is longer than {MAX_PAGE_BYTES // 2**20} MiB and was not read to its end"
        try:
            return read_page(reply.text, self._config.series, self._clock().timestamp())
        except (ValueError, IndexError):
            return "what answered is no metrics page in the Prometheus text format"

    def _wanted(self) -> str:
        labels = "".join(f' {name}="{value}"' for name, value in self._config.series.labels.items())
        return self._config.series.requests + (f" with{labels}" if labels else "")

    def _seen(self) -> str:
        return as_duration(round(self._pages[-1].at - self._pages[0].at))

    def _unknown(self, state: Any, reason: str, requests: float | None = None) -> Measurement:
        return Measurement(self._clock(), None, requests, state, reason)


class _Kind:
    def made(self, config: Scrape, fill: Fill, clock: Clock, kept: Sequence[dict[str, Any]] = ()) -> ScrapeSource:
        return ScrapeSource(config, fill, clock, kept)


SOURCE = _Kind()
