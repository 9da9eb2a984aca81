"""What an environment is made of: the drivers that its runbook names, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from runwright import registry
from runwright.builders.pulled import Recorded
from runwright.builders.shape import Builder, BuilderKind, Making
from runwright.cutovers.blue_green import BlueGreen
from runwright.cutovers.leaving import Leaving
from runwright.cutovers.shape import Cutover
from runwright.databases.shape import Database, DatabaseKind
from runwright.engine.actions import Do, Process
from runwright.errors import InputError, NotBuiltError
from runwright.ledger.release import Release
from runwright.metrics.shape import Source, SourceKind
from runwright.migrators.shape import Job, Migrator, MigratorKind
from runwright.platforms.shape import Kind, Platform
from runwright.policy.rules import Sample
from runwright.routers.paired import Paired
from runwright.routers.shape import Router
from runwright.runbook.checks import Rule
from runwright.runbook.drill import Break
from runwright.runbook.snapshot import from_json
from runwright.site import SSH_KEY, Site
from runwright.traffic import Upstream
from runwright.versions import Version

_BUILT_BY = {"image": "docker", "folder": "folder"}
"""Which builder makes what a platform runs, where a component does not say so."""

RESERVED = (
    "database_password",
    "registry_username",
    "registry_password",
    "metrics_token",
    "smoke_user",
    "smoke_password",
    "github_token",
    SSH_KEY,
)
"""Names of a block's secrets that are for Runwright; all others are the application's and reach its processes."""


def application_secrets(secrets: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets that the application gets as environment variables: those whose names look like one."""
    return {name: value for name, value in secrets.items() if name not in RESERVED and name == name.upper()}


def kind(site: Site) -> Kind:
    """Return what the environment's platform is registered as."""
    target = site.place.target
    if not target.built:
        raise NotBuiltError(f"Runwright cannot deploy to {target.platform} yet.")
    found: Kind = registry.PLATFORMS.driver(target.platform)
    return found


def platform(site: Site, before: Version | None = None, version: Version | None = None) -> Platform:
    """Return where the system runs. before, version: what ``version`` replaces: it may have services of its own."""
    env = {**application_secrets(site.secrets), **registry_env(site)}
    return kind(site).made(site, env, before, version)


def registry_env(site: Site) -> dict[str, str]:
    """Return where Docker finds the login of the registry, if there is one: a folder that only we can read."""
    if "registry_password" not in site.secrets:
        return {}
    config = site.folders.docker
    return {"DOCKER_CONFIG": str(config)} if (config / "config.json").exists() else {}


def router(site: Site, token: int | None = None, where: Platform | None = None) -> Router | None:
    """Return who sends the system its traffic: the router that the runbook names, else what the platform itself has; None where it
    replaces in place.

    token: the fencing token of the lease under which it is changed, if it is. where: the platform, if it is known for which
    version: a router that has to be started needs that.
    """
    if site.place.router is None:
        return (where or platform(site)).own_router(token)
    stand = (where or platform(site)).stand()
    kind = registry.ROUTERS.driver(site.place.router.kind)
    found: Router = kind.made(site, token, stand)
    if stand is None or kind.stands:
        return found
    return Paired(found, registry.ROUTERS.driver(registry.STANDING).made(site, token, stand))


def strategy(site: Site) -> str:
    """Return how one version gets the users of another: as the runbook says, else as is usual on the platform."""
    return getattr(site.place.target, "strategy", None) or kind(site).strategies[0]


def runs_two(site: Site) -> bool:
    """Return whether the strategy lets two versions run side by side."""
    return bool(getattr(_cutover(site), "stages", False))


def cutover(site: Site, where: Platform, token: int | None = None) -> Cutover:
    """Return how one version gets the users of another on ``where``. token: as for `router`."""
    found: Cutover = _cutover(site)(where, router(site, token, where), getattr(site.place.target, "rungs", ()))
    return found


def _cutover(site: Site) -> Any:
    """Return the class of the strategy: the platform's own, or a common one."""
    name, platform = strategy(site), kind(site)
    return platform.own_cutovers().get(name) or registry.cutover(platform.called.get(name, name))


def out_of_slots(site: Site, where: Platform, before: Release, token: int | None = None) -> Cutover | None:
    """Return how a version gets the users of ``before``, which was released into slots with a router of ours before them, where
    there are none any more; None if it was not."""
    old = Site(from_json(before.runbook), before.environment, site.folders, site.secrets)
    if old.place.target.platform != site.place.target.platform or not runs_two(old):
        return None
    found = cutover(old, platform(old, None, before.version), token)
    return Leaving(where, found) if isinstance(found, BlueGreen) and found.platform.stand() is not None else None


def inject(site: Site, do: Do, slot: str, by: Break, seconds: float, token: int | None, key: str) -> None:
    """Break what serves in ``slot`` on purpose: by the platform, or by the router, whichever can.

    Raise InputError if neither can.
    """
    where, front = platform(site), router(site, token)
    if front is not None and by in front.breaks:
        front.inject(do, slot, by, seconds, key)
    else:
        where.inject(do, slot, by, key)


def live_process(site: Site, do: Do) -> Process | None:
    """Return the process that the router sends traffic to, or None if there is none (or it is no process of ours)."""
    found = router(site) if site.place.router is not None else None
    live = found.target(do) if found is not None else None
    return platform(site).process(do, live.slot) if live is not None else None


def database(site: Site, fill: Callable[[str], str], tables: Sequence[tuple[str | None, str]] = ()) -> Database | None:
    """Return what holds the system's data, or None. tables: where its revisions are kept, if that was asked for."""
    found = site.place.database
    if found is None:
        return None
    if not found.built:
        raise NotBuiltError(f"Runwright cannot back up {found.kind} yet.")
    maker: DatabaseKind = registry.DATABASES.driver(found.kind)
    return maker.made(site, fill, lambda service: platform(site).exec_argv(service), tables)


def builders(site: Site, recorded: Mapping[str, Recorded] | None = None, *, push: bool = True) -> dict[str, Builder]:
    """Return what makes the artifact of each component. recorded: what is known of those that are pulled. push: whether what
    is made may leave this machine. Raise InputError if the platform cannot run what one makes."""
    where = platform(site)
    making = Making(site, where.recipes(), registry_env(site), recorded or {}, push)
    made: dict[str, Builder] = {}
    found = {}
    for name, component in site.book.components.items():
        one = component.builder.kind if component.builder else _BUILT_BY[where.artifacts]
        if one not in made:
            maker: BuilderKind = registry.BUILDERS.driver(one)
            if maker.makes != where.artifacts:
                raise InputError(
                    f"{site.place.target.platform} runs no {maker.makes}: that is what the builder {one} of {name} makes.",
                    next=f"Leave out `builder` of {name}, or name one that makes what is run there.",
                )
            made[one] = maker.made(making)
        found[name] = made[one]
    return found


def migrator(site: Site) -> Migrator:
    """Return what moves the schema."""
    migrate = site.book.migrate
    assert migrate is not None
    if not migrate.built:
        raise NotBuiltError(f"Runwright cannot run migrations with {migrate.tool} yet.")
    found: MigratorKind = registry.MIGRATORS.driver(migrate.tool)
    return found.made(migrate, platform(site).python)


def job(site: Site, do: Do, version: Version, release_id: str) -> Job:
    """Return a function that runs one-off jobs of ``version`` with the configuration of the migrations' service."""
    migrate = site.book.migrate
    assert migrate is not None
    component = site.book.migrates()
    service = migrate.service or (site.book.components[component].services or [component])[0]
    where = platform(site)

    def run(argv: tuple[str, ...], *, key: str | None, says: str, deadline_seconds: float) -> bytes:
        return where.run_job(
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
    if config is None:
        return None
    if not config.built:
        raise NotBuiltError(
            f"Metrics from {config.kind} are not built yet.",
            next=f"Use {' or '.join(registry.METRICS.names)}, or leave `metrics` out and watch with probes.",
        )
    found: SourceKind = registry.METRICS.driver(config.kind)
    return found.made(config, fill, clock, kept)


def front(site: Site, do: Do) -> Upstream | None:
    """Return where clients reach the system through its router, or None if that never ran."""
    found = router(site) if site.place.router is not None else None
    if found is None:
        return None  # where the platform sends users itself, the runbook's own addresses lead there
    url = found.facts(do).front
    host, _, port = url.removeprefix("http://").rpartition(":")
    return Upstream("front", host, int(port)) if port else None


def stats(site: Site, do: Do, rule: Rule, at: datetime) -> Sample:
    """Return the worst of what the services' instances use, as a sample of ``rule``."""
    where = platform(site)
    names = [f.instance for f in where.observe(do).running if not rule.services or f.service in rule.services]
    if not names:
        return Sample(at, None, None, "no_data", "nothing of it runs")
    found = where.usage(do, names)
    if found is None:
        return Sample(at, None, None, "blind", f"the {site.place.target.platform} platform cannot tell what is used")
    values = [(getattr(usage, str(rule.stats)), name) for name, usage in found.items()]
    if not values:
        return Sample(at, None, None, "no_data", "there are no statistics yet")
    worst, name = max(values)
    return Sample(at, float(worst), None, "ok", f"{name}: {worst:g}")
