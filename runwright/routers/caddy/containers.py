"""What stands among containers: which containers of ours there are, and who else has a port."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runwright.engine.actions import Command, Do, Output
from runwright.errors import ActionError
from runwright.routers.caddy.standing import MADE, PROJECT, SERVICE

# .ID and not .Id: with the latter docker falls back to untyped data
_FORMAT = (
    '{"id":{{json .ID}},"name":{{json .Name}},"state":{{json .State.Status}},"finished":{{json .State.FinishedAt}},'
    '"ports":{{json .NetworkSettings.Ports}},"bound":{{json .HostConfig.PortBindings}},'
    '"networks":{{json .NetworkSettings.Networks}}'
    + "".join(
        f',"{name}":{{{{json (index .Config.Labels "{label}")}}}}'
        for name, label in (("service", SERVICE), ("made", MADE))
    )
    + "}"
)


@dataclass(frozen=True)
class Found:
    """A container of ours. finished: when it ended last, ISO 8601. ports: {port inside: (address, port) of this machine}, those
    for us alone first. networks: {network: its names there}."""

    id: str
    name: str
    service: str
    made: str
    state: str
    finished: str
    ports: Mapping[int, tuple[tuple[str, int], ...]]
    networks: Mapping[str, frozenset[str]]

    @property
    def runs(self) -> bool:
        """Whether it runs, or Docker is about to start it again."""
        return self.state in ("running", "restarting")


def ours(do: Do, project: str) -> tuple[Found, ...]:
    """Return the containers that stand in ``project``, running or not. Raise ActionError if Docker does not answer."""
    none: tuple[str, ...] = ()
    ids = do(
        Command(
            says=f"list what stands before the services of {project}",
            argv=("docker", "ps", "-aq", "--no-trunc", "--filter", f"label={PROJECT}={project}"),
            parse=lambda output: tuple(output.text.split()),
            assume=none,
            untouched=True,
        )
    )
    if not ids:
        return ()
    return do(
        Command(
            says=f"look at what stands before the services of {project}",
            argv=("docker", "container", "inspect", "--format", _FORMAT, *ids),
            parse=lambda output: tuple(_found(json.loads(line)) for line in output.text.splitlines() if line),
            assume=(),
            untouched=True,
        )
    )


def _found(told: dict[str, object]) -> Found:
    ports, networks = told["ports"] or {}, told["networks"] or {}
    assert isinstance(ports, dict) and isinstance(networks, dict)
    return Found(
        id=str(told["id"]),
        name=str(told["name"]).lstrip("/"),
        service=str(told["service"]),
        made=str(told["made"]),
        state=str(told["state"]),
        finished=str(told["finished"]),
        ports={int(inside.partition("/")[0]): _bound(where or ()) for inside, where in ports.items()},
        networks={name: frozenset(network.get("Aliases") or ()) for name, network in networks.items()},
    )


def _bound(where: Sequence[Mapping[str, str]]) -> tuple[tuple[str, int], ...]:
    found = {(one["HostIp"], int(one["HostPort"])) for one in where}
    return tuple(sorted(found, key=lambda one: (one[0] != "127.0.0.1", one)))


def holders(do: Do, port: int) -> tuple[str, ...]:
    """Return the names of the running containers that have ``port`` of this machine."""
    return do(
        Command(
            says=f"see which containers have port {port} of this machine",
            argv=("docker", "ps", "--filter", f"publish={port}", "--format", "{{.Names}}"),
            parse=lambda output: tuple(output.text.split()),
            assume=(),
        )
    )


def user(do: Do, uid: int, gid: int) -> str:
    """Return as whom a container runs so that what it writes is ours: where Docker itself runs as us, its root is us."""

    def rootless(output: Output) -> bool:
        return any("rootless" in option for option in json.loads(output.text) or ())

    argv = ("docker", "info", "--format", "{{json .SecurityOptions}}")
    asked = Command(says="see as whom Docker runs", argv=argv, parse=rootless, assume=False)
    return "0:0" if do(asked) else f"{uid}:{gid}"


def outward(do: Do, networks: Sequence[str]) -> bool:
    """Return whether a port can be published by way of one of ``networks``. Raise ActionError if one of them is missing."""
    argv = ("docker", "network", "inspect", "--format", "{{.Internal}}", *networks)

    def parse(output: Output) -> bool:
        return "false" in output.text.split()

    try:
        return do(Command(says=f"look at the networks {', '.join(networks)}", argv=argv, parse=parse, assume=True))
    except ActionError as error:
        raise ActionError(
            error.what,
            state="What would stand there was not started.",
            next=f"The networks {', '.join(networks)} must be there before: `docker network ls` shows which one is not.",
        ) from error
