"""How a release is proven, and what must not happen while it is watched (rules)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from runwright.runbook.base import (
    Duration,
    Model,
    Name,
    ServiceName,
    Text,
    Words,
    example,
    seconds,
)
from runwright.runbook.gates import BackupAge, CiPassed, DiskFree, Gate, RunCommand, TlsDays, Tool, Window
from runwright.runbook.numbers import Limit, Phase, share
from runwright.runbook.probes import Probe

__all__ = [
    "BackupAge",
    "CiPassed",
    "DiskFree",
    "Gate",
    "Rule",
    "RunCommand",
    "TlsDays",
    "Tool",
    "Verify",
    "Watch",
    "Window",
]


Staying = Annotated[
    Literal["all"] | list[ServiceName],
    Words("`all`, or a list of services", "all, or services"),
]


class Verify(Model):
    """How a release is proven right after it was started, and again while it is watched."""

    deadline: Duration = example(
        "2m", "How long all of it may take: so long a version that starts and does not work may serve.", 120.0
    )
    health: list[Probe] = example(
        [{"id": "ready", "get": "${url.api}/readyz"}],
        "Asked until each is right; also asked of what runs before a release, and all through the watch.",
        [],
    )
    smoke: list[Probe] = example(
        [{"id": "docs", "get": "${url.api}/docs"}],
        "Asked once, in this order, after health. Its probes are written as those of health.",
        [],
    )
    staying: Staying = example(
        ["db", "redis"],
        "The services that are not replaced (database, cache, proxy) and must run and be healthy after a release, and while it is watched. Default: all that ran and were not unhealthy before it; [] for none.",
        "all",
    )


# ----------------------------------------------------------------------------------------------------------- rules

SOURCES = ("measure", "promql", "probe", "stats", "staying", "cloudwatch")
LIMITS = ("above", "below", "failures")
_LONGEST_PLAIN_SECONDS = 60


class Rule(Model):
    """What must not happen while a release is watched. Exactly one of measure, promql, probe, stats, staying, cloudwatch."""

    id: Name = example("errors", "Its name.")
    measure: Literal["error_ratio", "latency_p50", "latency_p95", "latency_p99", "request_rate"] | None = example(
        "error_ratio",
        "A measurement that every source of metrics offers. Latencies are in seconds, the ratio from 0 to 1.",
        None,
    )
    promql: Text | None = example(
        "sum(pg_stat_activity_count) / 100",
        "A query for a Prometheus server, with one value as its answer.",
        None,
        apart=True,
    )
    probe: Name | None = example(
        "ready",
        "A probe of `verify`: its failures in a row (`failures`), its time (`above`, as a duration such as 500ms), or a `number` of its answer.",
        None,
        apart=True,
    )
    number: Name | None = example("pool", "Of a probe: one of its `numbers`, instead of its time.", None, apart=True)
    phase: Phase | None = example(
        "first_byte",
        "Of a probe: the time of one part of the request (dns, connect, tls, first_byte), instead of all of it.",
        None,
        apart=True,
    )
    stats: Literal["cpu_percent", "memory_percent", "restarts"] | None = example(
        "memory_percent",
        "What the platform knows of the services' containers or processes; the worst of them counts.",
        None,
        apart=True,
    )
    staying: Staying | None = example(
        ["db", "redis"],
        "Services that the release does not replace: a look at which one of them does not run, is not healthy, or was restarted since the last look, is a failure (`failures`). Without such a rule, all that `verify.staying` names are watched, and three failures in a row put the release back.",
        None,
        apart=True,
    )
    cloudwatch: dict[Text, Any] | None = example(
        {"metric": "CPUUtilization"}, "A CloudWatch metric; not built yet.", None, apart=True
    )
    services: list[ServiceName] = example(
        ["api"], "For stats: which services. Default: all of the application's.", [], apart=True
    )
    above: (
        Annotated[
            float | str,
            Words("a number, a part such as 80 %, or a duration such as 500ms for a time", "a number or a duration"),
        ]
        | None
    ) = example(
        0.05,
        "Breached when the value is above this: a number, a part such as 80 %, or for a time a duration such as 500ms.",
        None,
    )
    below: Limit | None = example(1, "Breached when the value is below this.", None, apart=True)
    failures: Annotated[int, Field(ge=1, le=100)] | None = example(
        3, "For a probe: breached after so many failures in a row.", None, apart=True
    )
    lasting: Duration = example("2m", "How long it must last without a break.", 0.0, alias="for")
    every: Annotated[Duration, Field(gt=0)] | None = example(
        "15s", "How often it is asked. Default: the watch's.", None
    )
    warmup: Duration = example("30s", "How long after the switch it does not count yet.", 0.0)
    purpose: Literal["rollback", "page", "investigate"] = example(
        "rollback", "What a breach does: put the system back, page somebody, or be written down.", "rollback"
    )
    min_requests: Annotated[int, Field(ge=0)] = example(
        50, "With fewer requests in the window a ratio or a latency proves nothing: no_data.", 0
    )
    requires_traffic: bool = example(
        True,
        "At the end of the watch, too little traffic to judge this rule freezes the release instead of only being listed.",
        False,
    )
    environments: list[Name] = example(["production"], "Only in these environments. Default: in all.", [])

    @model_validator(mode="after")
    def _one_source_and_a_limit(self) -> Rule:
        if sum(getattr(self, name) is not None for name in SOURCES) != 1:
            raise ValueError(f"a rule needs exactly one of {', '.join(SOURCES)}")
        if sum(getattr(self, name) is not None for name in LIMITS) != 1:
            raise ValueError(
                "a rule needs exactly one of above, below, failures: without a limit it could never be breached"
            )
        if self.failures is not None and self.probe is None and self.staying is None:
            raise ValueError("failures counts a probe's failures in a row; name the probe")
        if self.staying is not None and self.failures is None:
            raise ValueError("staying counts the looks in a row at which a service was not well: say `failures`")
        if (self.number or self.phase) and (self.probe is None or self.failures is not None):
            raise ValueError("number and phase are for a probe with `above` or `below`: name the probe")
        if self.number and self.phase:
            raise ValueError("a rule looks at a number of the answer or at a phase of the request, not at both")
        if self.below is not None and self.probe is not None and self.number is None:
            raise ValueError("of a probe its failures in a row, its time (`above`) or a number can be watched")
        if isinstance(self.above, str) and share(self.above) is None:
            seconds(self.above)
            if not self.is_time:
                raise ValueError("above takes a number here; a duration is for the time of a probe or a latency")
        elif isinstance(self.above, str) and self.is_time:
            raise ValueError("above takes a duration here, such as 500ms: it is a time that is watched")
        self._check_units()
        if self.min_requests and self.measure is None and self.promql is None:
            raise ValueError("min_requests is for measure and promql: nothing else counts requests")
        if self.requires_traffic and self.measure is None and self.promql is None:
            raise ValueError("requires_traffic is for measure and promql: nothing else counts requests")
        if self.services and self.stats is None:
            raise ValueError("services is for stats: only there is a value taken per service")
        return self

    def _check_units(self) -> None:
        if self.is_time and isinstance(self.above, float) and self.above > _LONGEST_PLAIN_SECONDS:
            raise ValueError(
                f"above: {self.above:g} would be {self.above:g} seconds; write {self.above:g}ms or {self.above:g}s"
            )
        if self.measure == "error_ratio" and self.above is not None and self.limit >= 1:
            raise ValueError("an error ratio is from 0 to 1 and is never above 1; for 5 % write 0.05")
        if self.stats in ("cpu_percent", "memory_percent") and isinstance(self.above, float) and self.above <= 1:
            raise ValueError(f"above: {self.above:g} would be {self.above:g} %; for 80 % write 80")

    @property
    def is_time(self) -> bool:
        """Whether the value is a time in seconds."""
        return (self.probe is not None and self.number is None) or (self.measure or "").startswith("latency_")

    @property
    def limit(self) -> float:
        """The number that the value is compared with; a time in seconds."""
        value = next(v for v in (self.above, self.below, self.failures) if v is not None)
        if (part := share(value)) is not None:
            return part * 100 if self.stats is not None else part
        return seconds(value) if isinstance(value, str) else float(value)


class Watch(Model):
    """How long a release is watched, and what must not happen meanwhile."""

    duration: Duration = example("30m", "How long. In production never under thirty minutes.", 1800.0)
    every: Annotated[Duration, Field(gt=0)] = example("30s", "How often rules and probes are asked.", 30.0)
    rules: list[Rule] = example([{"id": "down", "probe": "ready", "failures": 3}], "What must not happen.", [])
