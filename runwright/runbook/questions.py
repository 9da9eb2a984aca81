"""What probes ask besides URLs: a cache, what services printed, a program of one's own; a file that is sent, a burst."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import Field, model_validator

from runwright.runbook.base import Duration, EnvironmentKey, Model, ServiceName, Template, Text, Words, example
from runwright.runbook.forms import Pattern
from runwright.runbook.numbers import Limit

READS: Final = frozenset(
    [
        "BITCOUNT",
        "CARD",
        "DBSIZE",
        "EXISTS",
        "GET",
        "HEXISTS",
        "HGET",
        "HGETALL",
        "HLEN",
        "INFO",
        "LASTSAVE",
        "LLEN",
        "LRANGE",
        "MGET",
        "PING",
        "ROLE",
        "SCARD",
        "SISMEMBER",
        "STRLEN",
        "TTL",
        "TYPE",
        "XLEN",
        "ZCARD",
        "ZSCORE",
    ]
)
"""Commands of Redis that change nothing and end soon."""

STATUSES: Final = re.compile(r"[1-5]([0-9]{2}|xx)", re.ASCII)
"""A status, or all that begin with a digit."""

RedisUrl = Annotated[
    str,
    Field(pattern=r"^rediss?://[^\s@]+$"),
    Words("an address that begins with redis:// or rediss://, without a user or a password", "an address"),
]


class RedisQuestion(Model):
    """A command to a Redis, by the redis-cli of its own service or over the network. Exactly one of service, url."""

    service: ServiceName | None = example("redis", "The service that it runs in.", None)
    url: RedisUrl | None = example("rediss://cache.internal:6379/0", "Or its address.", None, apart=True)
    password: Template | None = example("${secret.redis_password}", "Its password.", None)
    command: list[Text] = example(
        ["PING"], "A command that only reads. To a PING it must answer PONG.", ["PING"], min_length=1
    )

    @model_validator(mode="after")
    def _one_that_reads(self) -> RedisQuestion:
        if (self.service is None) == (self.url is None):
            raise ValueError("a Redis is reached by exactly one of service, url")
        if self.command[0].upper() not in READS:
            raise ValueError(f"{self.command[0]!r} is none of the commands that only read: {', '.join(sorted(READS))}")
        return self


class LogsQuestion(Model):
    """What services have printed since users reach the version: lines that match, and how many more than before."""

    services: list[ServiceName] = example(["api"], "The services. Default: all of the application's.", [])
    match: list[Pattern] = example(
        ["(?i)error|exception|traceback"], "Regular expressions: a line in which one is found counts.", min_length=1
    )
    ignore: list[Pattern] = example(["errors=0"], "Regular expressions: a line in which one is found does not.", [])
    at_most: Annotated[int, Field(ge=0)] = example(3, "So many lines are right, whatever was before.", 0)
    over_before: Annotated[float, Field(gt=0)] | None = example(
        2.0, "More are right up to so many times as many a minute as the version before printed.", None
    )


class ProgramQuestion(Model):
    """A program of one's own that only reads: it is right if it exits with 0. With 75 it says that it could not tell."""

    argv: list[Text] = example(["python", "smoke.py"], "The program and its arguments, as a list.", min_length=1)
    env: dict[EnvironmentKey, Template] = example(
        {"API": "${url.api}", "TOKEN": "${secret.smoke_token}"},
        "Variables that it gets besides PATH and HOME; not with `inside`, where it has those of the service.",
        {},
    )


class Upload(Model):
    """A small file that a POST sends as a form (multipart/form-data), with other fields."""

    field: Text = example("file", "The name of the field.", "file")
    name: Template = example(
        "receipt-${release.id}.txt",
        "The file's name: a marker that tells what a smoke test has left.",
        "runwright-${release.id}.txt",
    )
    content: Template = example("A receipt of ${release.id}", "What is in it.", "${release.id}")
    path: Text | None = example(
        "/etc/runwright/receipt.jpg", "Or a file on this machine, of at most a megabyte.", None, apart=True
    )
    type: Text = example("image/jpeg", "Its type.", "text/plain")
    fields: dict[Text, Template] = example({"category": "test"}, "Other fields of the form.", {})


class Burst(Model):
    """Many requests at once, such as a limit must refuse a part of. Never in production."""

    requests: Annotated[int, Field(ge=2, le=1000)] = example(60, "How many.")
    at_once: Annotated[int, Field(ge=1, le=50)] = example(20, "How many at the same time.", 10)
    every: Duration = example("50ms", "How long to wait between the beginnings of two.", 0.0)
    answers: dict[Text, Limit] = example(
        {"429": "10 %"}, "Statuses (429, or 4xx), and which part of the answers must have them at least."
    )
    never: list[Text] = example(["5xx"], "Statuses that no answer may have.", ["5xx"])
