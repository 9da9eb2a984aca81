"""The Compose file of a colour, made from the user's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from runwright.engine.actions import Command, Output
from runwright.platforms.compose import containers
from runwright.platforms.compose.cli import Project
from runwright.platforms.compose.config import refusal, rendered
from runwright.platforms.compose.rows import Place, names
from runwright.traffic import reached

_NOT_TWICE = (
    "build",
    "ports",
    "container_name",
    "depends_on",
    "links",
    "external_links",
    "scale",
    "profiles",
    "mac_address",
)
"""What the file says of a service that its colours do not have: two cannot have it, or it is seen to otherwise."""
_OF_ONE = ("aliases", "ipv4_address", "ipv6_address", "link_local_ips", "mac_address")


class Said:
    """What Compose's rendered file says. It holds every secret, so nothing of it is ever shown."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data

    def __repr__(self) -> str:
        return "Said(...)"


def network_of(project: str) -> str:
    """Return the name of the network on which the switch reaches the colours. Nothing leaves it, so no route changes."""
    return f"{project}_runwright"


def rendered_file(project: Project) -> Command[Said | None]:
    def parse(output: Output) -> Said | None:
        refusal(output)
        return Said(json.loads(output.stdout))

    command: Command[Said | None] = rendered(project, parse, interpolate=True)
    return Command(**{**command.__dict__, "assume": None})


def colour_file(
    config: Mapping[str, Any],
    services: Mapping[str, Place | None],
    slot: str,
    labels: Mapping[str, str],
    network: str,
) -> bytes:
    """Return the Compose file of a colour, as JSON: ``services`` of the rendered ``config``, each under its colour's name.

    services: {service: where the container that is made of it stands, None if all of it are made at once}.
    """
    made = {
        reached(name, slot): _colour(config["services"][name], name, slot, place, labels)
        for name, place in services.items()
    }
    whole = {
        "services": made,
        "networks": {**(config.get("networks") or {}), "runwright": {"name": network, "internal": True}},
        **{section: config[section] for section in ("volumes", "secrets", "configs") if config.get(section)},
    }
    return json.dumps(whole).encode()


def _colour(
    raw: Mapping[str, Any], service: str, slot: str, place: Place | None, labels: Mapping[str, str]
) -> dict[str, Any]:
    said = {key: value for key, value in raw.items() if key not in _NOT_TWICE}
    if deploy := {key: value for key, value in (said.get("deploy") or {}).items() if key != "replicas"}:
        said["deploy"] = deploy
    else:
        said.pop("deploy", None)
    networks = said.get("networks") or {"default": None}
    if isinstance(networks, list):
        networks = dict.fromkeys(networks)
    said["networks"] = {
        name: {key: value for key, value in (how or {}).items() if key not in _OF_ONE} or None
        for name, how in networks.items()
    } | {"runwright": {"aliases": names(service, slot, place)}}
    mine = {containers.SERVICE: service, containers.SLOT: slot, **labels}
    if place is not None:
        mine[containers.ROW] = str(place)
    said["labels"] = {**pairs(said.get("labels")), **{key: value.replace("$", "$$") for key, value in mine.items()}}
    return said


def pairs(raw: Any) -> dict[str, Any]:
    """Return labels or variables, which a file may give as a list, as {name: value}."""
    return dict(raw) if isinstance(raw, Mapping) else dict(str(entry).partition("=")[::2] for entry in raw or ())
