"""What a Compose project lets one guess about a system: components, addresses, probes, database, migrations."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from runwright.runbook.healthchecks import judged_seconds

_URL = re.compile(r"https?://[^\s'\"\\)<>|;,]+")
_LOCAL = {"localhost", "127.0.0.1", "0.0.0.0", "::1"}  # noqa: S104 - recognised, not listened on
_POSTGRES = re.compile(r"(^|/)(postgres|postgis|timescaledb|pgvector)([:@]|$)")
_POSTGRES_NAMES = ("POSTGRES_DB", "POSTGRES_USER")
_PROXY = re.compile(r"(^|[/_-])(nginx|caddy|traefik|haproxy|envoy|httpd|apache)([:@_-]|$)|proxy")
_BEHIND = re.compile(
    r"work|celery|beat|cron|queue|task|job|schedul|consum|listen|migrat|prestart|init|seed|flower|test"
)
_HTTPS = (443, 8443)
_LONGEST_NAME = 48


@dataclass(frozen=True)
class ServiceFacts:
    """One service of the Compose project.

    context: the folder that it is built from, relative to the repository ("." for its root); "" if it is pulled.
    ports: (port on the host, port in the container). exposed: ports in the container that others reach.
    healthcheck: its command, as one line. judged_seconds: after how long it has passed or failed; None without one.
    ends: others wait until it has run and ended well.
    postgres: POSTGRES_DB and POSTGRES_USER, if it has them. Nothing else of an environment is kept.
    """

    name: str
    image: str = ""
    context: str = ""
    ports: tuple[tuple[int, int], ...] = ()
    exposed: tuple[int, ...] = ()
    healthcheck: str = ""
    judged_seconds: float | None = None
    depends_on: tuple[str, ...] = ()
    ends: bool = False
    postgres: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DraftFacts:
    """What is known of a system before it has a runbook.

    project: the Compose project's name. directory: where it runs, absolute. repo: where its code is.
    system: what the system is called, if that is not the project's name.
    files: the Compose files, if they are not those that Compose finds by itself.
    alembic: the folder of the repository that holds alembic.ini ("." for its root), None if there is none.
    env_file: the env file that Compose uses, if it is not ``.env`` in the directory.
    at_start: the files of the repository that run `alembic upgrade`: a container that starts probably does.
    """

    project: str
    directory: str
    repo: str
    services: tuple[ServiceFacts, ...]
    files: tuple[str, ...] = ()
    alembic: str | None = None
    env_file: str = ""
    at_start: tuple[str, ...] = ()
    system: str = ""


@dataclass(frozen=True)
class Probe:
    """A path that a healthcheck asks, and the component whose published port answers it."""

    id: str
    component: str
    path: str


@dataclass(frozen=True)
class Guess:
    """What is concluded.

    components: services by component; the first one of each is the one that serves.
    through: {component: proxy} of the addresses that are a proxy's.
    migrates: (component, folder of alembic.ini in its image, whether that is certain).
    """

    components: Mapping[str, tuple[ServiceFacts, ...]]
    database: ServiceFacts | None
    urls: Mapping[str, str]
    through: Mapping[str, str]
    probes: tuple[Probe, ...]
    migrates: tuple[str, str, bool] | None


def service_facts(config: Mapping[str, Any], root: str) -> tuple[ServiceFacts, ...]:
    """Return the services of a parsed ``docker compose config --format json``; ``root`` is the repository's folder.

    The rendered file holds every secret of the system: what is returned holds none.
    """
    services = {name: said or {} for name, said in (config.get("services") or {}).items()}
    ending = {
        name
        for said in services.values()
        if isinstance(said.get("depends_on"), Mapping)
        for name, how in said["depends_on"].items()
        if (how or {}).get("condition") == "service_completed_successfully"
    }
    return tuple(_service(name, said, root, ends=name in ending) for name, said in services.items())


def _service(name: str, said: Mapping[str, Any], root: str, *, ends: bool) -> ServiceFacts:
    context = (said.get("build") or {}).get("context", "")
    environment = said.get("environment") or {}
    check = said.get("healthcheck") or {}
    test = check.get("test") or ""
    ports = ((str(p.get("published") or ""), p.get("target")) for p in said.get("ports") or [])
    return ServiceFacts(
        name=name,
        image=said.get("image") or "",
        context=os.path.relpath(context, root) if context.startswith("/") else context,
        ports=tuple((int(on), int(to)) for on, to in ports if on.isdigit() and to),
        exposed=tuple(int(port) for port in map(str, said.get("expose") or ()) if port.isdigit()),
        healthcheck=test if isinstance(test, str) else " ".join(map(str, test)),
        judged_seconds=judged_seconds(check),
        depends_on=tuple(said.get("depends_on") or ()),
        ends=ends,
        postgres={key: str(environment[key]) for key in _POSTGRES_NAMES if environment.get(key)},
    )


def guess(facts: DraftFacts) -> Guess:
    """Return what ``facts`` suggest."""
    database = next((s for s in facts.services if _is_postgres(s)), None)
    others = [s for s in facts.services if s is not database]
    proxies = [s for s in others if s.ports and _is_proxy(s)]
    fronted = {name for proxy in proxies for name in proxy.depends_on}
    lasting = [s for s in others if not s.ends]
    components = _grouped([s for s in lasting if s.context] or _not_infrastructure(lasting), fronted)
    urls, through = _addresses(components, proxies, fronted)
    asked = [(name, path) for name in urls for path in _paths(components[name], anywhere=name in through)]
    ids = _unique(_slug(path) if len(urls) == 1 else f"{name[:26]}-{_slug(path)}" for name, path in asked)
    probes = tuple(Probe(one, name, path) for one, (name, path) in zip(ids, asked, strict=True))
    return Guess(components, database, urls, through, probes, _migrates(facts, components, urls))


def _addresses(
    components: Mapping[str, tuple[ServiceFacts, ...]], proxies: list[ServiceFacts], fronted: set[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return {component: address}, and {component: proxy} of those that only a proxy's port leads to."""
    urls: dict[str, str] = {}
    through: dict[str, str] = {}
    applications = {name: group for name, group in components.items() if not (group[0].ports and _is_proxy(group[0]))}
    known = {s.name for group in applications.values() for s in group} & fronted
    for name, group in applications.items():
        published = [port for service in group for port in service.ports]
        # a proxy that names nothing of ours (it may find its services by labels) leads to whatever serves
        behind = {s.name for s in group} & known if known else _serves(group[0], fronted) >= 0
        if published:
            urls[name] = _address(published)
        elif proxies and behind:
            proxy = next((p for p in proxies if set(p.depends_on) & {s.name for s in group}), proxies[0])
            urls[name], through[name] = _address(list(proxy.ports)), proxy.name
    if not urls:  # what is built is nothing but a web server
        urls = {name: _address(list(group[0].ports)) for name, group in components.items() if group[0].ports}
    return urls, through


def _address(ports: list[tuple[int, int]]) -> str:
    """Return the address of the published port that most probably speaks plain HTTP."""
    on, to = min(ports, key=lambda port: (port[1] in _HTTPS, port[1] != 80))
    scheme, usual = ("https", 443) if to in _HTTPS else ("http", 80)
    return f"{scheme}://localhost" + ("" if on == usual else f":{on}")


def system_name(text: str) -> str:
    """Return ``text`` as a name of ours: lower case, digits and dashes, beginning with a letter."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    name = name if re.match(r"[a-z]", name) else f"system-{name}"
    return name[:_LONGEST_NAME].rstrip("-")


def _is_postgres(service: ServiceFacts) -> bool:
    return bool(_POSTGRES.search(service.image)) or (not service.context and bool(service.postgres))


def _not_infrastructure(services: list[ServiceFacts]) -> list[ServiceFacts]:
    """Return what is somebody's application in a project that builds nothing: the services that wait for others."""
    return [s for s in services if s.depends_on] or services[:1]


def _is_proxy(service: ServiceFacts) -> bool:
    return bool(_PROXY.search(service.image) or _PROXY.search(service.name))


def _serves(service: ServiceFacts, fronted: set[str]) -> int:
    """Return how much speaks for it that clients reach this service; below 0: it works behind the others."""
    return (
        8 * bool(service.ports)
        + 4 * (service.name in fronted)
        + 2 * bool(service.exposed or _URL.search(service.healthcheck))
        - 5 * bool(_BEHIND.search(service.name.lower()))
    )


def _grouped(services: list[ServiceFacts], fronted: set[str]) -> dict[str, tuple[ServiceFacts, ...]]:
    """Return {component: services}: what is built from one folder (or is one image) is one component.

    A component has the name of that service of it that serves most, which is its first. Components that others depend on
    come first, as they are replaced in this order; otherwise those that serve most.
    """

    def rank(service: ServiceFacts) -> int:
        return -_serves(service, fronted)

    groups: dict[str, list[ServiceFacts]] = {}
    for service in sorted(services, key=rank):
        groups.setdefault(service.context or service.image or service.name, []).append(service)
    ordered = _needed_first(list(groups.values()))
    names = _unique(system_name(together[0].name) for together in ordered)
    return dict(zip(names, map(tuple, ordered), strict=True))


def _needed_first(groups: list[list[ServiceFacts]]) -> list[list[ServiceFacts]]:
    """Return ``groups`` in their order, but each after those that it depends on; a circle is cut somewhere."""
    ordered: list[list[ServiceFacts]] = []
    seen: list[list[ServiceFacts]] = []

    def place(group: list[ServiceFacts]) -> None:
        if group in seen:
            return
        seen.append(group)
        needed = {name for service in group for name in service.depends_on}
        for other in groups:
            if needed & {service.name for service in other}:
                place(other)
        ordered.append(group)

    for group in groups:
        place(group)
    return ordered


def _unique(names: Iterable[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        number, tried = 2, name
        while tried in found:
            tried, number = f"{name[: _LONGEST_NAME - 4]}-{number}", number + 1
        found.append(tried)
    return found


def _paths(services: Iterable[ServiceFacts], *, anywhere: bool) -> list[str]:
    """Return the paths that healthchecks of ``services`` ask on a published port, or on any; "/" if none does."""
    paths: list[str] = []
    for service in services:
        targets = {target for _, target in service.ports}
        for found in _URL.findall(service.healthcheck):
            try:
                url = urlsplit(found)
                port = url.port or (443 if url.scheme == "https" else 80)
            except ValueError:
                continue  # what a shell would have filled in
            path = url.path or "/"
            plain = re.fullmatch(r"[A-Za-z0-9._~/-]+", path)
            if url.hostname in _LOCAL and (anywhere or port in targets) and plain and path not in paths:
                paths.append(path)
    return paths or ["/"]


def _slug(path: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")
    if len(words) > 20:  # its last part says most
        words = re.sub(r"[^a-z0-9]+", "-", path.rstrip("/").rpartition("/")[2].lower()).strip("-")[:20].strip("-")
    return words if re.match(r"[a-z]", words) else "front"


def _migrates(
    facts: DraftFacts, components: Mapping[str, tuple[ServiceFacts, ...]], urls: Iterable[str]
) -> tuple[str, str, bool] | None:
    """Return the component that is built from the folder that holds alembic.ini, or from one around it.

    If there is none: the first that clients reach.
    """
    if facts.alembic is None or not components:
        return None
    folder = os.path.normpath(facts.alembic)
    around = [
        (os.path.normpath(service.context), name)
        for name, services in components.items()
        for service in services
        if service.context and not os.path.relpath(folder, service.context).startswith("..")
    ]
    if not around:
        return next(iter([*urls, *components])), ".", False
    context, name = max(around, key=lambda found: len(found[0].strip(".")))
    inside = os.path.relpath(folder, context)
    return name, inside if re.fullmatch(r"[A-Za-z0-9._/-]+", inside) else ".", True
