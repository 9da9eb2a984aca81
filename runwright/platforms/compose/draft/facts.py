"""What is known of a system before it has a runbook: small facts of its Compose project, and no secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runwright.platforms.compose.draft.healthchecks import judged_seconds
from runwright.platforms.compose.origins import Origin, awaited, origins

_POSTGRES_NAMES = ("POSTGRES_DB", "POSTGRES_USER")


@dataclass(frozen=True)
class ServiceFacts:
    """One service of the Compose project.

    context: the folder that it is built from, relative to the repository ("." for its root); "" if it is pulled.
    made_from: the same for services that are started from one image. dockerfile, target: as `Build` has them.
    base: the image that it is built on, if that is known. written: its image as the file has it, with its variables.
    profiles: without one of them it is not started. hidden_ports: what is published on a port that a variable names,
    without a value here.
    ports: (port on the host, port in the container). exposed: ports in the container that others reach.
    healthcheck: its command, as one line. judged_seconds: after how long it has passed or failed; None without one.
    ends: others wait until it has run and ended well.
    postgres: POSTGRES_DB and POSTGRES_USER, if it has them; "" where a file that was not read may say it. Nothing else of
    an environment is kept.
    """

    name: str
    image: str = ""
    context: str = ""
    made_from: str = ""
    dockerfile: str = ""
    target: str = ""
    base: str = ""
    written: str = ""
    profiles: tuple[str, ...] = ()
    hidden_ports: tuple[str, ...] = ()
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
    at_start: the files of the repository that migrate, with whatever tool: a container that starts probably does.
    django: the folders that hold a manage.py, which is how a Django project is recognised.
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
    django: tuple[str, ...] = ()


def service_facts(config: Mapping[str, Any], root: str) -> tuple[ServiceFacts, ...]:
    """Return the services of a parsed ``docker compose config --format json``; ``root`` is the repository's folder.

    The rendered file holds every secret of the system: what is returned holds none.
    """
    services = {name: said or {} for name, said in (config.get("services") or {}).items()}
    ending = {name for said in services.values() for name in awaited(said.get("depends_on"))}
    known = origins(services, str(config.get("name", "")), root)
    return tuple(_service(name, said, known[name], ends=name in ending) for name, said in services.items())


def _service(name: str, said: Mapping[str, Any], origin: Origin, *, ends: bool) -> ServiceFacts:
    build = origin.build
    environment = said.get("environment") or {}
    check = said.get("healthcheck") or {}
    test = check.get("test") or ""
    ports = [(str(p.get("published") or ""), p.get("target")) for p in said.get("ports") or []]
    return ServiceFacts(
        name=name,
        image=said.get("image") or "",
        context=build.context if build else "",
        made_from=origin.key,
        dockerfile=build.dockerfile if build else "",
        target=build.target if build else "",
        written=said.get("image") or "",
        profiles=tuple(said.get("profiles") or ()),
        ports=tuple((int(on), int(to)) for on, to in ports if on.isdigit() and to),
        hidden_ports=tuple(on for on, _ in ports if "$" in on),
        exposed=tuple(int(port) for port in map(str, said.get("expose") or ()) if port.isdigit()),
        healthcheck=test if isinstance(test, str) else " ".join(map(str, test)),
        judged_seconds=judged_seconds(check),
        depends_on=tuple(said.get("depends_on") or ()),
        ends=ends,
        postgres={
            key: str(environment.get(key) or "")
            for key in _POSTGRES_NAMES
            if environment.get(key) or environment.get(f"{key}_FILE") or said.get("env_file")
        },
    )
