"""What the switch takes over of the services that run in colours, and which services cannot run so."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from runwright.engine.actions import Do, Output
from runwright.errors import InputError
from runwright.platforms.compose.cli import Project
from runwright.platforms.compose.colour_file import pairs
from runwright.platforms.compose.config import refusal, rendered
from runwright.runbook.platforms.compose import ComposeTarget


def entries(config: Mapping[str, Any], target: ComposeTarget) -> dict[str, dict[str, Any]]:
    """Return {service: {"names": {network: names}, "published": [(address, port)]}} of what the switch takes over; "memory" is the
    limit of each container in bytes, if there is one.

    Raise InputError for a service that cannot run twice, with the reason.
    """
    found = {}
    for name, traffic in target.traffic.items():
        raw = (config.get("services") or {}).get(name)
        if raw is None:
            raise InputError(
                f"The Compose files have no service {name}, which `traffic` names.",
                next="Correct `traffic` of the target, or enable the service's profile with `profiles`.",
            )
        if mode := str(raw.get("network_mode") or ""):
            raise _not_twice(name, f"its network is `{mode}`, which two cannot share")
        if finds := _found_by(raw):
            raise _not_twice(
                name, f"a proxy finds its containers by {finds}, and would send users to an unverified version"
            )
        if raw.get("volumes_from"):
            raise _not_twice(name, "it takes its volumes from another service (`volumes_from`)")
        networks = raw.get("networks") or {"default": None}
        nets = config.get("networks") or {}
        calls = [name, *([raw["container_name"]] if raw.get("container_name") else [])]
        names = {
            str((nets.get(net) or {}).get("name") or net): [*calls, *((how or {}).get("aliases") or ())]
            for net, how in (networks.items() if isinstance(networks, Mapping) else dict.fromkeys(networks).items())
        }
        published = []
        for port in raw.get("ports") or ():
            if not port.get("published"):
                continue
            if int(port["target"]) != traffic.port or port.get("protocol", "tcp") != "tcp":
                raise _not_twice(
                    name, f"it publishes its port {port['target']} as {port['published']} too, which two cannot share"
                )
            if not str(port["published"]).isdigit():
                raise _not_twice(name, f"it publishes a range of ports ({port['published']})")
            published.append([str(port.get("host_ip") or ""), int(port["published"])])
        limits = ((raw.get("deploy") or {}).get("resources") or {}).get("limits") or {}
        memory = str(raw.get("mem_limit") or limits.get("memory") or "")
        found[name] = {"names": names, "published": published} | ({"memory": int(memory)} if memory.isdigit() else {})
    return found


def _found_by(raw: Mapping[str, Any]) -> str:
    """Return by what of a service a proxy that watches Docker finds its containers as soon as they run, "" if by nothing."""
    labels, variables = (pairs(raw.get(key)) for key in ("labels", "environment"))
    told = next((key for key in labels if key.startswith("traefik.") or re.fullmatch(r"caddy(_\d+)?(\..*)?", key)), "")
    if told and str(labels.get("traefik.enable", "")).lower() != "false":
        return f"the label {told}"
    return next(
        (f"the variable {name}" for name in ("VIRTUAL_HOST", "VIRTUAL_HOST_MULTIPORTS") if variables.get(name)), ""
    )


def _not_twice(service: str, why: str) -> InputError:
    return InputError(
        f"{service} cannot run in two colours: {why}.",
        next="Take that out of the service in the Compose file, take the service out of `traffic`, or use `strategy: recreate`.",
    )


def read_entries(do: Do, project: Project, target: ComposeTarget) -> dict[str, dict[str, Any]]:
    """Return `entries` of what the files of ``project`` say. Raise InputError, or ActionError if Compose refuses them."""

    def parse(output: Output) -> dict[str, dict[str, Any]] | InputError:
        refusal(output)
        try:
            return entries(json.loads(output.stdout), target)
        except InputError as error:
            return error

    found = do(rendered(project, parse, interpolate=True))
    if isinstance(found, InputError):
        raise found
    return found
