"""A router of the team's own that runs in a container: what it sees of the files that it is told by, and its networks."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

from runwright.engine.actions import Command, Do
from runwright.errors import RefusedError


def require_folder(do: Do, container: str, inside: str, outside: Path) -> None:
    """Raise RefusedError if the file ``inside`` of ``container`` is not ``outside``, or is mounted alone.

    A mount of one file holds the file and not its name: what is renamed into its place never gets there, but at a restart.
    """
    mounts = do(
        Command(
            says=f"see what {container} has mounted",
            argv=("docker", "container", "inspect", "--format", "{{json .Mounts}}", container),
            parse=lambda output: {str(m["Destination"]): str(m["Source"]) for m in json.loads(output.text)},
            assume={str(PurePosixPath(inside).parent): str(outside.parent)},
        )
    )
    folder = PurePosixPath(inside).parent
    if inside in mounts:
        raise RefusedError(
            f"{inside} is mounted into {container} as a single file: a file that is renamed into its place does not get there, but would at a restart.",
            state="Nothing was changed.",
            next=f"Mount the folder: `{mounts[inside].rpartition('/')[0]}:{folder}:ro`, make the container anew once, and run it again.",
        )
    above = next((str(path) for path in (folder, *folder.parents) if str(path) in mounts), None)
    there = Path(mounts[above]) / folder.relative_to(above) / PurePosixPath(inside).name if above is not None else None
    if there is None or there.resolve() != outside.resolve():
        raise RefusedError(
            f"{inside} in {container} is {'nothing of this machine' if there is None else there}, and not {outside}.",
            state="Nothing was changed.",
            next=f"Mount the folder `{outside.parent}:{folder}:ro` into it, or name the right paths in the runbook.",
        )


def joins(do: Do, container: str, network: str, key: str) -> None:
    """Let ``container`` be on ``network``, without a name there."""
    on = do(
        Command(
            says=f"see on which networks {container} is",
            argv=("docker", "container", "inspect", "--format", "{{json .NetworkSettings.Networks}}", container),
            parse=lambda output: tuple(json.loads(output.text)),
            assume=(network,),
        )
    )
    if network not in on:
        argv = ("docker", "network", "connect", network, container)
        do(Command(argv=argv, says=f"let {container} reach {network}", key=key))
