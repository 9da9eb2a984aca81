"""What is asked of a system: probes, the answers that are right, and the numbers in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

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
)
from runwright.runbook.numbers import Number, Phase
from runwright.runbook.questions import Burst, LogsQuestion, ProgramQuestion, RedisQuestion, Upload

Matcher = Annotated[
    Any,
    Words(
        "a value that must be equal, or one of {in: [..]}, {lt: n}, {gt: n}, {exists: true}, {matches: regex}, "
        "{all: value}, {not: value}, {age_lt: duration}",
        "a value or a condition",
    ),
]
MATCHERS = ("in", "lt", "gt", "exists", "matches", "all", "not", "age_lt")

Status = Annotated[int, Field(ge=100, le=599), Words("an HTTP status, 100 to 599", "a status")]
Statuses = Annotated[list[Status], Field(min_length=1)]


class Expectation(Model):
    """One answer that would be right."""

    status: Status | Statuses = example(200, "The status, or several that are right.", 200)
    json_body: dict[Text, Matcher] = example(
        {"ok": True, "checks[*].ok": {"all": True}},
        "What the JSON answer must hold: a path, and the value there or a condition: {in: [..]}, {lt: n}, {gt: n}, {exists: true}, {matches: regex}, {all: value}, {not: value}, {age_lt: 3m}.",
        {},
        alias="json",
    )
    contains: Template | None = example("ok", "Text that the answer must contain.", None)
    headers: dict[Text, Matcher] = example(
        {"x-frame-options": "DENY", "server": {"exists": False}},
        "Headers and their values, or a condition as for `json`; {exists: false} for one that must not be there.",
        {},
    )


KINDS = ("sql", "redis", "logs", "command")
"""What can be asked besides a URL."""
METHODS = ("get", "head", "post", "delete", "options")
ONLY_URLS = (
    "status",
    "headers",
    "body",
    "send_headers",
    "basic",
    "bearer",
    "cleanup",
    "phases",
    "warn",
    "upload",
    "burst",
)
"""Keys that only a probe of a URL has."""
SHOWN_CHARACTERS = 60
READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing, and may be asked again and again."""


class Probe(Expectation):
    """Ask something and judge the answer. Exactly one of get, head, options, post, delete, sql, redis, logs, command."""

    id: Name = example("ready", "Its name, for rules and reports.")
    get: Template | None = example("${url.api}/readyz", "The URL to GET.", None)
    head: Template | None = example("${url.web}/", "The URL to ask for its headers only.", None, apart=True)
    options: Template | None = example(
        "${url.api}/orders",
        "The URL to ask what it allows: with the headers Origin and Access-Control-Request-Method in `send_headers`, as a browser asks before it lets another site in (CORS).",
        None,
        apart=True,
    )
    post: Template | None = example(
        "${url.api}/auth/login",
        "The URL to POST to. A post is sent once, never repeated.",
        None,
        apart=True,
    )
    delete: Template | None = example("${url.api}/customers/${saved.customer}", "The URL to DELETE.", None, apart=True)
    sql: Text | None = example(
        "SELECT count(*) AS dead FROM outbox WHERE failed",
        "A query of the environment's database that only reads. Its answer is a list of rows (100 at most) for `json`: {'[0].dead': 0}.",
        None,
        apart=True,
    )
    redis: RedisQuestion | None = example(
        {"service": "redis", "command": ["PING"]},
        "A command to a Redis; what it answers is the text, or JSON.",
        None,
        apart=True,
    )
    logs: LogsQuestion | None = example(
        {"services": ["api"], "match": ["(?i)error"]},
        "What services printed since users reach the version. For `json` and `numbers` it answers matching, lines, per_minute and before_per_minute.",
        None,
        apart=True,
    )
    command: ProgramQuestion | None = example(
        {"argv": ["python", "smoke.py"]}, "A program of one's own; what it prints is the answer.", None, apart=True
    )
    upload: Upload | None = example(
        {"field": "file", "fields": {"category": "test"}},
        "A file that a post sends, instead of a `body`.",
        None,
        apart=True,
    )
    burst: Burst | None = example(
        {"requests": 60, "at_once": 20, "answers": {"429": "10 %"}},
        "Ask so many times at once, and judge the statuses together; not in production.",
        None,
        apart=True,
    )
    body: Any = example({"user": "${secret.smoke_user}"}, "The JSON body of a post.", None, apart=True)
    inside: ServiceName | None = example(
        "api",
        "A service from inside of which it is asked, in the system's own network: by the python3, curl or node that it has. The address is as it is seen from there, such as http://localhost:8000/healthz or http://worker:8001/jobs.",
        None,
        apart=True,
    )
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
    numbers: dict[Name, Number] = example(
        {"pool": {"json": "pool.checked_out", "of": ["pool.size", "pool.max_overflow"], "at_most": "80 %"}},
        "Numbers in the answer, by name: judged here by `at_most` and `at_least`, and by rules of the watch (`probe` and `number`).",
        {},
    )
    phases: dict[Phase, Duration] = example(
        {"dns": "100ms", "connect": "200ms", "tls": "500ms", "first_byte": "1s", "total": "2s"},
        "How long each part of the request may take at most: to find the address, to connect, to agree on TLS, to wait for the first byte once it was asked, and all of it.",
        {},
    )
    warn: list[Status] = example([503], "Statuses that are only worth a remark.", [])
    timeout: Duration = example("5s", "How long an answer may take.", 5.0)
    within: Duration | None = example(
        "2m",
        "How long to keep asking until it is right (not of a post or a delete). Default: the rest of the deadline for the probes of `health`, once for smoke.",
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
    def _fits_together(self) -> Probe:
        if sum(getattr(self, name) is not None for name in (*METHODS, *KINDS)) != 1:
            raise ValueError(f"a probe needs exactly one of {', '.join((*METHODS, *KINDS))}")
        self._of_its_kind()
        if self.body is not None and self.post is None:
            raise ValueError("only a post has a body")
        if self.within is not None and self.changes:
            raise ValueError("`within` asks again and again, which a post or a delete may not do")
        if self.basic and self.bearer:
            raise ValueError("a probe has `basic` or `bearer`, not both")
        if self.method == "HEAD" and (self.json_body or self.contains or self.expect_any or self.save or self.numbers):
            raise ValueError(
                "the answer to a head has no body: json, contains, expect_any, save and numbers need a get"
            )
        for text in texts_in(self.body):
            checked_template(text)
        return self

    def _of_its_kind(self) -> None:
        if self.asks_url:
            if self.upload is not None and (self.post is None or self.body is not None or self.inside is not None):
                raise ValueError("upload is for a post without a `body`, from here")
            if self.burst is not None and (self.save or self.upload or self.inside or self.numbers or self.expect_any):
                raise ValueError(
                    "a burst judges statuses alone, from here: no save, upload, inside, numbers or expect_any"
                )
            return
        given = [name for name in ONLY_URLS if getattr(self, name) != type(self).model_fields[name].default]
        if given:
            raise ValueError(
                f"{', '.join(given)} {'is' if len(given) == 1 else 'are'} for a URL, and this asks {self.kind}"
            )
        if self.inside is not None and self.command is None:
            raise ValueError("inside is for a URL or a command")
        if self.inside is not None and self.command is not None and self.command.env:
            raise ValueError("a command that runs inside of a service has the variables of that service, and no `env`")

    @property
    def method(self) -> str:
        """GET, HEAD, OPTIONS, POST or DELETE; "" if it asks no URL."""
        return next((name.upper() for name in METHODS if getattr(self, name) is not None), "")

    @property
    def url(self) -> str:
        """The URL, with its references; "" if it asks none."""
        return str(getattr(self, self.method.lower())) if self.method else ""

    @property
    def asks_url(self) -> bool:
        """Whether it asks a URL."""
        return bool(self.method)

    @property
    def kind(self) -> str:
        """Which kind of question it is: a name of `runwright.registry.PROBES`."""
        if self.burst is not None:
            return "burst"
        return next((name for name in KINDS if getattr(self, name) is not None), "http")

    @property
    def what(self) -> str:
        """What is asked, in a few words with references."""
        where = f" inside of {self.inside}" if self.inside else ""
        if self.sql is not None:
            return f"SQL {' '.join(self.sql.split())[:SHOWN_CHARACTERS]}"
        if self.redis is not None:
            return f"Redis {' '.join(self.redis.command)}"[:SHOWN_CHARACTERS]
        if self.logs is not None:
            return f"the log of {', '.join(self.logs.services) or 'the services'}"
        if self.command is not None:
            return f"{self.command.argv[0]}{where}"
        return f"{self.method} {self.url}{where}" + (f", {self.burst.requests} times" if self.burst else "")

    @property
    def changes(self) -> bool:
        """Whether asking may change something: then it is asked once, and journaled."""
        return self.asks_url and self.method not in READING


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text in ``value``: itself, or in the lists, mappings and models that it is made of."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_in(inner)
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from texts_in(getattr(value, name))
