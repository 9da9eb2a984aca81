"""The queries behind the measurements: built from the names that a system gives its series."""

from __future__ import annotations

from runwright.metrics.shape import QUANTILES, What
from runwright.runbook.base import as_duration
from runwright.runbook.metrics.shape import Series


def value_query(series: Series, what: What) -> str:
    """Return the query whose one value is the measurement.

    Rates are summed before they are divided or ranked: per series a ratio is always 0 or 1 and a percentile means
    nothing. Where no failed request was ever counted there is no such series; ``or vector(0)`` makes that a ratio of 0.
    Series without the status label are left out of the ratio: with a misspelled label it is empty, and not always 0.
    """
    window = _window(series)
    if what == "error_ratio":
        failed = _rate(series.requests, _selector(series, f"{series.status_label}=~{_quoted(series.failed)}"), window)
        every = _rate(series.requests, _selector(series, f'{series.status_label}!=""'), window)
        return f"(sum({failed}) or vector(0)) / sum({every})"
    if what == "request_rate":
        return f"sum({_rate(series.requests, _selector(series), window)})"
    buckets = _rate(f"{series.duration}_bucket", _selector(series), window)
    return f"histogram_quantile({QUANTILES[what]:g}, sum by (le) ({buckets}))"


def requests_query(series: Series, what: What) -> str:
    """Return the query for how many requests the measurement rests on."""
    name, selector = series.requests, _selector(series)
    if what in QUANTILES:
        name = f"{series.duration}_count"
    elif what == "error_ratio":
        selector = _selector(series, f'{series.status_label}!=""')
    return f"sum(increase({name}{selector}[{_window(series)}]))"


def age_query(series: Series) -> str:
    """Return the query for the age in seconds of the newest sample of the request counter."""
    return f"time() - max(timestamp({series.requests}{_selector(series)}))"


def _rate(name: str, selector: str, window: str) -> str:
    return f"rate({name}{selector}[{window}])"


def _selector(series: Series, *more: str) -> str:
    matchers = [*(f"{name}={_quoted(value)}" for name, value in series.labels.items()), *more]
    return "{" + ",".join(matchers) + "}" if matchers else ""


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _window(series: Series) -> str:
    # PromQL takes no fractions of a unit
    return as_duration(series.window) if series.window % 1 == 0 else f"{round(series.window * 1000)}ms"
