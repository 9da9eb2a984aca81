"""What must fit together between the parts of a runbook, beyond what each part alone must be."""

from __future__ import annotations

from collections.abc import Iterator

from runwright import registry
from runwright.errors import InputError
from runwright.runbook.base import as_duration
from runwright.runbook.checked_probes import probe_mistakes, probe_warnings
from runwright.runbook.checked_watch import rule_mistakes, rule_warnings
from runwright.runbook.document import Mistake
from runwright.runbook.model import PRODUCTION_WATCH_SECONDS, Runbook
from runwright.runbook.nearest import unknown
from runwright.runbook.packaged import Packaged, settings_of
from runwright.runbook.words import Path


def mistakes(book: Runbook) -> Iterator[Mistake]:
    """Yield everything that does not fit together in ``book``."""
    checks = (
        _names,
        _services,
        _canary,
        _packages,
        _environments,
        _migrate,
        _backup,
        _production,
        _drills,
        _gates,
        _windows,
        probe_mistakes,
        rule_mistakes,
    )
    for check in checks:
        yield from check(book)


def warnings(book: Runbook) -> list[str]:
    """Return what is allowed in ``book`` and yet worth a second look, one sentence each."""
    return [*_production_warnings(book), *_drill_warnings(book), *probe_warnings(book), *rule_warnings(book)]


def _names(book: Runbook) -> Iterator[Mistake]:
    lists = {
        ("gates",): [g.id for g in book.gates],
        ("watch", "rules"): [r.id for r in book.watch.rules],
        ("verify", "health"): [p.id for p in book.verify.health],
        ("verify", "smoke"): [p.id for p in book.verify.smoke],
    }
    probes = [p.id for p in book.verify.health]
    for above, ids in lists.items():
        earlier = set(probes if above == ("verify", "smoke") else [])
        for i, name in enumerate(ids):
            if name in earlier:
                yield Mistake((*above, i, "id"), f"`{name}` is the id of another one already; give it one of its own.")
            earlier.add(name)
    limited: list[tuple[Path, list[str]]] = [
        *((("gates", i), g.environments) for i, g in enumerate(book.gates)),
        *((("watch", "rules", i), r.environments) for i, r in enumerate(book.watch.rules)),
        *((("verify", "health", i), p.environments) for i, p in enumerate(book.verify.health)),
        *((("verify", "smoke", i), p.environments) for i, p in enumerate(book.verify.smoke)),
    ]
    for path, names in limited:
        for i, name in enumerate(names):
            if name not in book.environments:
                what = unknown("environment", name, book.environments)
                yield Mistake((*path, "environments", i), what, needs=("environments",))


def _services(book: Runbook) -> Iterator[Mistake]:
    first: dict[str, str] = {}
    for name, component in book.components.items():
        for i, service in enumerate(component.services or [name]):
            if service in first:
                path: Path = ("components", name, "services", i) if component.services else ("components", name)
                what = f"the service `{service}` belongs to the component `{first[service]}` already; a service runs one of them."
                yield Mistake(path, what)
            first.setdefault(service, name)
        building = ("context", "build_args", "dockerfile", "steps", "platforms", "no_cache", "max_gigabytes", "tags")
        if component.image and (said := [key for key in building if getattr(component, key)]):
            what = (
                f"an image that is pulled is not built: leave out `image`, or {', '.join(f'`{key}`' for key in said)}."
            )
            yield Mistake(("components", name, "image"), what)
        if not any(place.registry for place in book.environments.values()):
            for key in ("tags", *(["platforms"] if len(component.platforms) > 1 else [])):
                if getattr(component, key):
                    what = f"`{key}` need a registry: no environment has one, and one machine keeps one image of a version."
                    yield Mistake(
                        ("components", name, key), what, ("registry: {prefix: ghcr.io/acme}",), needs=("environments",)
                    )


def _packages(book: Runbook) -> Iterator[Mistake]:
    named: list[tuple[Path, registry.Room, Packaged]] = [
        (("gates", i, "package"), registry.OTHER_GATES, gate.package)
        for i, gate in enumerate(book.gates)
        if gate.package is not None
    ]
    named += [
        (("notify", "packages", i), registry.OTHER_NOTIFIERS, said) for i, said in enumerate(book.notify.packages)
    ]
    for path, room, said in named:
        try:
            settings_of(room, said)
        except InputError as error:
            yield Mistake(path, f"{error.what} {error.next}")


def _canary(book: Runbook) -> Iterator[Mistake]:
    shares = {share for place in book.environments.values() for share in getattr(place.target, "rungs", ())}
    for i, share in enumerate(book.canary.manual):
        if shares and share not in shares:
            what = f"no target has the share {share} in its `rungs`: nobody would ever be asked."
            yield Mistake(("canary", "manual", i), what, needs=("environments",))


def _environments(book: Runbook) -> Iterator[Mistake]:
    for name, place in book.environments.items():
        path: Path = ("environments", name)
        target = place.target
        yield from target.mistakes(book, place, path)
        if place.router is not None and not target.routed:
            what = f"`router` is for two colours; {target.platform} replaces its services in place here. Leave it out, or say `strategy: blue_green`."
            yield Mistake((*path, "router"), what)
        services = target.service_names(book)
        for i, service in enumerate(place.config.seen_in):
            if service not in services:
                what = unknown("service", service, services)
                yield Mistake((*path, "config", "seen_in", i), what, needs=("components",))
        if place.database is not None:
            yield from place.database.mistakes(place, (*path, "database"))


def _migrate(book: Runbook) -> Iterator[Mistake]:
    migrate = book.migrate
    if migrate is None:
        return
    component = migrate.component or next(iter(book.components))
    if component not in book.components:
        what = unknown("component", component, book.components)
        yield Mistake(("migrate", "component"), what, needs=("components",))
    else:
        services = book.components[component].services or [component]
        own_jobs = all(place.target.own_jobs for place in book.environments.values())
        if migrate.service and migrate.service not in services and not own_jobs:
            what = f"`{migrate.service}` is no service of the component `{component}` ({', '.join(services)}); the job would not run the release's own image."
            yield Mistake(("migrate", "service"), what, needs=("components",))
    for name, place in book.environments.items():
        if place.database is None and migrate.asks_database:
            what = "there is a `migrate` section, and this environment names no `database` that it migrates."
            example = ("database: {kind: postgres, service: db, name: shop, user: shop}",)
            yield Mistake(("environments", name), what, example)


def _backup(book: Runbook) -> Iterator[Mistake]:
    if book.backup is None and book.schedules.backup:
        what = "backups are scheduled, and there is no `backup` section that says where to."
        yield Mistake(("schedules", "backup"), what, ("backup: {directory: /var/backups/shop}",), needs=("backup",))
    if book.backup and not any(place.database for place in book.environments.values()):
        what = "there is a `backup` section, and no environment names a `database`."
        yield Mistake(("backup",), what, needs=("environments",))


def _production(book: Runbook) -> Iterator[Mistake]:
    least = as_duration(PRODUCTION_WATCH_SECONDS)
    why = f"production is watched for at least {least}: most bad releases show within that time, and it can not be skipped."
    for name, place in book.environments.items():
        if place.tier != "production":
            continue
        path: Path = ("environments", name)
        if place.watch is not None and place.watch < PRODUCTION_WATCH_SECONDS:
            yield Mistake((*path, "watch"), f"{as_duration(place.watch)} is too short: {why}", (f"watch: {least}",))
        if place.watch is None and book.watch.duration < PRODUCTION_WATCH_SECONDS:
            what = f"{as_duration(book.watch.duration)} is too short: {why} Another environment may have a shorter one of its own."
            yield Mistake(("watch", "duration"), what, (f"duration: {least}",))
        if place.database is not None and place.database.built and book.backup is None:
            what = f"`{name}` is production and has a database: it needs a `backup`, or what a release does to the data could not be undone."
            yield Mistake(path, what, ("backup: {directory: /var/backups/shop}",), needs=("backup",))
        if book.backup is not None and book.backup.when == "never":
            what = f"`never` is refused: `{name}` is production. Say migrations or always."
            yield Mistake(("backup", "when"), what, ("when: always",))
        if not any(p for p in book.verify.health if not p.environments or name in p.environments):
            what = (
                f"`{name}` is production and has no probe in verify.health: nothing would say whether a release works."
            )
            example = ('verify: {health: [{id: ready, get: "${url.api}/readyz"}]}',)
            yield Mistake(path, what, example, needs=("verify",))


def _drills(book: Runbook) -> Iterator[Mistake]:
    if book.drill is None:
        if book.schedules.drill:
            what = "drills are scheduled, and there is no `drill` section that says where."
            yield Mistake(("schedules", "drill"), what, ("drill: {environments: [staging]}",), needs=("drill",))
        return
    for i, name in enumerate(book.drill.environments):
        path: Path = ("drill", "environments", i)
        if name not in book.environments:
            yield Mistake(path, unknown("environment", name, book.environments), needs=("environments",))
        elif book.environments[name].tier == "production":
            yield Mistake(path, f"`{name}` is production: a drill breaks what it releases, so it is for the others.")
    if book.drill.watch == 0:
        yield Mistake(("drill", "watch"), "a watch of no time notices nothing.", ("watch: 5m",))
    if not book.drill.by:
        yield Mistake(("drill", "by"), "an empty list breaks nothing; leave it out for all ways.", ("by: [kill]",))


def _production_warnings(book: Runbook) -> Iterator[str]:
    for name, place in book.environments.items():
        if not book.probes_of(name):
            yield f"environments.{name}: no probe is asked here; a release counts as good as soon as its services are healthy."
        if place.tier == "production" and (place.refs == "any" or "branch:" in place.refs):
            yield f"environments.{name}.refs: `{place.refs}` lets a branch into production, which moves while it is released; prefer tag:*."
        if place.tier == "production" and not any(r.purpose == "rollback" for r in book.rules_of(name)):
            yield f"environments.{name}: no rule with `purpose: rollback` is watched here; only failing health probes put it back."


def _drill_warnings(book: Runbook) -> Iterator[str]:
    if book.drill is not None and not book.drilled():
        yield "drill: there is no environment to drill, as all are production."


def _asked(book: Runbook, name: str, places: list[str], path: Path) -> Iterator[Mistake]:
    """A gate's probe is there, only reads, and needs nothing that another one saved."""
    known = {p.id: p for p in (*book.verify.health, *book.verify.smoke)}
    if name not in known:
        yield Mistake(path, unknown("probe", name, known), needs=("verify",))
    elif known[name].changes:
        yield Mistake(path, f"the probe `{name}` may change something; a gate only reads.", needs=("verify",))
    elif silent := [e for e in places if name not in [p.id for p in book.probes_of(e)]]:
        yield Mistake(
            path, f"the probe `{name}` is not asked in {', '.join(silent)}, where this gate applies.", needs=("verify",)
        )


def _windows(book: Runbook) -> Iterator[Mistake]:
    """A release that may change something needs the time to be verified, and to be put back if it is not."""
    deadline, target = book.verify.deadline, book.rollback.target
    for i, gate in enumerate(book.gates):
        if gate.window is None or gate.window.seconds >= deadline + target:
            continue
        what = (
            f"this window is open for {as_duration(gate.window.seconds)}, and a release needs {as_duration(deadline + target)} "
            f"of it: verify.deadline ({as_duration(deadline)}) and rollback.target ({as_duration(target)}). It could never be "
            "kept: open it for longer, or make those shorter."
        )
        yield Mistake(("gates", i, "window"), what, needs=("verify", "rollback"))


def _gates(book: Runbook) -> Iterator[Mistake]:
    for i, gate in enumerate(book.gates):
        path: Path = ("gates", i, gate.kind)
        places = {n: p for n, p in book.environments.items() if not gate.environments or n in gate.environments}
        lacking = {
            "database": [n for n, p in places.items() if p.database is None],
            "backup": [n for n, p in places.items() if p.database is None or book.backup is None],
            "metrics": [n for n, p in places.items() if p.metrics is None],
            "env": [n for n, p in places.items() if not (p.config.required or p.config.forms)],
            "baseline": [n for n in places if not any(n in (p.environments or [n]) for p in book.verify.health)],
        }.get(gate.kind, [])
        needed = {
            "database": "a `database`",
            "backup": "a `database`, and the runbook a `backup`",
            "metrics": "`metrics`",
            "env": "`config` with `required` or `forms`",
            "baseline": "a probe in verify.health",
        }
        if lacking:
            what = f"this gate needs {needed[gate.kind]}, which {', '.join(lacking)} has not: it could never fail. Add it, or limit the gate with `environments`."
            yield Mistake(path, what, needs=("environments", "backup", "verify"))
        if gate.probe is not None:
            yield from _asked(book, gate.probe, list(places), path)
        if gate.tls and not gate.tls.url.startswith(("https://", "${url.")):
            yield Mistake((*path, "url"), "a certificate is looked at over https://.")
        if gate.ci and gate.ci.github is None and "github" not in book.source.repo:
            what = "`source.repo` is not on GitHub; say whose checks are meant."
            yield Mistake(path, what, ("github: acme/shop",), needs=("source",))
