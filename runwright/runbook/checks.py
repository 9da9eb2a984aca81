"""What is asked of a release (probes), and while it is watched (rules)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from runwright.runbook.base import (
    Credentials,
    Duration,
    Model,
    Name,
    SavedName,
    ServiceName,
    Template,
    Text,
    Words,
    checked_template,
    example,
    seconds,
)
from runwright.runbook.gates import BackupAge, CiPassed, DiskFree, Gate, RunCommand, TlsDays, Tool, Window

__all__ = [
    "BackupAge",
    "CiPassed",
    "DiskFree",
    "Expectation",
    "Gate",
    "HttpProbe",
    "Rule",
    "RunCommand",
    "TlsDays",
    "Tool",
    "Verify",
    "Watch",
    "Window",
]

# ---------------------------------------------------------------------------------------------------------- probes

Matcher = Annotated[
    Any,
    Words(
        "a value that must be equal, or one of {in: [..]}, {lt: n}, {gt: n}, {exists: true}, {matches: regex}, "
        "{all: value}, {age_lt: duration}",
        "a value or a condition",
    ),
]
MATCHERS = ("in", "lt", "gt", "exists", "matches", "all", "age_lt")

Status = Annotated[int, Field(ge=100, le=599), Words("an HTTP status, 100 to 599", "a status")]
Statuses = Annotated[list[Status], Field(min_length=1)]


class Expectation(Model):
    """One answer that would be right."""

    status: Status | Statuses = example(200, "The status, or several that are right.", 200)
    json_body: dict[Text, Matcher] = example(
        {"ok": True, "checks[*].ok": {"all": True}},
        "What the JSON answer must hold: a path, and the value there or a condition: {in: [..]}, {lt: n}, {gt: n}, {exists: true}, {matches: regex}, {all: value}, {age_lt: 3m}.",
        {},
        alias="json",
    )
    contains: Template | None = example("ok", "Text that the answer must contain.", None)
    headers: dict[Text, str] = example({"x-frame-options": "DENY"}, "Headers and their exact values.", {})


METHODS = ("get", "head", "post", "delete")


class HttpProbe(Expectation):
    """Ask a URL and judge the answer. Exactly one of get, head, post, delete."""

    id: Name = example("ready", "Its name, for rules and reports.")
    get: Template | None = example("${url.api}/readyz", "The URL to GET.", None)
    head: Template | None = example("${url.web}/", "The URL to ask for its headers only.", None, apart=True)
    post: Template | None = example(
        "${url.api}/auth/login",
        "The URL to POST to. A post is sent once, never repeated.",
        None,
        apart=True,
    )
    delete: Template | None = example("${url.api}/customers/${saved.customer}", "The URL to DELETE.", None, apart=True)
    body: Any = example({"user": "${secret.smoke_user}"}, "The JSON body of a post.", None, apart=True)
    send_headers: dict[Text, Template] = example({"X-Run": "${release.id}"}, "Headers to send.", {})
    basic: Credentials | None = example(["admin", "${secret.admin_password}"], "A user and a password.", None)
    bearer: Template | None = example("${saved.token}", "A token, instead of a user and a password.", None, apart=True)
    expect_any: list[Expectation] = example(
        [{"json": {"status": "ok"}}, {"json": {"state": "up"}}],
        "Several answers, of which one must match.",
        [],
        apart=True,
    )
    save: dict[SavedName, Text] = example(
        {"token": "access_token"},
        "What later probes need: name to path in the JSON answer; ${saved.NAME}. Treated as a secret.",
        {},
    )
    cleanup: Template | None = example(
        "${url.api}/customers/${saved.customer}", "A URL to DELETE at the end, however it ended.", None, apart=True
    )
    warn: list[Status] = example([503], "Statuses that are only worth a remark.", [])
    timeout: Duration = example("5s", "How long an answer may take.", 5.0)
    within: Duration | None = example(
        "2m",
        "How long to keep asking until it is right (get and head only). Default: the rest of the deadline for the probes of `health`, once for smoke.",
        None,
    )
    environments: list[Name] = example(["production"], "Only in these environments. Default: in all.", [])
    schema_ahead: Literal["fail", "warn"] = example(
        "warn",
        "After a way back that left newer, additive migrations in the database: whether a wrong answer to this probe counts; none, or a proxy's 502 or 504, always does. Use warn for a readiness check that compares revisions, and another probe for the rest that it checks.",
        "fail",
    )
    route: Literal["any", "live"] = example(
        "live",
        "any: also asked of a staged version before traffic goes there; live: only through the front door.",
        "any",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> HttpProbe:
        if sum(getattr(self, name) is not None for name in METHODS) != 1:
            raise ValueError("a probe needs exactly one of get, head, post, delete")
        if self.body is not None and self.post is None:
            raise ValueError("only a post has a body")
        if self.within is not None and self.method not in ("GET", "HEAD"):
            raise ValueError("`within` asks again and again, which only get and head may do")
        if self.basic and self.bearer:
            raise ValueError("a probe has `basic` or `bearer`, not both")
        if self.method == "HEAD" and (self.json_body or self.contains or self.expect_any or self.save):
            raise ValueError("the answer to a head has no body: json, contains, expect_any and save need a get")
        for text in texts_in(self.body):
            checked_template(text)
        return self

    @property
    def method(self) -> str:
        """GET, HEAD, POST or DELETE."""
        return next(name.upper() for name in METHODS if getattr(self, name) is not None)

    @property
    def url(self) -> str:
        """The URL, with its references."""
        return str(self.get or self.head or self.post or self.delete)


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text in ``value``: itself, or in the lists and mappings that it is made of."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_in(inner)


class Verify(Model):
    """How a release is proven right after it was started, and again while it is watched."""

    deadline: Duration = example(
        "2m", "How long all of it may take: so long a version that starts and does not work may serve.", 120.0
    )
    health: list[HttpProbe] = example(
        [{"id": "ready", "get": "${url.api}/readyz"}],
        "Asked until each is right; also asked of what runs before a release, and all through the watch.",
        [],
    )
    smoke: list[HttpProbe] = example(
        [{"id": "docs", "get": "${url.api}/docs"}],
        "Asked once, in this order, after health. Its probes are written as those of health.",
        [],
    )


# ----------------------------------------------------------------------------------------------------------- rules

SOURCES = ("measure", "promql", "probe", "stats", "cloudwatch")
LIMITS = ("above", "below", "failures")
_LONGEST_PLAIN_SECONDS = 60


class Rule(Model):
    """What must not happen while a release is watched. Exactly one of measure, promql, probe, stats, cloudwatch."""

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
        "A probe of `verify`: its failures in a row (`failures`) or its time (`above`, as a duration such as 500ms).",
        None,
        apart=True,
    )
    stats: Literal["cpu_percent", "memory_percent", "restarts"] | None = example(
        "memory_percent",
        "What the platform knows of the services' containers or processes; the worst of them counts.",
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
        Annotated[float | str, Words("a number, or a duration such as 500ms for a time", "a number or a duration")]
        | None
    ) = example(0.05, "Breached when the value is above this; for a time a duration such as 500ms.", None)
    below: float | None = example(1, "Breached when the value is below this.", None, apart=True)
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
            raise ValueError("a rule needs exactly one of measure, promql, probe, stats, cloudwatch")
        if sum(getattr(self, name) is not None for name in LIMITS) != 1:
            raise ValueError(
                "a rule needs exactly one of above, below, failures: without a limit it could never be breached"
            )
        if self.failures is not None and self.probe is None:
            raise ValueError("failures counts a probe's failures in a row; name the probe")
        if self.below is not None and self.probe is not None:
            raise ValueError("of a probe either its failures in a row or its time (`above`) can be watched")
        if isinstance(self.above, str):
            seconds(self.above)
            if not self.is_time:
                raise ValueError("above takes a number here; a duration is for the time of a probe or a latency")
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
        if self.measure == "error_ratio" and isinstance(self.above, float) and self.above >= 1:
            raise ValueError("an error ratio is from 0 to 1 and is never above 1; for 5 % write 0.05")
        if self.stats in ("cpu_percent", "memory_percent") and isinstance(self.above, float) and self.above <= 1:
            raise ValueError(f"above: {self.above:g} would be {self.above:g} %; for 80 % write 80")

    @property
    def is_time(self) -> bool:
        """Whether the value is a time in seconds."""
        return self.probe is not None or (self.measure or "").startswith("latency_")

    @property
    def limit(self) -> float:
        """The number that the value is compared with; a time in seconds."""
        value = next(v for v in (self.above, self.below, self.failures) if v is not None)
        return seconds(value) if isinstance(value, str) else float(value)


class Watch(Model):
    """How long a release is watched, and what must not happen meanwhile."""

    duration: Duration = example("30m", "How long. In production never under thirty minutes.", 1800.0)
    every: Annotated[Duration, Field(gt=0)] = example("30s", "How often rules and probes are asked.", 30.0)
    rules: list[Rule] = example([{"id": "down", "probe": "ready", "failures": 3}], "What must not happen.", [])
