"""Where an environment runs, who sends it traffic, what holds its data and what measures it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from runwright.runbook.base import (
    Credentials,
    Duration,
    EnvironmentKey,
    Model,
    Name,
    ServiceName,
    Template,
    Text,
    Words,
    example,
)
from runwright.runbook.forms import Form, Pattern, Url

ProjectName = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$"),
    Words("a project name as Compose allows it: lower-case letters, digits, dashes and underscores", "a name"),
]
PathPart = Annotated[str, Field(pattern=r"^/[^\s?#]*$|^$"), Words("a path that begins with a slash", "a path")]
Identifier = Annotated[
    str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_$-]{0,62}$"), Words("a name as PostgreSQL allows it", "a name")
]
MetricName = Annotated[str, Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$"), Words("the name of a metric", "a metric")]
LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$"), Words("the name of a label", "a label")]
Port = Annotated[int, Field(ge=1, le=65535)]
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


class HostProcess(Model):
    """One program of a system that runs as processes on this machine."""

    command: list[Text] = example(
        ["python", "-m", "shop", "--port", "{port}"],
        "The program and its arguments, as a list; {port} is the port that it must listen on, {python} the Python that runs Runwright.",
        min_length=1,
    )
    env: dict[EnvironmentKey, str] = example({"LOG_LEVEL": "info"}, "Environment variables that are no secrets.", {})
    health: PathPart = example("/readyz", "The path that answers 200 when this version is ready.", "/")


class HostTarget(Model):
    """Processes on this machine, in two colours behind Caddy: nothing but what comes with Runwright is needed."""

    platform: Literal["host"]
    process: HostProcess = example(
        {"command": ["{python}", "-m", "shop", "--port", "{port}"]}, "The program that serves."
    )
    directory: str = example(
        "/var/lib/shop",
        "Where processes, logs and data are kept, absolute or relative to this file. Default: a folder of Runwright's own.",
        "",
    )
    ready_timeout: Duration = example("60s", "How long a version may take until it is ready.", 60.0)


class Traffic(Model):
    """A service of which two versions run side by side for a while, and that gets users' requests through Runwright's switch."""

    port: Port = example(8000, "The port that the service listens on, in its container.")
    urls: list[Name] = example(
        ["api"],
        "The names in `urls` whose requests end at this service: the new version is asked at a door of its own in their place, before any user reaches it. Default: all of them if `traffic` has one service, else none.",
        [],
    )


class ComposeTarget(Model):
    """A Docker Compose application; its application services are replaced in place, or two versions run side by side."""

    platform: Literal["compose"]
    project: ProjectName = example("shop", "The Compose project's name (`docker compose ls` shows it).")
    directory: Text = example(
        "/opt/shop",
        "The folder that the application is run from today, absolute or relative to this file: its env file and its data folders stay there and are never edited.",
    )
    files: list[Text] = example(
        ["docker-compose.yml"],
        "The Compose files, relative to the repository. Empty: what Compose itself would find, also by COMPOSE_FILE in the env file.",
        [],
    )
    env_file: Text | None = example(
        "/etc/shop/shop.env",
        "The env file that Compose interpolates from, absolute or relative to `directory`. Default: `.env` there if there is one.",
        None,
    )
    profiles: list[Text] = example(["production"], "Compose profiles to enable.", [])
    order: list[ServiceName] = example(
        ["api", "worker"], "The order in which services are replaced. Default: as components list them.", []
    )
    ready_timeout: Duration = example("3m", "How long the services may take until they are healthy.", 180.0)
    settle: Duration = example(
        "10s", "How long a service without a healthcheck must run without a restart to count as healthy.", 10.0
    )
    mounts: dict[Text, Literal["keep", "leave_out"]] = example(
        {"media": "keep"},
        "What becomes of a mount that hides files which the image has from the repository and whose own files git does not know: keep it, or leave it out. By the path in the repository, an absolute path, or the volume's name; the plan says so. Without it the release is refused.",
        {},
    )
    strategy: Literal["recreate", "blue_green"] = example(
        "blue_green",
        "How one version gets the users of another. recreate: the services are replaced in place. blue_green: the services in `traffic` run twice for a while, and users are moved when the new ones have proven themselves; all others are replaced in place.",
        "recreate",
        apart=True,
    )
    traffic: dict[ServiceName, Traffic] = example(
        {"api": {"port": 8000}},
        "The services that get users' requests, and may run twice for a while. Their names and published ports are taken over by a Caddy of Runwright's own, so that nothing else in the project changes.",
        {},
        apart=True,
    )
    orphans: Literal["stop", "leave"] = example(
        "leave",
        "What becomes of services that the version before has and the new one does not: `stop` before the new one starts (they are started again on the way back), or `leave` running. What Runwright did not release is never stopped.",
        "stop",
    )
    allow_source_mounts: bool = example(
        False,
        "Whether a service may have its source code mounted from the host. Then the code that runs is not the image's; development only.",
        False,
    )


class LaterTarget(Model):
    """A platform whose runbooks load and are checked but for its settings, and whose deploys are refused until it is built."""

    platform: Literal["kubernetes", "alb_asg", "ecs", "aci", "cloud_run"]
    settings: dict[str, Any] = example({"namespace": "shop"}, "What the platform will need; not checked yet.", {})


Target = Annotated[HostTarget | ComposeTarget | LaterTarget, Field(discriminator="platform")]


class Caddy(Model):
    """The front door of a host: the Caddy on PATH where it is new enough, else the one that comes with Runwright. On Compose one
    in a container stands before each service that gets requests, with the service's own names and ports."""

    kind: Literal["caddy"]
    listen: Annotated[int, Field(ge=0, le=65535)] = example(
        8080, "The port that clients use. 0: a free one, chosen once and kept.", 0
    )
    host: Annotated[str, Field(pattern=r"^[0-9a-zA-Z.:-]{1,253}$")] = example(
        "0.0.0.0",  # noqa: S104 - an example of what a team may choose
        "The address of this machine that it listens on. Default: only this machine reaches it.",
        "127.0.0.1",
    )
    drain_timeout: Duration = example(
        "10s", "How long requests in flight may finish on the old version after a switch.", 10.0
    )

    image: Text = example(
        "caddy:2.10",
        "On Compose, where a Caddy stands before each service that gets requests: its image, 2.10 or newer.",
        "caddy:2",
    )

    @field_validator("kind", mode="before")
    @classmethod
    def _as_it_was_called(cls, kind: Any) -> Any:
        """Runbooks, and those that the ledger keeps of earlier releases, may name the forwarder that Caddy took the place of."""
        return "caddy" if kind == "forwarder" else kind


Router = Annotated[Caddy, Field()]


class SqliteDatabase(Model):
    """A SQLite file."""

    kind: Literal["sqlite"]
    path: Text = example("data/shop.db", "The file, absolute or relative to the target's directory.")


class PostgresDatabase(Model):
    """A PostgreSQL database: a service of the Compose project, or a server that is reached over the network."""

    kind: Literal["postgres"]
    name: Identifier = example("shop", "The database's name.")
    user: Identifier = example("shop", "The user that owns it.")
    service: ServiceName | None = example(
        "db", "The Compose service that it runs in; then pg_dump and psql run inside of that container.", None
    )
    host: Text | None = example(
        "db.internal", "The server's name, if it is no service of the project.", None, apart=True
    )
    port: Port = example(5432, "The server's port.", 5432)
    password: Template | None = example(
        "${secret.database_password}", "The password; not needed where the container's own user is trusted.", None
    )


class LaterDatabase(Model):
    """A database whose backups are not built yet."""

    kind: Literal["rds", "cloud_sql"]
    settings: dict[str, Any] = example(
        {"instance": "shop-production"}, "What the driver will need; not checked yet.", {}
    )


Database = Annotated[SqliteDatabase | PostgresDatabase | LaterDatabase, Field(discriminator="kind")]


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


class Prometheus(Model):
    """A Prometheus server."""

    kind: Literal["prometheus"]
    url: Template = example("http://prometheus:9090", "Its address.")
    bearer: Template | None = example("${secret.prometheus_token}", "A token for it.", None)
    basic: Credentials | None = example(
        ["admin", "${secret.prometheus_password}"],
        "A user and a password for it, instead of a token.",
        None,
        apart=True,
    )
    series: Series = example({"status_label": "status_class"}, "How the request metrics are named.", Series())


class Scrape(Model):
    """The service's own /metrics page, read by Runwright itself: for those who have no Prometheus."""

    kind: Literal["scrape"]
    url: Template = example("${url.api}/metrics", "The page.")
    bearer: Template | None = example("${secret.metrics_token}", "A token for it.", None)
    basic: Credentials | None = example(
        ["metrics", "${secret.metrics_password}"], "A user and a password for it, instead of a token.", None, apart=True
    )
    series: Series = example({"status_label": "status_class"}, "How the request metrics are named.", Series())


class LaterMetrics(Model):
    """A source of metrics that is not built yet."""

    kind: Literal["cloudwatch", "cloud_monitoring"]
    settings: dict[str, Any] = example({"region": "us-east-1"}, "What the driver will need; not checked yet.", {})


Metrics = Annotated[Prometheus | Scrape | LaterMetrics, Field(discriminator="kind")]


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
    target: Target = example({"platform": "compose", "project": "shop", "directory": "/opt/shop"}, "Where it runs.")
    router: Router | None = example(
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
    database: Database | None = example(
        {"kind": "postgres", "service": "db", "name": "shop", "user": "shop"}, "What holds its data.", None
    )
    backup_marker: AbsolutePath | None = example(
        "/var/backups/LAST_SUCCESS.txt",
        "A file that is written as well whenever a backup was taken and proven, where a monitoring reads when that was. Default: only LAST_SUCCESS.txt in the environment's folder of `backup.directory`.",
        None,
    )
    metrics: Metrics | None = example({"kind": "scrape", "url": "${url.api}/metrics"}, "What measures it.", None)
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
