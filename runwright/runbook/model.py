"""A runbook: how one system is released, as data."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from runwright import registry
from runwright.errors import InputError
from runwright.runbook.base import (
    Duration,
    Model,
    Name,
    Text,
    example,
)
from runwright.runbook.canary import Canary
from runwright.runbook.checks import Rule, Verify, Watch
from runwright.runbook.component import Component
from runwright.runbook.drill import Drills
from runwright.runbook.environment import Environment
from runwright.runbook.forms import Cron, TimeZone
from runwright.runbook.gates import Gate
from runwright.runbook.migrators.shape import LaterMigrate, Migrate
from runwright.runbook.packaged import Packaged
from runwright.runbook.probes import Probe
from runwright.runbook.registered import one_of

if TYPE_CHECKING:
    AnyMigrate = Migrate
else:
    AnyMigrate = one_of(registry.MIGRATORS, LaterMigrate)

PRODUCTION_WATCH_SECONDS = 1800.0
"""Production is never watched for less: what only shows under load shows within thirty minutes, and no parameter may shorten that."""


class Source(Model):
    """Where the code is."""

    repo: Text = example(
        "https://github.com/acme/shop",
        "A git URL, github:OWNER/NAME, or a path on this machine, absolute or relative to this file.",
    )
    token: Text | None = example(
        "github_token", "The name of the block's secret that may read a private repository over https.", None
    )


class Backup(Model):
    """The backup that is taken before a release, and on a schedule."""

    directory: Text = example(
        "/var/backups/shop",
        (
            "Where dumps are written, absolute or relative to this file. Each environment has a folder in it, such as "
            "shop-production; LAST_SUCCESS.txt in there says when its newest proven dump was taken."
        ),
    )
    when: Literal["migrations", "always", "never"] = example(
        "always",
        "migrations: before a release that has some; always: before every release. `never` is refused in production.",
        "always",
    )
    min_bytes: Annotated[int, Field(ge=1)] = example(1024, "A dump that is smaller is no backup.", 64)
    keep: Duration = example(
        "30d", "How long dumps are kept. One that a release may still need is never removed.", 2592000.0
    )
    at_most: Duration = example(
        "1h", "How old the backup may be when migrations begin; an older one is taken again.", 3600.0
    )


class Rollback(Model):
    """The way back."""

    hold: Duration = example(
        "24h",
        "How long the old version is kept running after the watch, on the host platform. Under Compose it is replaced in place; its images are kept.",
        86400.0,
    )
    target: Duration = example("5m", "How long the way back may take before somebody is paged.", 300.0)


class Schedules(Model):
    """What runs by itself; the times are cron expressions."""

    backup: Cron | None = example("15 2 * * *", "Backups.", None)
    drill: Cron | None = example("0 4 1 * *", "Drills, where `drill` says.", None)
    timezone: TimeZone = example("UTC", "The time zone of the times.", "UTC")


class Notify(Model):
    """Who hears of it."""

    webhook: Text | None = example(
        "slack_webhook", "The name of the block's secret that holds an incoming webhook's URL.", None
    )
    packages: list[Packaged] = example(
        [{"kind": "pager", "settings": {"key": "pager_key"}}],
        "Ways that packages of somebody else's bring (entry points in the group runwright.notifiers).",
        [],
        apart=True,
    )


class Runbook(Model):
    """How one system is released. One file a system."""

    system: Name = example("shop", "The system's name.")
    description: str = example("The web shop", "One sentence about it.", "")
    source: Source = example({"repo": "https://github.com/acme/shop"}, "Where the code is.")
    components: dict[Name, Component] = example(
        {"api": {"services": ["api", "worker"]}}, "What is built and deployed.", min_length=1
    )
    environments: dict[Name, Environment] = example(
        {
            "production": {
                "tier": "production",
                "target": {"platform": "compose", "project": "shop", "directory": "/opt/shop"},
            }
        },
        "Where it is released to.",
        min_length=1,
    )
    gates: list[Gate] = example([{"id": "ci", "ci": {}}], "The checklist before a release.", [])
    backup: Backup | None = example(
        {"directory": "/var/backups/shop"}, "The backup. Required in production if there is a database.", None
    )
    migrate: AnyMigrate | None = example({"tool": "alembic"}, "What moves the schema.", None)
    verify: Verify = example(
        {"health": [{"id": "ready", "get": "${url.api}/readyz"}]}, "How a release is proven.", Verify()
    )
    watch: Watch = example(
        {"duration": "30m", "rules": [{"id": "down", "probe": "ready", "failures": 3}]},
        "How long it is watched, and what must not happen.",
        Watch(),
    )
    canary: Canary = example(
        {"hold": "1m", "min_requests": 50},
        "When the share of a canary grows (`strategy: canary` of a target).",
        Canary(),
    )
    rollback: Rollback = example({"hold": "24h"}, "The way back.", Rollback())
    schedules: Schedules = example({"backup": "15 2 * * *"}, "What runs by itself.", Schedules())
    drill: Drills | None = example({"every": "35d"}, "That the way back works is tried before it is needed.", None)
    notify: Notify = example({"webhook": "slack_webhook"}, "Who hears of it.", Notify())

    def services(self) -> dict[str, str]:
        """Return {service: component}, in the order in which services are replaced."""
        return {s: name for name, component in self.components.items() for s in (component.services or [name])}

    def migrates(self) -> str:
        """Return the component whose artifact moves the schema, if ``migrate`` says that one does."""
        return (self.migrate.component if self.migrate else None) or next(iter(self.components))

    def gates_of(self, environment: str) -> list[Gate]:
        """Return the gates of one environment."""
        return [g for g in self.gates if not g.environments or environment in g.environments]

    def rules_of(self, environment: str) -> list[Rule]:
        """Return the watch rules of one environment."""
        return [r for r in self.watch.rules if not r.environments or environment in r.environments]

    def probes_of(self, environment: str) -> list[Probe]:
        """Return the probes of one environment: health, then smoke."""
        return [
            p for p in (*self.verify.health, *self.verify.smoke) if not p.environments or environment in p.environments
        ]

    def watch_seconds(self, environment: str) -> float:
        """Return how long a release is watched there; in production at least thirty minutes."""
        place = self.environments[environment]
        wanted = self.watch.duration if place.watch is None else place.watch
        return max(wanted, PRODUCTION_WATCH_SECONDS) if place.tier == "production" else wanted

    def drilled(self) -> list[str]:
        """Return the environments that are drilled by their schedule, and overdue if they are not."""
        if self.drill is None:
            return []
        return [
            name
            for name, place in self.environments.items()
            if place.tier != "production" and name in (self.drill.environments or [name])
        ]

    def backup_folder(self, environment: str) -> Path:
        """Return where an environment's backups are written: each has a marker of its own there, LAST_SUCCESS.txt.

        Raise ValueError if the runbook has no backup.
        """
        if self.backup is None:
            raise ValueError("the runbook has no backup")
        return Path(self.backup.directory) / f"{self.system}-{environment}"

    def block_of(self, environment: str) -> str:
        """Return the name of the environment's block."""
        return self.environments[environment].block or f"{self.system}-{environment}"


def environment(runbook: Runbook, name: str) -> Environment:
    """Return one environment of ``runbook``. Raise InputError, which lists the names, if it has none of that name."""
    if name in runbook.environments:
        return runbook.environments[name]
    names = ", ".join(runbook.environments)
    near = get_close_matches(name, runbook.environments, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise InputError(f"{runbook.system} has no environment {name!r}.{hint}", next=f"Name one of: {names}.")
