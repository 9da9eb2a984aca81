"""What is left of colours where services are replaced in place again."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from runwright.engine.actions import Command, Do
from runwright.engine.there.paths import Path
from runwright.errors import RefusedError
from runwright.platforms.compose.containers import STOP_SECONDS, Container, ours
from runwright.platforms.compose.neighbours import Neighbours
from runwright.plural import few
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.versions import Version


def out_of_colours(coloured: Iterable[Container], version: Version, before: Version) -> tuple[str, ...]:
    """Return what a person should know of the release that leaves them, a sentence each."""
    names = [c.name for c in coloured]
    services = sorted(set(before.extra["entries"]) & set(version.extra["images"]))
    published = version.extra.get("published", {})
    ports = sorted({int(port) for service in services for _, port in published.get(service, ())})
    its = f" and {'port' if len(ports) == 1 else 'ports'} {few(map(str, ports))}" if ports else ""
    return (
        f"Out of the colours: the switch and {few(names)} are taken away, and then {few(services)} "
        f"{'is' if len(services) == 1 else 'are'} started under {'its' if len(services) == 1 else 'their'} own name{its}. Nobody is "
        "served from when the switch goes until that is healthy.",
        f"The way back is {before.name} in place as well, started anew, and nobody is served meanwhile either. Only what fails before "
        "the switch has gone goes back to the colours as they are.",
    )


def strange_colours(there: Iterable[Container], target: ComposeTarget, state: Path) -> RefusedError | None:
    """Return why nothing can be released, if colours run of which it is not known, or not asked, who sends users to them."""
    strange = [c.name for c in there if c.running and c.slot]
    if not strange:
        return None
    they = f"{few(strange)} {'runs' if len(strange) == 1 else 'run'} in a colour"
    if target.strategy == "recreate":
        return RefusedError(
            f"{they}, and the runbook says `strategy: {target.strategy}`; which release started them is not known here.",
            state="Nothing was changed.",
            next="Release from where they were released (with another RUNWRIGHT_HOME, or as another user); or take a moment of downtime: "
            f"remove those containers and the switch (`docker rm -f $(docker ps -aq --filter label=runwright.switch={target.project})`), "
            "start the application by `docker compose up -d`, and release with `--adopt`.",
        )
    return RefusedError(
        f"{they}, and where users are sent is not known here.",
        state="Nothing was changed.",
        next="Another Runwright released it: with another RUNWRIGHT_HOME, on this machine or as another user "
        f"(its files were in {state / 'switch'}). Release from there.",
    )


def take_colours_away(do: Do, services: Collection[str], beside: Neighbours, prefix: str) -> Neighbours:
    """Remove what ran of ``services`` in a colour, so that it is neither taken for what runs in place nor started again. Return
    ``beside`` without it."""
    left = [c for c in ours(services, beside.there) if c.slot]
    if not left or beside.there is None:
        return beside
    argv = ("docker", "rm", "--force", *(c.id for c in left))
    says = f"remove {few(c.name for c in left)}: the services are started in place again"
    do(Command(says=says, key=f"{prefix}/colours", argv=argv, deadline_seconds=STOP_SECONDS))
    return replace(beside, there=tuple(c for c in beside.there if c not in left))
