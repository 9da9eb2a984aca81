"""Which driver serves which part of a runbook: one table for each room. A new driver is a new line here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from runwright.builders.command import CommandBuilder
from runwright.builders.compose_build import ComposeBuild
from runwright.builders.docker import Docker
from runwright.builders.pulled import Recorded
from runwright.builders.shape import Builder
from runwright.databases.postgres import Postgres
from runwright.databases.shape import Database
from runwright.databases.sqlite import Sqlite
from runwright.engine.actions import Do, Process, Read
from runwright.errors import NotBuiltError
from runwright.metrics.shape import Source
from runwright.metrics.sources import source_of
from runwright.migrators.alembic import Alembic
from runwright.migrators.shape import Job, Migrator
from runwright.platforms.compose.claims import Claim
from runwright.platforms.compose.driver import Compose
from runwright.platforms.compose.environment import keys_seen as compose_keys
from runwright.platforms.host.driver import SLOTS, Host
from runwright.platforms.host.environment import keys_seen as host_keys
from runwright.platforms.host.slots import see
from runwright.platforms.shape import KeysSeen, Platform, ServiceFact
from runwright.policy.rules import Sample
from runwright.probes.containers import stats as container_stats
from runwright.routers.caddy.driver import CaddyRouter
from runwright.routers.shape import Router
from runwright.runbook.checks import Rule
from runwright.runbook.drill import Break
from runwright.runbook.targets import (
    ComposeTarget,
    HostTarget,
    LaterDatabase,
    LaterTarget,
    PostgresDatabase,
    SqliteDatabase,
)
from runwright.traffic import Upstream
from runwright.versions import Version
from tasks.site import Site

RESERVED = (
    "database_password",
    "registry_username",
    "registry_password",
    "metrics_token",
    "smoke_user",
    "smoke_password",
    "github_token",
)
"""Names of a block's secrets that are for Runwright; all others are the application's and reach its processes."""


def application_secrets(secrets: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets that the application gets as environment variables: those whose names look like one."""
    return {name: value for name, value in secrets.items() if name not in RESERVED and name == name.upper()}


def platform(site: Site, before: Version | None = None, version: Version | None = None) -> Platform:
    """Return where the system runs. before, version: what ``version`` replaces: it may have services of its own."""
    target = site.place.target
    match target:
        case HostTarget():
            return Host(target, site.root, application_secrets(site.secrets), sys.executable)
        case ComposeTarget():
            env = {**application_secrets(site.secrets), **registry_env(site)}
            return Compose(
                target,
                site.book.services(),
                site.folders.tree,
                site.folders.state,
                env,
                system=site.book.system,
                environment=site.environment,
                gone=Compose.gone(before, version, site.book.services()),
            )
        case LaterTarget():
            raise NotBuiltError(f"Runwright cannot deploy to {target.platform} yet.")


def registry_env(site: Site) -> dict[str, str]:
    """Return where Docker finds the login of the registry, if there is one: a folder that only we can read."""
    config = site.folders.docker
    return {"DOCKER_CONFIG": str(config)} if (config / "config.json").exists() else {}


def router(site: Site, token: int | None = None) -> Router | None:
    """Return who sends the system its traffic; None where the platform replaces in place.

    token: the fencing token of the lease under which it is changed, if it is.
    """
    if site.place.router is None or not isinstance(site.place.target, HostTarget):
        return None
    return CaddyRouter(site.place.router, site.root / "caddy", sys.executable, token)


def spoil(site: Site, do: Do, slot: str, by: Break, seconds: float, token: int | None, key: str) -> None:
    """Break what serves in ``slot`` on purpose: by the platform, or by the router, whichever can.

    Raise InputError if neither can.
    """
    where, front = platform(site), router(site, token)
    if front is not None and by in front.breaks:
        front.spoil(do, slot, by, seconds, key)
    else:
        where.spoil(do, slot, by, key)


def keys_seen(site: Site, do: Do, service: str) -> tuple[KeysSeen, ...]:
    """Return which variables each running instance of ``service`` sees, by name; nothing if none runs."""
    target = site.place.target
    match target:
        case HostTarget():
            says = f"read the names of the variables that {service} sees"
            return do(Read(says=says, function=lambda: host_keys(site.root, service, SLOTS), assume=()))
        case ComposeTarget():
            return compose_keys(do, target.project, service)
        case LaterTarget():
            raise NotBuiltError(f"Runwright cannot look at what runs on {target.platform} yet.")


def live_process(site: Site, do: Do) -> Process | None:
    """Return the process that the router sends traffic to, or None if there is none (or it is no process of ours)."""
    found = router(site)
    if found is None:
        return None
    live = found.target(do)
    seen = see(site.root / "slots" / f"{live.slot}.json") if live else None
    return seen.process if seen is not None and seen.runs else None


def database(site: Site, fill: Callable[[str], str], tables: Sequence[tuple[str | None, str]] = ()) -> Database | None:
    """Return what holds the system's data, or None. tables: where its revisions are kept, if that was asked for."""
    match site.place.database:
        case None:
            return None
        case SqliteDatabase(path=path):
            return Sqlite(site.root / path, sys.executable)
        case PostgresDatabase() as found:
            through = None
            if found.service is not None:
                driver = platform(site)
                assert isinstance(driver, Compose)
                through = driver.exec_argv(found.service)
            return Postgres(found, through, fill(found.password) if found.password else None, tables=tables)
        case LaterDatabase(kind=kind):
            raise NotBuiltError(f"Runwright cannot back up {kind} yet.")


def builder(site: Site, recorded: Mapping[str, Recorded] | None = None) -> Builder:
    """Return what makes the system's artifacts. recorded: what is known of its components that are pulled."""
    driver = platform(site)
    if isinstance(driver, Compose):
        services = {name: tuple(c.services or [name]) for name, c in site.book.components.items()}
        return Docker(
            site.book.system,
            site.environment,
            site.folders.state,
            registry=site.place.registry,
            compose=ComposeBuild(driver.build_argv, driver.top, services, driver.compose_env),
            env=registry_env(site),
            recorded=recorded,
        )
    return CommandBuilder(site.folders.artifacts, sys.executable)


def expected(driver: Platform, version: Version) -> dict[str, str]:
    """Return {service: identity} that ``driver`` shows when ``version`` runs."""
    if isinstance(driver, Compose):
        return driver.expected(version)
    return {artifact.component: artifact.identity for artifact in version.artifacts}


def strange(driver: Platform, version: Version, fact: ServiceFact) -> tuple[str, ...]:
    """Return, as phrases, what of a running instance is not ``version``: another artifact, or what is mounted over it.

    A service that ``version`` does not have is none of its.
    """
    wanted = expected(driver, version).get(fact.service)
    if wanted is None:
        return ()
    if fact.identity != wanted:
        return (f"{fact.service} runs {fact.identity[:19]}, and {version.name} is {wanted[:19]}",)
    return driver.unplanned(version, fact) if isinstance(driver, Compose) else ()


def claims(site: Site, do: Do) -> tuple[Claim, ...]:
    """Return who else has what the system would take where it runs."""
    driver = platform(site)
    return driver.claims(do) if isinstance(driver, Compose) else ()


def migrator(site: Site) -> Migrator:
    """Return what moves the schema."""
    assert site.book.migrate is not None
    python = sys.executable if isinstance(site.place.target, HostTarget) else "python"
    return Alembic.of(site.book.migrate, python=python)


def job(site: Site, do: Do, version: Version, release_id: str) -> Job:
    """Return a function that runs one-off jobs of ``version`` with the configuration of the migrations' service."""
    migrate = site.book.migrate
    assert migrate is not None
    component = migrate.component or next(iter(site.book.components))
    service = migrate.service or (site.book.components[component].services or [component])[0]
    driver = platform(site)

    def run(argv: tuple[str, ...], *, key: str | None, says: str, deadline_seconds: float) -> bytes:
        return driver.run_job(
            do,
            version,
            argv,
            service=service,
            key=key,
            says=says,
            release_id=release_id,
            deadline_seconds=deadline_seconds,
        )

    return run


def metrics(
    site: Site, fill: Callable[[str], str], clock: Callable[[], datetime], kept: Sequence[dict[str, Any]] = ()
) -> Source | None:
    """Return what measures the system, or None."""
    config = site.place.metrics
    return None if config is None else source_of(config, fill, clock, kept)


def front(site: Site, do: Do) -> Upstream | None:
    """Return where clients reach the system through its router, or None if that never ran."""
    found = router(site)
    if found is None:
        return None
    url = found.facts(do).front
    host, _, port = url.removeprefix("http://").rpartition(":")
    return Upstream("front", host, int(port)) if port else None


def stats(site: Site, do: Do, rule: Rule, at: datetime) -> Sample:
    """Return the worst of the services' containers, as a sample of ``rule``."""
    names: list[str] = [
        fact.instance
        for fact in platform(site).observe(do).running
        if not rule.services or fact.service in rule.services
    ]
    if isinstance(site.place.target, HostTarget):
        return Sample(at, None, None, "blind", "the host platform has no container statistics")
    if not names:
        return Sample(at, None, None, "no_data", "no container runs")
    found = container_stats(do, names)
    values = [(getattr(usage, str(rule.stats)), name) for name, usage in found.items()]
    if not values:
        return Sample(at, None, None, "no_data", "Docker has no statistics yet")
    worst, name = max(values)
    return Sample(at, float(worst), None, "ok", f"{name}: {worst:g}")
