"""Which source of metrics an environment has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runwright.errors import NotBuiltError
from runwright.metrics.prometheus import PrometheusSource
from runwright.metrics.scrape import ScrapeSource
from runwright.metrics.shape import Clock, Fill, Source
from runwright.runbook.metrics.prometheus import Prometheus
from runwright.runbook.metrics.scrape import Scrape
from runwright.runbook.metrics.shape import Metrics


def source_of(config: Metrics, fill: Fill, clock: Clock, kept: Sequence[dict[str, Any]] = ()) -> Source:
    """Return the source that ``config`` describes; ``kept`` is what a scrape kept. Raise NotBuiltError for later ones."""
    match config:
        case Prometheus():
            return PrometheusSource(config, fill, clock)
        case Scrape():
            return ScrapeSource(config, fill, clock, kept)
        case _:
            raise NotBuiltError(
                f"Metrics from {config.kind} are not built yet.",
                next="Use `prometheus` or `scrape`, or leave `metrics` out and watch with probes.",
            )
