"""One place that a system is released to: where it runs, who sends it traffic, what holds its data and what measures it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from runwright import registry
from runwright.runbook.base import Duration, EnvironmentKey, Model, Name, ServiceName, Words, example
from runwright.runbook.databases.shape import Database, LaterDatabase
from runwright.runbook.forms import Form, Pattern, Url
from runwright.runbook.metrics.shape import LaterMetrics, Metrics
from runwright.runbook.platforms.shape import LaterTarget, Target
from runwright.runbook.registered import one_of
from runwright.runbook.routers.shape import Router

if TYPE_CHECKING:
    AnyTarget = Target
    AnyRouter = Router
    AnyDatabase = Database
    AnyMetrics = Metrics
else:
    AnyTarget = one_of(registry.PLATFORMS, LaterTarget)
    AnyRouter = one_of(registry.ROUTERS)
    AnyDatabase = one_of(registry.DATABASES, LaterDatabase)
    AnyMetrics = one_of(registry.METRICS, LaterMetrics)

ImagePrefix = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9.-]*(:\d+)?(/[a-z0-9._-]+)*$"),
    Words("a registry's host and a path, in lower case and without https://", "host and path"),
]
AbsolutePath = Annotated[
    str,
    Field(pattern=r"^/[^\x00\n]+$"),
    Words("an absolute path, such as /var/backups/LAST_SUCCESS.txt", "an absolute path"),
]
References = Annotated[
    str,
    Field(pattern=r"^(any|(branch|tag):[A-Za-z0-9*?._/-]+(\|(branch|tag):[A-Za-z0-9*?._/-]+)*)$"),
    Words("any, branch:NAME or tag:PATTERN, several of them joined by |", "references"),
]


class Registry(Model):
    """Where images are pushed to; without one the image's id is its identity, and a tag of ours keeps it."""

    prefix: ImagePrefix = example("ghcr.io/acme", "What comes before a component's name: host and path.")


class EnvFile(Model):
    """What must be set before a release may start. Values are never shown."""

    required: list[EnvironmentKey] = example(["DATABASE_URL", "SECRET_KEY"], "Keys that must be set and not empty.", [])
    forms: dict[EnvironmentKey, Form] = example(
        {"DATABASE_URL": "^postgresql\\+psycopg://"},
        "How values of these keys must begin: regular expressions. A key that is not set counts as empty; one that may be left out has a form for that too: `^(redis://|$)`.",
        {},
    )
    placeholders: list[Pattern] = example(
        ["change[-_]?me", "<.*>"],
        "Regular expressions that no required value may match.",
        ["(?i)change[-_]?me", "^<.*>$"],
    )
    seen_in: list[ServiceName] = example(
        ["api"], "Services whose running containers must see all required keys; only names are read.", []
    )


Tier = Literal["development", "staging", "production"]

REFS_BY_TIER: dict[Tier, str] = {"development": "any", "staging": "branch:main|tag:*", "production": "tag:*"}
"""What may be released where nothing else is said: production is given what somebody has named a release, for a branch may move while it is released."""


class Environment(Model):
    """One place that the system is released to."""

    tier: Tier = example(
        "production",
        "How careful to be: production takes tags unless `refs` says otherwise, needs a `backup` if it has a database, and is watched thirty minutes or more.",
    )
    refs: References = example(
        "tag:v*",
        "What may be released here: any, branch:NAME or tag:PATTERN; several are joined by |. Default: tag:* in production, branch:main|tag:* in staging, any in development.",
        default_factory=lambda earlier: REFS_BY_TIER[earlier.get("tier", "production")],
    )
    target: AnyTarget = example({"platform": "compose", "project": "shop", "directory": "/opt/shop"}, "Where it runs.")
    router: AnyRouter | None = example(
        {"kind": "caddy", "listen": 8080},
        "Who sends it traffic; only platforms with two colours need one.",
        None,
        apart=True,
    )
    urls: dict[Name, Url] = example(
        {"api": "https://api.example.com", "web": "https://example.com"},
        "Addresses, by name; ${url.NAME} elsewhere. On the host platform `front` is the router's.",
        {},
    )
    database: AnyDatabase | None = example(
        {"kind": "postgres", "service": "db", "name": "shop", "user": "shop"}, "What holds its data.", None
    )
    backup_marker: AbsolutePath | None = example(
        "/var/backups/LAST_SUCCESS.txt",
        "A file that is written as well whenever a backup was taken and proven, where a monitoring reads when that was. Default: only LAST_SUCCESS.txt in the environment's folder of `backup.directory`.",
        None,
    )
    metrics: AnyMetrics | None = example({"kind": "scrape", "url": "${url.api}/metrics"}, "What measures it.", None)
    registry: Registry | None = example({"prefix": "ghcr.io/acme"}, "Where images are pushed to.", None)
    block: Name | None = example(
        "shop-production",
        "The Prefect environment block that holds its credentials. Default: SYSTEM-ENVIRONMENT.",
        None,
    )
    config: EnvFile = example({"required": ["DATABASE_URL"]}, "What its env file must hold.", EnvFile())
    watch: Duration | None = example(
        "45m", "How long a release is watched here. In production never under thirty minutes.", None
    )

    def permits(self, kind: Literal["branch", "tag"], name: str) -> bool:
        """Return whether the branch or tag ``name`` may be released here (``refs``; * and ? are wildcards)."""
        allowed = (form.split(":", 1) for form in self.refs.split("|") if form != "any")
        return self.refs == "any" or any(k == kind and fnmatchcase(name, pattern) for k, pattern in allowed)
