"""Break containers on purpose, for a drill. Replacing them ends it: nothing is left behind."""

from __future__ import annotations

import json
from collections.abc import Sequence

from runwright.engine.actions import Command, Do, Output
from runwright.errors import ActionError
from runwright.platforms.compose.containers import Container
from runwright.runbook.drill import Break

CPUS = "0.01"
"""What took a millisecond takes a tenth of a second. A container with still less (a thousandth) cannot even be stopped."""


def inject(do: Do, there: Sequence[Container], by: Break, prefix: str) -> None:
    """Break ``there``, running containers. kill: without a word of warning. errors: they lose their networks, so that
    nobody reaches them and they reach nobody, while they run on. latency: they get hardly any processor.

    Raise ActionError if there is nothing to break.
    """
    if not there:
        raise _nothing("none of the application's containers runs")
    names, ids = ", ".join(c.name for c in there), [c.id for c in there]
    match by:
        case "kill":
            do(Command(says=f"kill {names}, on purpose", key=f"{prefix}/kill", argv=("docker", "kill", *ids)))
        case "latency":
            argv = ("docker", "update", "--cpus", CPUS, *ids)
            do(Command(says=f"leave {names} hardly any processor, on purpose", key=f"{prefix}/slow", argv=argv))
        case "errors":
            found = [(container, network) for container in there for network in do(_networks(container))]
            if not found:
                raise _nothing("its containers are on no network of their own (`network_mode`)")
            for container, network in found:
                do(
                    Command(
                        says=f"take {container.name} off the network {network}, on purpose",
                        key=f"{prefix}/cut/{container.name}/{network}",
                        argv=("docker", "network", "disconnect", "--force", network, container.id),
                    )
                )


def _nothing(why: str) -> ActionError:
    return ActionError(
        f"There is nothing to break: {why}.",
        state="Nothing was broken.",
        next="Break it in another way: kill, errors or latency.",
    )


def _networks(container: Container) -> Command[tuple[str, ...]]:
    return Command(
        says=f"see which networks {container.name} is on",
        argv=("docker", "container", "inspect", "--format", "{{json .NetworkSettings.Networks}}", container.id),
        parse=_names,
        assume=(),
    )


def _names(output: Output) -> tuple[str, ...]:
    return tuple(sorted(json.loads(output.text) or ()))
