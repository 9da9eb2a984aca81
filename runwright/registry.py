"""Which driver serves which name of a runbook: one table for each room, and entry points for drivers that others write.

A line says where the runbook's model is, and where the driver is. Neither is imported before it is needed: whoever reads a
runbook pays for its models alone. A package of somebody else's enters a room by an entry point in the room's group
(`runwright.platforms` and so on) that names a `Line`. What is loaded of it when a runbook is read is the model's module alone, so
the line should stand in a module that imports nothing else of the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from runwright.errors import InputError, RunwrightError


@dataclass(frozen=True)
class Line:
    """One name of a room: where its model and its driver are, as "module:name" each."""

    model: str
    driver: str


@dataclass(frozen=True)
class Room:
    """A kind of driver: what one of it is called, the group of its entry points, and those that come with Runwright.

    key: what tells one from the others in a runbook. formerly: {the name that something had: its name now}. planned: names
    that a runbook may use and that cannot be released yet, with how people name them.
    """

    one: str
    group: str
    key: str
    ours: Mapping[str, Line]
    formerly: Mapping[str, str] = field(default_factory=dict)
    planned: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def theirs(self) -> dict[str, EntryPoint]:
        """Those of other packages, by name. What comes with Runwright goes first: nobody takes its name."""
        return {point.name: point for point in _points().select(group=self.group) if point.name not in self.ours}

    @property
    def names(self) -> tuple[str, ...]:
        """All names that a runbook may use."""
        return (*self.ours, *sorted(self.theirs))

    @property
    def later(self) -> tuple[str, ...]:
        """The names of what is planned, but for what somebody else has built."""
        return tuple(name for name in self.planned if name not in self.names)

    def model(self, name: str) -> Any:
        """Return the model of a runbook's part that names ``name``. Raise InputError if there is none, or it is broken."""
        line = self.ours.get(name)
        return _found(line.model) if line else self._attribute(name, "model")

    def driver(self, name: str) -> Any:
        """Return the driver's object. Raise InputError if there is none, or it is broken."""
        line = self.ours.get(name)
        return _found(line.driver) if line else self._attribute(name, "driver")

    def call(self, name: str, *given: Any) -> Any:
        """Return what the driver, a function, returns. A fault of its own is raised as an InputError that says whose it is."""
        try:
            return self.driver(name)(*given)
        except RunwrightError:
            raise
        except Exception as error:
            raise self.unusable(name, f"{type(error).__name__}: {error}") from error

    def unusable(self, name: str, why: str) -> InputError:
        """Return the error that says why what a package brings as ``name`` cannot be used."""
        point = self.theirs.get(name)
        where = (
            f"{point.value} of the package {point.dist.name if point.dist else '?'}" if point else "of Runwright's own"
        )
        return InputError(
            f"The {self.one} {name!r} cannot be used: {where}: {why}.",
            next=f"Mend or remove that package; what it has to offer is in docs/how-to/extend.md ({self.group}).",
        )

    def _attribute(self, name: str, attribute: str) -> Any:
        point = self.theirs.get(name)
        if point is None:
            raise InputError(
                f"There is no {self.one} {name!r}.",
                next=f"There are {', '.join(self.names)}."
                if self.names
                else f"No package that is installed brings one ({self.group}).",
            )
        try:
            found = getattr(point.load(), attribute)
            return _found(found) if isinstance(found, str) else found
        except Exception as error:
            raise self.unusable(name, f"{type(error).__name__}: {error}") from error


@cache
def _points() -> Any:
    return entry_points()  # all at once: each look goes through all packages that are installed


@cache
def _found(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)


_M, _P = "runwright.runbook", "runwright.platforms"

PLATFORMS = Room(
    "platform",
    "runwright.platforms",
    "platform",
    {
        "host": Line(f"{_M}.platforms.host:HostTarget", f"{_P}.host:PLATFORM"),
        "compose": Line(f"{_M}.platforms.compose:ComposeTarget", f"{_P}.compose:PLATFORM"),
        "kubernetes": Line(f"{_M}.platforms.kubernetes:KubernetesTarget", f"{_P}.kubernetes:PLATFORM"),
    },
    planned={
        "alb_asg": "EC2 behind a load balancer",
        "ecs": "Amazon ECS",
        "aci": "Azure Container Instances",
        "cloud_run": "Google Cloud Run",
    },
)
ROUTERS = Room(
    "router",
    "runwright.routers",
    "kind",
    {
        "caddy": Line(f"{_M}.routers.caddy:Caddy", "runwright.routers.caddy:ROUTER"),
        "haproxy": Line(f"{_M}.routers.haproxy:HAProxy", "runwright.routers.haproxy:ROUTER"),
        "nginx": Line(f"{_M}.routers.nginx:Nginx", "runwright.routers.nginx:ROUTER"),
    },
    formerly={"forwarder": "caddy"},
)
STANDING = "caddy"
"""The router that stands before containers where the runbook's own does not."""
DATABASES = Room(
    "database",
    "runwright.databases",
    "kind",
    {
        "sqlite": Line(f"{_M}.databases.sqlite:SqliteDatabase", "runwright.databases.sqlite:DATABASE"),
        "postgres": Line(f"{_M}.databases.postgres:PostgresDatabase", "runwright.databases.postgres:DATABASE"),
    },
    planned={"rds": "Amazon RDS", "cloud_sql": "Google Cloud SQL"},
)
MIGRATORS = Room(
    "migrator",
    "runwright.migrators",
    "tool",
    {
        "alembic": Line(f"{_M}.migrators.alembic:AlembicMigrate", "runwright.migrators.alembic:MIGRATOR"),
        "command": Line(f"{_M}.migrators.command:CommandMigrate", "runwright.migrators.command:MIGRATOR"),
    },
    planned={"flyway": "Flyway", "sql": "plain SQL files"},
)
METRICS = Room(
    "source of metrics",
    "runwright.metrics",
    "kind",
    {
        "prometheus": Line(f"{_M}.metrics.prometheus:Prometheus", "runwright.metrics.prometheus:SOURCE"),
        "scrape": Line(f"{_M}.metrics.scrape:Scrape", "runwright.metrics.scrape:SOURCE"),
    },
    planned={"cloudwatch": "Amazon CloudWatch", "cloud_monitoring": "Google Cloud Monitoring"},
)
BUILDERS = Room(
    "builder",
    "runwright.builders",
    "kind",
    {
        "docker": Line(f"{_M}.builders:DockerBuilder", "runwright.builders.docker:BUILDER"),
        "folder": Line(f"{_M}.builders:FolderBuilder", "runwright.builders.command:BUILDER"),
    },
)
CUTOVERS = {
    "recreate": "runwright.cutovers.recreate:Recreate",
    "blue_green": "runwright.cutovers.blue_green:BlueGreen",
    "canary": "runwright.cutovers.canary:Canary",
    "rolling": "runwright.cutovers.rolling:Rolling",
    "controlled": "runwright.cutovers.controlled:Controlled",
}
"""The strategies that any platform can offer, with a router where they need one. Those of one platform alone are its kind's."""


def cutover(strategy: str) -> Any:
    """Return the class of a strategy that any platform can offer, None if it is not one of those."""
    where = CUTOVERS.get(strategy)
    return _found(where) if where else None


GATES = {
    kind: f"runwright.gates.{kind}:answer"
    for kind in (
        "ci",
        "env",
        "disk",
        "tool",
        "database",
        "backup",
        "tls",
        "baseline",
        "metrics",
        "window",
        "command",
        "probe",
        "attest",
        "package",
    )
}
"""What is asked before a release: each is a key of a runbook's gate, and a function that answers it."""


def gate(kind: str) -> Any:
    """Return the function that answers a gate: of what it may ask, and of the gate."""
    return _found(GATES[kind])


PROBES = {kind: f"runwright.probes.{kind}:question" for kind in ("http", "burst", "sql", "redis", "logs", "command")}
"""What can be asked of a system: each is a `kind` of a runbook's probe, and a function that says how it is asked."""


def probe(kind: str) -> Any:
    """Return the function that puts the question of a probe: of what is asked, and of who judges the answer."""
    return _found(PROBES[kind])


OTHER_GATES = Room("gate of a package", "runwright.gates", "kind", {})
"""Those that other packages bring: a model of their settings, and a function of what may be asked and of the settings."""


NOTIFIERS = {"webhook": "runwright.notifiers.webhook:send"}
"""Who is told: each is a key of a runbook's ``notify`` that names a secret, and a function that is given it."""


def notifier(way: str) -> Any:
    """Return the function that tells people: of ``do``, of the secret that says where to, and of the text."""
    return _found(NOTIFIERS[way])


OTHER_NOTIFIERS = Room("way to tell people of a package", "runwright.notifiers", "kind", {})
"""Those that other packages bring: a model of their settings, and a function of ``do``, the settings, the secrets and the text."""


ROOMS = (PLATFORMS, ROUTERS, DATABASES, MIGRATORS, METRICS, BUILDERS, OTHER_GATES, OTHER_NOTIFIERS)
