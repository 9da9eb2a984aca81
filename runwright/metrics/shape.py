"""What every source of metrics offers, and what a measurement is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from runwright.actions import Do

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
