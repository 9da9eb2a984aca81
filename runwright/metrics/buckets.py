"""Percentiles of a histogram, computed as Prometheus does."""

from __future__ import annotations

import math
from collections.abc import Mapping

SMALL_DELTA = 1e-12
"""Relative differences between neighbouring buckets that are rounding errors, as in Prometheus."""


def quantile(q: float, buckets: Mapping[float, float]) -> float:
    """Return the ``q`` quantile of cumulative counts by upper bound, in the unit of the bounds; NaN if there is none.

    The value is interpolated in the bucket that holds it, from 0 in the first. In the bucket without an upper bound it
    is the highest bound there is. Follows BucketQuantile in promql/quantile.go of Prometheus.
    """
    bounds = sorted(buckets)
    if len(bounds) < 2 or not math.isinf(bounds[-1]):
        return math.nan
    counts = _rising([buckets[bound] for bound in bounds])
    total = counts[-1]
    if total == 0 or math.isnan(total):
        return math.nan
    rank = q * total
    b = next((i for i, count in enumerate(counts[:-1]) if count >= rank), len(counts) - 1)
    if b == len(counts) - 1:
        return bounds[-2]
    if b == 0 and bounds[0] <= 0:
        return bounds[0]
    below, start = (counts[b - 1], bounds[b - 1]) if b else (0.0, 0.0)
    return start + (bounds[b] - start) * (rank - below) / (counts[b] - below)


def beyond(q: float, buckets: Mapping[float, float]) -> bool:
    """Return whether the quantile lies above the highest bound, so that its value is only the least that it can be."""
    finite = [count for bound, count in buckets.items() if not math.isinf(bound)]
    total = buckets.get(math.inf, 0.0)
    return total > 0 and max(finite, default=0.0) < q * total


def _rising(counts: list[float]) -> list[float]:
    """Return counts that never fall: buckets are read one after the other, and rates of them are rounded."""
    rising = counts[:1]
    for count in counts[1:]:
        last = rising[-1]
        same = count < last or math.isclose(count, last, rel_tol=SMALL_DELTA, abs_tol=0.0)
        rising.append(last if same else count)
    return rising
