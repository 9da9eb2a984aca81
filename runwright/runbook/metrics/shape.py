"""What every source of metrics says of itself in a runbook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from runwright import registry
from runwright.runbook.base import Duration, Model, Registered, Words, example
from runwright.runbook.forms import Pattern

MetricName = Annotated[str, Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$"), Words("the name of a metric", "a metric")]
LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$"), Words("the name of a label", "a label")]

if TYPE_CHECKING:
    Planned = str
else:
    Planned = Literal[registry.METRICS.later]


class Metrics(Registered):
    """What measures an environment. ``kind`` is a `Literal` of one name in each."""

    answers_queries: ClassVar[bool] = True
    """Whether it answers the ``promql`` of a rule."""

    kind: str


class LaterMetrics(Metrics):
    """A source of metrics that is not built yet."""

    kind: Planned
    settings: dict[str, Any] = example({"region": "us-east-1"}, "What the driver will need; not checked yet.", {})
    built: ClassVar[bool] = False


class Series(Model):
    """How a system names its request metrics; the defaults are what most Prometheus clients export."""

    requests: MetricName = example("http_requests_total", "The counter of requests.", "http_requests_total")
    status_label: LabelName = example("status", "Its label that holds the status.", "status")
    failed: Pattern = example("5..|5xx", "A regular expression: the statuses that are failures.", "5..|5xx")
    duration: MetricName = example(
        "http_request_duration_seconds",
        "The histogram of request durations, in seconds.",
        "http_request_duration_seconds",
    )
    labels: dict[LabelName, str] = example({"job": "shop"}, "Labels that every series must have.", {})
    window: Duration = example("1m", "Over how long rates and percentiles are computed.", 60.0)
