"""What every source of metrics offers, and what a measurement is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, Protocol

from runwright.engine.actions import Do

What = Literal["error_ratio", "latency_p50", "latency_p95", "latency_p99", "request_rate"]
State = Literal["ok", "no_data", "blind"]
Clock = Callable[[], datetime]
Fill = Callable[[str], str]
"""Returns a template of the runbook with its references replaced."""

QUANTILES: dict[What, float] = {"latency_p50": 0.50, "latency_p95": 0.95, "latency_p99": 0.99}


@dataclass(frozen=True)
class Measurement:
    """One value at one time: a ratio from 0 to 1, seconds, requests per second, or what a query answers.

    requests: how many requests it rests on; None if the source cannot say.
    state: ok; no_data if the source answered and has nothing to tell; blind if it did not answer. ``value`` is None then.
    """

    at: datetime
    value: float | None
    requests: float | None = None
    state: State = "ok"
    reason: str = ""


def plausible(found: Measurement, what: What | None = None) -> Measurement:
    """Return ``found`` if there is such a measurement, of ``what`` if it is one of those that every source offers.

    A value without end or NaN (something was divided by nothing) is no data. A ratio below 0 or above 1, or a negative
    time, comes from other series than those that are meant: it is blind. Neither is ever a breach. A count of requests
    that cannot be one is not known.
    """
    requests = found.requests
    if requests is not None and not 0 <= requests < math.inf:
        found = replace(found, requests=None)
    if found.state != "ok":
        return found
    if found.value is None or not math.isfinite(found.value):
        return replace(
            found, value=None, state="no_data", reason=f"the answer is {found.value}, which is no measurement"
        )
    if what is not None and not 0 <= found.value <= (1 if what == "error_ratio" else math.inf):
        reason = f"{what} cannot be {found.value:g}: these are other series than those that are meant"
        return replace(found, value=None, state="blind", reason=reason)
    return found


class Source(Protocol):
    """A source of metrics. What it cannot tell is a state of the measurement, not an error."""

    def measure(self, do: Do, what: What) -> Measurement:
        """Return one of the measurements that every source offers, over the window of its series."""
        ...

    def query(self, do: Do, promql: str) -> Measurement:
        """Return the one value that a query answers. Raise ObservationError if it answers several, or
        RunbookError if this source answers no queries."""
        ...

    def fresh(self, do: Do) -> Measurement:
        """Return how old the newest sample of the request counter is, in seconds."""
        ...


class SourceKind(Protocol):
    """What a source of metrics is registered as: it makes its driver."""

    def made(self, config: Any, fill: Fill, clock: Clock, kept: Sequence[dict[str, Any]] = ()) -> Source:
        """Return the driver. config: what the runbook says of it. kept: what a source that reads for itself had kept."""
        ...
