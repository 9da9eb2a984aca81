"""What a Compose file says, as small facts. The rendered file holds every secret, so it never leaves its parser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from runwright.engine.actions import Command, Do, Output
from runwright.errors import InputError
from runwright.platforms.compose.cli import Project
from runwright.platforms.compose.origins import awaited
from runwright.platforms.compose.refusal import refuse

T = TypeVar("T")

DEPENDS = "depends on"
PROCESSES = "uses the processes of"
"""How a service hangs on another one that it goes on running without: all that it may lose is an address that it knows."""


@dataclass(frozen=True)
class Mount:
    """Something mounted into a service. ``kind`` is bind, volume or tmpfs; ``raw`` is what the file says of it.

    source: the path on the host; the name of the volume as Docker knows it, "" if it has none. A volume of the local driver
    that stands for a folder of the host is a bind mount of that. own: whether the service's ``volumes`` list it; otherwise it
    is one of its ``configs`` or ``secrets``, or comes from another service (``volumes_from``).
    """

    kind: str
    source: str
    target: str
    read_only: bool
    raw: Mapping[str, Any] = field(default_factory=dict, hash=False)
    own: bool = True


@dataclass(frozen=True)
class Build:
    """What a service is built from: absolute folder (or an address), and Dockerfile."""

    context: str
    dockerfile: str = "Dockerfile"


@dataclass(frozen=True)
class ServiceConfig:
    """One service of the file.

    ports: (port in the container, port on the host or "" for a free one). replicas: None if the file does not say.
    entrypoint, command: None if the image's own is used. healthcheck: whether the file has one; the image may have one too.
    awaits_end_of: what it depends on with `service_completed_successfully`: that runs once and ends.
    mounted_otherwise: its configs and secrets, and what `volumes_from` brings; mounts_of_containers: of which containers too.
    hangs_on: {service or container: how, as words before its name}: it is lost if that is made anew without it.
    folder: its working folder, "" for the image's. container_name: "" if Compose gives it one.
    published: (address of this machine or "", port), of single ports only.
    """

    name: str
    image: str | None = None
    build: Build | None = None
    mounts: tuple[Mount, ...] = ()
    ports: tuple[tuple[int, str], ...] = ()
    depends_on: tuple[str, ...] = ()
    healthcheck: bool = False
    profiles: tuple[str, ...] = ()
    replicas: int | None = None
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    folder: str = ""
    awaits_end_of: tuple[str, ...] = ()
    mounted_otherwise: tuple[Mount, ...] = ()
    mounts_of_containers: tuple[str, ...] = ()
    hangs_on: Mapping[str, str] = field(default_factory=dict, hash=False)
    container_name: str = ""
    published: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Outside:
    """A network or a volume (``kind``) that is not the project's own, by the name that Docker knows, and who uses it."""

    kind: str
    name: str
    services: tuple[str, ...]


@dataclass(frozen=True)
class ComposeConfig:
    """The services of a project with its profiles applied, the files that its configs and secrets come from, and what is
    not its own."""

    name: str
    services: Mapping[str, ServiceConfig]
    configs: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    outside: tuple[Outside, ...] = ()

    @property
    def run_once(self) -> frozenset[str]:
        """The services that another one waits for until they have ended: a migration, a seed. No release runs them."""
        return frozenset(name for service in self.services.values() for name in service.awaits_end_of)

    def followers(self, project: str) -> dict[str, dict[str, str]]:
        """Return {service: {other: how it hangs on the other}}: whom `docker compose up` makes anew together with the other.

        What only depends on the other is among it, as `DEPENDS`. What runs once is not: no release runs it.
        """
        names = {c.container_name or f"{project}-{name}-1": name for name, c in self.services.items()}
        found = {}
        for name, service in self.services.items():
            used = {names.get(other, other): how for other, how in service.hangs_on.items()}
            used = {**dict.fromkeys(service.depends_on, DEPENDS), **used}
            if used and name not in self.run_once:
                found[name] = {other: how for other, how in used.items() if other in self.services}
        return {name: used for name, used in found.items() if used}

    def unordered(self, project: str) -> dict[str, list[str]]:
        """Return {service: others} for what hangs on others by the names of their containers: Compose does not know that."""
        hangs = self.followers(project).items()
        found = {name: [other for other in used if other not in self.services[name].depends_on] for name, used in hangs}
        return {name: others for name, others in found.items() if others}

    def needed_by(self, services: Iterable[str]) -> tuple[str, ...]:
        """Return what must run for ``services``, however far down, without them: first what depends on nothing.

        What only a service that runs once depends on is among it, that service is not.
        """
        wanted, seen, found = {*services, *self.run_once}, set[str](), list[str]()

        def visit(name: str) -> None:
            for other in self.services[name].depends_on if name in self.services else ():
                if other not in seen:
                    seen.add(other)
                    visit(other)
                    found.append(other)

        for service in services:
            visit(service)
        return tuple(s for s in found if s not in wanted)


def read_config(do: Do, project: Project, *, interpolate: bool = True) -> ComposeConfig:
    """Return what the files of ``project`` say, as Compose itself understands them.

    With ``interpolate`` the env files must be there and every variable has its value. Without it nothing but the files
    is needed; names that hold variables are left as they are written.
    Raise InputError if Compose refuses the files.
    """
    return do(rendered(project, parse_config, interpolate=interpolate))


def rendered(project: Project, parse: Callable[[Output], T], *, interpolate: bool) -> Command[T]:
    """Return the question what the files of ``project`` say, as JSON for ``parse``, which also sees how Compose refused."""
    flags = () if interpolate else ("--no-interpolate",)
    return Command(
        says=f"read what the Compose files of {project.name} say",
        argv=project.argv("config", "--format", "json", *flags),
        env=project.env,
        ok=frozenset(range(256)),
        parse=parse,
    )


def check_config(do: Do, project: Project) -> None:
    """Prove that Compose accepts the files of ``project``. Raise InputError if it does not."""
    do(
        Command(
            says=f"let Compose check {', '.join(f.name for f in project.files)}",
            argv=project.argv("config", "--quiet"),
            env=project.env,
            ok=frozenset(range(256)),
            parse=refusal,
            assume=None,
        )
    )


def parse_config(output: Output) -> ComposeConfig:
    """Return the facts of ``docker compose config --format json``. Raise InputError if Compose refused the files."""
    refusal(output)
    data = json.loads(output.stdout)
    services = {name: _service(name, raw or {}, data) for name, raw in (data.get("services") or {}).items()}
    return ComposeConfig(
        name=str(data.get("name", "")),
        services=services,
        configs=_files(data.get("configs")),
        secrets=_files(data.get("secrets")),
        outside=tuple(_outside(data)),
    )


def _outside(data: Mapping[str, Any]) -> Iterator[Outside]:
    used: dict[tuple[str, str], list[str]] = {}
    for name, raw in (data.get("services") or {}).items():
        for network in (raw or {}).get("networks") or ():
            used.setdefault(("network", network), []).append(name)
        for mount in (raw or {}).get("volumes") or ():
            if isinstance(mount, Mapping) and mount.get("type") == "volume" and mount.get("source"):
                used.setdefault(("volume", mount["source"]), []).append(name)
    for (kind, key), services in used.items():
        said = (data.get(f"{kind}s") or {}).get(key) or {}
        if said.get("external"):
            yield Outside(kind, str(said.get("name") or key), tuple(services))


def refusal(output: Output) -> None:
    """Raise InputError, with Compose's own words and none of an env file's values, if it refused what it was given."""
    refuse(output.code, output.stderr)


def _service(name: str, raw: Mapping[str, Any], data: Mapping[str, Any]) -> ServiceConfig:
    health = raw.get("healthcheck") or {}
    build = raw.get("build")
    deploy = raw.get("deploy") or {}
    replicas = raw.get("scale", deploy.get("replicas"))
    return ServiceConfig(
        name=name,
        image=raw.get("image"),
        build=_build(build) if build else None,
        mounts=_mounts(raw, data),
        mounted_otherwise=(*_inherited(raw, data), *_mounted_files(raw, data)),
        mounts_of_containers=tuple(
            str(entry).split(":")[1] for entry in raw.get("volumes_from") or () if str(entry).startswith("container:")
        ),
        ports=tuple(port for p in raw.get("ports") or () if (port := _port(p)) is not None),
        depends_on=tuple(raw.get("depends_on") or ()),
        awaits_end_of=awaited(raw.get("depends_on")),
        healthcheck=bool(health) and not health.get("disable") and health.get("test") != ["NONE"],
        profiles=tuple(raw.get("profiles") or ()),
        replicas=None if replicas is None else int(replicas),
        entrypoint=_words(raw.get("entrypoint")),
        command=_words(raw.get("command")),
        folder=str(raw.get("working_dir") or ""),
        hangs_on=_hangs_on(raw),
        container_name=str(raw.get("container_name") or ""),
        published=tuple(found for p in raw.get("ports") or () if (found := _published(p)) is not None),
    )


def _hangs_on(raw: Mapping[str, Any]) -> dict[str, str]:
    needed, linked = raw.get("depends_on"), {str(link).partition(":")[0] for link in raw.get("links") or ()}
    # Compose writes links and shared namespaces among what a service depends on, as if somebody had asked for a restart
    asked = (n for n, how in needed.items() if (how or {}).get("restart")) if isinstance(needed, Mapping) else ()
    found = {name: "is to be restarted with" for name in asked if name not in linked}
    for key, what in (("network_mode", "uses the network of"), ("ipc", "uses the memory of"), ("pid", PROCESSES)):
        kind, _, name = str(raw.get(key) or "").partition(":")
        if name and kind in ("service", "container"):
            found[name] = what
    for entry in raw.get("volumes_from") or ():
        found[str(entry).removeprefix("container:").partition(":")[0]] = "uses the volumes of"
    return found


def _published(raw: Any) -> tuple[str, str] | None:
    if not isinstance(raw, dict) or not str(raw.get("published") or "").isdigit():
        return None
    return str(raw.get("host_ip") or ""), str(raw["published"])


def _build(raw: Any) -> Build:
    if isinstance(raw, str):
        return Build(raw)
    return Build(str(raw.get("context", ".")), str(raw.get("dockerfile", "Dockerfile")))


def _mounts(service: Mapping[str, Any], data: Mapping[str, Any]) -> tuple[Mount, ...]:
    return tuple(_resolved(_mount(raw), data.get("volumes") or {}) for raw in service.get("volumes") or ())


def _resolved(mount: Mount, volumes: Mapping[str, Any]) -> Mount:
    """Return a mount with its volume's real name, or as the bind mount that the volume stands for."""
    if mount.kind != "volume" or not mount.source:
        return mount
    volume = volumes.get(mount.source) or {}
    options = volume.get("driver_opts") or {}
    if volume.get("driver", "local") == "local" and "bind" in str(options.get("o", "")).split(","):
        return replace(mount, kind="bind", source=str(options.get("device", "")))
    return replace(mount, source=str(volume.get("name") or mount.source))


def _inherited(service: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[Mount]:
    """Yield what `volumes_from` brings from other services; of other containers nobody knows before they are looked at."""
    for entry in service.get("volumes_from") or ():
        name, _, mode = str(entry).partition(":")
        for mount in _mounts((data.get("services") or {}).get(name) or {}, data):
            yield replace(mount, read_only=mount.read_only or mode == "ro", own=False)


def _mounted_files(service: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[Mount]:
    for section, folder in (("configs", "/"), ("secrets", "/run/secrets/")):
        files = _files(data.get(section))
        for entry in service.get(section) or ():
            said = {"source": entry} if isinstance(entry, str) else entry
            if file := files.get(str(said.get("source"))):
                target = str(said.get("target") or said["source"])
                yield Mount("bind", file, target if target.startswith("/") else folder + target, True, own=False)


def _mount(raw: Any) -> Mount:
    if isinstance(
        raw, str
    ):  # Compose renders the long form; an older one left the short form of what it cannot resolve
        source, _, rest = raw.partition(":")
        target, _, mode = rest.partition(":")
        raw = {"type": "bind" if source.startswith((".", "/", "~")) else "volume", "source": source, "target": target}
        if mode == "ro":
            raw["read_only"] = True
    return Mount(
        kind=str(raw.get("type", "volume")),
        source=str(raw.get("source", "")),
        target=str(raw.get("target", "")),
        read_only=bool(raw.get("read_only", False)),
        raw=raw,
    )


def _port(raw: Any) -> tuple[int, str] | None:
    """Return (port in the container, port on this machine or ""); of a range the first; None if a variable hides it."""
    if isinstance(raw, dict):
        target, published = str(raw["target"]), str(raw.get("published") or "")
    else:
        # not interpolated, a variable may hold colons of its own: ${BIND:-127.0.0.1}:80
        plain = re.sub(r"\$\{[^}]*\}", "$", str(raw)).split("/")[0].split(":")
        target, published = plain[-1], plain[-2] if len(plain) > 1 else ""
    target, published = target.partition("-")[0], published.partition("-")[0]
    return (int(target), published if published.isdigit() else "") if target.isdigit() else None


def _words(raw: Any) -> tuple[str, ...] | None:
    if raw is None:
        return None
    return tuple(raw.split()) if isinstance(raw, str) else tuple(str(word) for word in raw)


def _files(raw: Any) -> dict[str, str]:
    return {name: str(entry["file"]) for name, entry in (raw or {}).items() if entry and entry.get("file")}


def require_services(config: ComposeConfig, services: Iterable[str], project: Project) -> None:
    """Raise InputError if one of ``services`` is not in the files (or only in a profile that is not enabled)."""
    missing = [s for s in services if s not in config.services]
    if missing:
        raise InputError(
            f"The Compose files of {project.name} have no service {', '.join(missing)}; "
            f"they have {', '.join(sorted(config.services)) or 'none'}.",
            next="Correct `components` in the runbook, or enable the service's profile with `profiles` in its target.",
        )
