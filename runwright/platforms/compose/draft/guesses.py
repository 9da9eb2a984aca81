"""What a Compose project lets one guess about a system: components, addresses, probes, database, migrations."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from runwright.loopback import is_loopback
from runwright.platforms.compose.draft.facts import DraftFacts, ServiceFacts
from runwright.platforms.compose.draft.recognised import (
    URL,
    is_postgres,
    is_proxy,
    is_store,
    is_tool,
    serves,
    why_asked,
)

_EVERYWHERE = "0.0.0.0"  # noqa: S104 - recognised, not listened on
_HTTPS = (443, 8443)
_LONGEST_NAME = 48


@dataclass(frozen=True)
class Probe:
    """A path that a healthcheck asks, and the address that answers it, by its name in `Guess.urls`.

    known: whether a healthcheck asks it; otherwise it is "/". django: Django answers, which need not have a page there.
    """

    id: str
    address: str
    path: str
    known: bool = True
    django: bool = False


@dataclass(frozen=True)
class Guess:
    """What is concluded.

    components: services by component; the first one of each is the one that serves.
    asked: {service: why} of those that a release leaves alone, and that may be meant all the same.
    urls: {name: address}: a component's has its name; where several of its services publish ports, the others' have their own.
    through: {name: proxy} of the addresses that are a proxy's.
    migrates: (component, folder of alembic.ini in its image, whether that is certain).
    """

    components: Mapping[str, tuple[ServiceFacts, ...]]
    database: ServiceFacts | None
    urls: Mapping[str, str]
    through: Mapping[str, str]
    probes: tuple[Probe, ...]
    migrates: tuple[str, str, bool] | None
    asked: Mapping[str, str] = field(default_factory=dict)


def guess(facts: DraftFacts) -> Guess:
    """Return what ``facts`` suggest."""
    active = [s for s in facts.services if not s.profiles]
    database = next((s for s in active if is_postgres(s)), None)
    asked = {s.name: why for s in facts.services if (why := why_asked(s))}
    others = [s for s in active if s is not database]
    proxies = [s for s in others if s.ports and is_proxy(s)]
    fronted = {name for proxy in proxies for name in proxy.depends_on}
    lasting = [s for s in others if not s.ends and s.name not in asked and not is_store(s)]
    components = _grouped([s for s in lasting if s.context] or _not_infrastructure(lasting), fronted)
    urls, behind, through = _addresses(components, proxies, fronted)
    asks = [(name, path) for name in urls for path in _paths(behind[name], anywhere=name in through) or [""]]
    ids = _unique(_slug(path) if len(urls) == 1 else f"{name[:26]}-{_slug(path)}" for name, path in asks)
    probes = tuple(
        Probe(one, name, path or "/", bool(path), any(_around(s, at) for s in behind[name] for at in facts.django))
        for one, (name, path) in zip(ids, asks, strict=True)
    )
    migrates = _migrates(facts, components, [name for name in urls if name in components])
    return Guess(components, database, urls, through, probes, migrates, asked)


def _addresses(
    components: Mapping[str, tuple[ServiceFacts, ...]], proxies: list[ServiceFacts], fronted: set[str]
) -> tuple[dict[str, str], dict[str, Sequence[ServiceFacts]], dict[str, str]]:
    """Return {name: address}, {name: the services that it leads to}, and {name: proxy} of those that only a proxy's port leads to."""
    urls: dict[str, str] = {}
    behind: dict[str, Sequence[ServiceFacts]] = {}
    through: dict[str, str] = {}
    applications = {name: group for name, group in components.items() if not (group[0].ports and is_proxy(group[0]))}
    known = {s.name for group in applications.values() for s in group} & fronted
    for name, group in applications.items():
        published = [service for service in group if service.ports]
        # a proxy that names nothing of ours (it may find its services by labels) leads to whatever serves
        led_to = {s.name for s in group} & known if known else serves(group[0], fronted) >= 0
        for number, service in enumerate(published):
            own = name if number == 0 else _unique([*components, *urls, system_name(service.name)])[-1]
            urls[own], behind[own] = _address(list(service.ports)), [service]
        if not published and proxies and led_to:
            proxy = next((p for p in proxies if set(p.depends_on) & {s.name for s in group}), proxies[0])
            urls[name], behind[name], through[name] = _address(list(proxy.ports)), group, proxy.name
    # a proxy that is built is released: its mistakes show at its own port alone
    for name, group in components.items():
        if name not in applications and group[0].name not in through.values():
            urls[name], behind[name] = _address(list(group[0].ports)), group
    return urls, behind, through


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


def _not_infrastructure(services: list[ServiceFacts]) -> list[ServiceFacts]:
    """Return what is somebody's application in a project that builds nothing: what has a version in its name that a
    variable gives, or the services that wait for others."""
    ours = [s for s in services if not is_proxy(s) and not is_tool(s)] or services
    return [s for s in ours if "$" in s.written] or [s for s in ours if s.depends_on] or ours[:1]


def _grouped(services: list[ServiceFacts], fronted: set[str]) -> dict[str, tuple[ServiceFacts, ...]]:
    """Return {component: services}: what is built from one folder (or is one image) is one component.

    A component has the name of that service of it that serves most, which is its first. Components that others depend on
    come first, as they are replaced in this order; otherwise those that serve most.
    """

    def rank(service: ServiceFacts) -> int:
        return -serves(service, fronted)

    groups: dict[str, list[ServiceFacts]] = {}
    for service in sorted(services, key=rank):
        groups.setdefault(service.made_from or service.context or service.image or service.name, []).append(service)
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
    """Return the paths that healthchecks of ``services`` ask on a published port, or on any."""
    paths: list[str] = []
    for service in services:
        targets = {target for _, target in service.ports}
        for found in URL.findall(service.healthcheck):
            try:
                url = urlsplit(found if "://" in found else f"http://{found}")
                port = url.port or (443 if url.scheme == "https" else 80)
            except ValueError:
                continue  # what a shell would have filled in
            path = url.path or "/"
            plain = re.fullmatch(r"[A-Za-z0-9._~/-]+", path)
            local = url.hostname == _EVERYWHERE or is_loopback(url.hostname or "")
            if local and (anywhere or port in targets) and plain and path not in paths:
                paths.append(path)
    return paths


def _slug(path: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")
    if len(words) > 20:  # its last part says most
        words = re.sub(r"[^a-z0-9]+", "-", path.rstrip("/").rpartition("/")[2].lower()).strip("-")[:20].strip("-")
    return words if re.match(r"[a-z]", words) else "front"


def _around(service: ServiceFacts, folder: str) -> bool:
    """Return whether ``folder`` of the repository is in what the service is built from."""
    return bool(service.context) and not os.path.relpath(folder, service.context).startswith("..")


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
        if _around(service, folder)
    ]
    if not around:
        return next(iter([*urls, *components])), ".", False
    context, name = max(around, key=lambda found: len(found[0].strip(".")))
    inside = os.path.relpath(folder, context)
    return name, inside if re.fullmatch(r"[A-Za-z0-9._/-]+", inside) else ".", True
