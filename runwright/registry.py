"""Which driver serves which name of a runbook: one table for each room, and entry points for drivers that others write.

A line says where the runbook's model is, and where the driver is. Neither is imported before it is needed: whoever reads a
runbook pays for its models alone. A package of somebody else's enters a room by an entry point in the room's group
(`runwright.platforms` and so on) that names an object with the same two attributes as a line here, ``model`` and ``driver``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from runwright.errors import InputError


@dataclass(frozen=True)
class Line:
    """One name of a room: where its model and its driver are, as "module:name" each."""

    model: str
    driver: str


@dataclass(frozen=True)
class Room:
    """A kind of driver: what one of it is called, the group of its entry points, and those that come with Runwright."""

    one: str
    group: str
    ours: Mapping[str, Line]

    @cached_property
    def theirs(self) -> dict[str, EntryPoint]:
        """Those of other packages, by name. What comes with Runwright goes first: nobody takes its name."""
        return {point.name: point for point in entry_points(group=self.group) if point.name not in self.ours}

    @property
    def names(self) -> tuple[str, ...]:
        """All names that a runbook may use."""
        return (*self.ours, *sorted(self.theirs))

    def model(self, name: str) -> Any:
        """Return the model of a runbook's part that names ``name``. Raise InputError if there is none, or it is broken."""
        line = self.ours.get(name)
        return _found(line.model) if line else self._attribute(name, "model")

    def driver(self, name: str) -> Any:
        """Return the driver's object. Raise InputError if there is none, or it is broken."""
        line = self.ours.get(name)
        return _found(line.driver) if line else self._attribute(name, "driver")

    def _attribute(self, name: str, attribute: str) -> Any:
        point = self.theirs.get(name)
        if point is None:
            raise InputError(f"There is no {self.one} {name!r}.", next=f"There are {', '.join(self.names)}.")
        try:
            return getattr(point.load(), attribute)
        except Exception as error:
            where = f"{point.value} of the package {point.dist.name if point.dist else '?'}"
            raise InputError(
                f"The {self.one} {name!r} cannot be used: {where}: {type(error).__name__}: {error}",
                next=f"Mend or remove that package; what it has to offer is in docs/how-to/extend.md ({self.group}).",
            ) from error


@cache
def _found(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)


_T, _P = "runwright.runbook.targets", "runwright.platforms"

PLATFORMS = Room(
    "platform",
    "runwright.platforms",
    {
        "host": Line(f"{_T}:HostTarget", f"{_P}.host:PLATFORM"),
        "compose": Line(f"{_T}:ComposeTarget", f"{_P}.compose:PLATFORM"),
    },
)
ROUTERS = Room(
    "router",
    "runwright.routers",
    {"caddy": Line(f"{_T}:Caddy", "runwright.routers.caddy:ROUTER")},
)
DATABASES = Room(
    "database",
    "runwright.databases",
    {
        "sqlite": Line(f"{_T}:SqliteDatabase", "runwright.databases:SQLITE"),
        "postgres": Line(f"{_T}:PostgresDatabase", "runwright.databases:POSTGRES"),
    },
)
MIGRATORS = Room(
    "migrator",
    "runwright.migrators",
    {"alembic": Line("runwright.runbook.model:Migrate", "runwright.migrators.alembic:Alembic")},
)
METRICS = Room(
    "source of metrics",
    "runwright.metrics",
    {
        "prometheus": Line(f"{_T}:Prometheus", "runwright.metrics.prometheus:PrometheusSource"),
        "scrape": Line(f"{_T}:Scrape", "runwright.metrics.scrape:ScrapeSource"),
    },
)
CUTOVERS = {
    "recreate": "runwright.cutovers.recreate:Recreate",
    "blue_green": "runwright.cutovers.blue_green:BlueGreen",
}
"""The strategies that any platform can offer, with a router where they need one. Those of one platform alone are its kind's."""


def cutover(strategy: str) -> Any:
    """Return the class of a strategy that any platform can offer, None if it is not one of those."""
    where = CUTOVERS.get(strategy)
    return _found(where) if where else None


ROOMS = (PLATFORMS, ROUTERS, DATABASES, MIGRATORS, METRICS)
