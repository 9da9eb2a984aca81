"""What a Compose project lets one guess about a system: components, addresses, probes, database, migrations."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

_URL = re.compile(r"https?://[^\s'\"\\)<>|;,]+")
_LOCAL = {"localhost", "127.0.0.1", "0.0.0.0", "::1"}  # noqa: S104 - recognised, not listened on
_POSTGRES = re.compile(r"(^|/)(postgres|postgis|timescaledb|pgvector)([:@]|$)")
_POSTGRES_NAMES = ("POSTGRES_DB", "POSTGRES_USER")
_LONGEST_NAME = 48


@dataclass(frozen=True)
class ServiceFacts:
    """One service of the Compose project.

    context: the folder that it is built from, relative to the repository ("." for its root); "" if it is pulled.
    ports: (port on the host, port in the container). healthcheck: its command, as one line.
    postgres: POSTGRES_DB and POSTGRES_USER, if it has them. Nothing else of an environment is kept.
    """

    name: str
    image: str = ""
    context: str = ""
    ports: tuple[tuple[int, int], ...] = ()
    healthcheck: str = ""
    depends_on: tuple[str, ...] = ()
    postgres: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DraftFacts:
    """What is known of a system before it has a runbook.

    project: the Compose project's name. directory: where it runs, absolute. repo: where its code is.
    files: the Compose files, if they are not those that Compose finds by itself.
    alembic: the folder of the repository that holds alembic.ini ("." for its root), None if there is none.
    env_file: the env file that Compose uses, if it is not ``.env`` in the directory.
    """

    project: str
    directory: str
    repo: str
    services: tuple[ServiceFacts, ...]
    files: tuple[str, ...] = ()
    alembic: str | None = None
    env_file: str = ""


@dataclass(frozen=True)
class Probe:
    """A path that a healthcheck asks, and the component whose published port answers it."""

    id: str
    component: str
    path: str


@dataclass(frozen=True)
class Guess:
    """What is concluded. migrates: (component, folder of alembic.ini in its image, whether that is certain)."""

    components: Mapping[str, tuple[ServiceFacts, ...]]
    database: ServiceFacts | None
    urls: Mapping[str, str]
    probes: tuple[Probe, ...]
    migrates: tuple[str, str, bool] | None


def service_facts(config: Mapping[str, Any], root: str) -> tuple[ServiceFacts, ...]:
    """Return the services of a parsed ``docker compose config --format json``; ``root`` is the repository's folder.

    The rendered file holds every secret of the system: what is returned holds none.
    """
    return tuple(_service(name, said or {}, root) for name, said in (config.get("services") or {}).items())


def _service(name: str, said: Mapping[str, Any], root: str) -> ServiceFacts:
    context = (said.get("build") or {}).get("context", "")
    environment = said.get("environment") or {}
    test = (said.get("healthcheck") or {}).get("test") or ""
    ports = ((str(p.get("published") or ""), p.get("target")) for p in said.get("ports") or [])
    return ServiceFacts(
        name=name,
        image=said.get("image") or "",
        context=os.path.relpath(context, root) if context.startswith("/") else context,
        ports=tuple((int(on), int(to)) for on, to in ports if on.isdigit() and to),
        healthcheck=test if isinstance(test, str) else " ".join(map(str, test)),
        depends_on=tuple(said.get("depends_on") or ()),
        postgres={key: str(environment[key]) for key in _POSTGRES_NAMES if environment.get(key)},
    )


def guess(facts: DraftFacts) -> Guess:
    """Return what ``facts`` suggest."""
    database = next((s for s in facts.services if _is_postgres(s)), None)
    others = [s for s in facts.services if s is not database]
    components = _grouped([s for s in others if s.context] or _not_infrastructure(others))
    urls: dict[str, str] = {}
    for name, services in components.items():
        published = [port for service in services for port, _ in service.ports]
        if published:
            urls[name] = f"http://localhost:{published[0]}"
    asked = [(name, path) for name in urls for path in _paths(components[name])]
    ids = _unique(_slug(path) if len(urls) == 1 else f"{name[:26]}-{_slug(path)}" for name, path in asked)
    probes = tuple(Probe(one, name, path) for one, (name, path) in zip(ids, asked, strict=True))
    return Guess(components, database, urls, probes, _migrates(facts, components))


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


def _grouped(services: list[ServiceFacts]) -> dict[str, tuple[ServiceFacts, ...]]:
    """Return {component: services}: what is built from one folder (or is one image) is one component."""
    groups: dict[str, list[ServiceFacts]] = {}
    for service in services:
        groups.setdefault(service.context or service.image or service.name, []).append(service)
    chief = (next((s for s in together if s.ports), together[0]) for together in groups.values())
    return dict(zip(_unique(system_name(s.name) for s in chief), map(tuple, groups.values()), strict=True))


def _unique(names: Iterable[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        number, tried = 2, name
        while tried in found:
            tried, number = f"{name[: _LONGEST_NAME - 4]}-{number}", number + 1
        found.append(tried)
    return found


def _paths(services: Iterable[ServiceFacts]) -> list[str]:
    """Return the paths that healthchecks of ``services`` ask on a port that is published; "/" if none does."""
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
            if url.hostname in _LOCAL and port in targets and plain and path not in paths:
                paths.append(path)
    return paths or ["/"]


def _slug(path: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")[:20].strip("-")
    return words if re.match(r"[a-z]", words) else "front"


def _migrates(facts: DraftFacts, components: Mapping[str, tuple[ServiceFacts, ...]]) -> tuple[str, str, bool] | None:
    """Return the component that is built from the folder that holds alembic.ini, or from one around it."""
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
        return next(iter(components)), ".", False
    context, name = max(around, key=lambda found: len(found[0].strip(".")))
    inside = os.path.relpath(folder, context)
    return name, inside if re.fullmatch(r"[A-Za-z0-9._/-]+", inside) else ".", True
