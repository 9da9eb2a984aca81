"""A service's metrics page: what is kept of it, and how much its counters grew from page to page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from runwright.runbook.metrics.shape import Series

STARTED = "process_start_time_seconds"


@dataclass(frozen=True)
class Page:
    """The counters of one page. at: seconds since 1970. started: when its process started, if the page tells.

    requests and buckets: value by series, a series being its labels as JSON.
    """

    at: float
    started: float | None = None
    requests: Mapping[str, float] = field(default_factory=dict)
    buckets: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Page:
        """Return the page that ``as_json`` gave."""
        return cls(**data)


def read_page(text: str, series: Series, at: float) -> Page:
    """Return what is needed of a page in the Prometheus text format. Raise ValueError if it is in no such format."""
    started: float | None = None
    requests: dict[str, float] = {}
    buckets: dict[str, float] = {}
    # a counter that is declared without _total gets it from the parser
    names = {series.requests, f"{series.requests}_total"}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not math.isfinite(sample.value):
                continue
            if sample.name == STARTED:
                started = float(sample.value)
            elif sample.name in names and _has(sample.labels, series.labels):
                requests[_key(sample.labels)] = float(sample.value)
            elif sample.name == f"{series.duration}_bucket" and _has(sample.labels, series.labels):
                buckets[_key(sample.labels)] = float(sample.value)
    return Page(at, started, requests, buckets)


def labels_of(key: str) -> dict[str, str]:
    """Return the labels of a series."""
    return dict(json.loads(key))


def bound_of(key: str) -> float:
    """Return the upper bound of a bucket's series; NaN if its label is no number."""
    try:
        return float(labels_of(key).get("le", "nan"))
    except ValueError:
        return math.nan


def several_processes(pages: Sequence[Page]) -> bool:
    """Whether several processes answer in turn: a page of an older process came after one of a younger."""
    starts = [page.started for page in pages if page.started is not None]
    return any(later < earlier - 1 for earlier, later in pairwise(starts))


def growth(pages: Sequence[Page], of: str) -> dict[str, float]:
    """Return by how much each series of ``of`` ("requests" or "buckets") grew over ``pages``, oldest first.

    A process that restarted began at 0: what its counters show has grown since. A series that is new began at 0 too.
    """
    grown: dict[str, float] = {}
    for before, after in pairwise(pages):
        old: Mapping[str, float] = {} if _restarted(before, after) else getattr(before, of)
        for key, value in getattr(after, of).items():
            grown[key] = grown.get(key, 0.0) + value - old.get(key, 0.0)
    return grown


def _restarted(before: Page, after: Page) -> bool:
    if before.started is not None and after.started is not None:
        return after.started > before.started + 1
    # all counters of a process fall together, so one that fell is enough
    return any(
        value < old.get(key, 0.0)
        for old, new in ((before.requests, after.requests), (before.buckets, after.buckets))
        for key, value in new.items()
    ) or bool(before.requests and not after.requests)


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(name, "") == value for name, value in wanted.items())


def _key(labels: Mapping[str, str]) -> str:
    return json.dumps(dict(sorted(labels.items())))
