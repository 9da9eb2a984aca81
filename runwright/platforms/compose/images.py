"""The images of a version: whether they are here, what their ids are, and how they treat a command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from runwright.engine.actions import UNKNOWN, Command, Do, Output
from runwright.engine.effects.reasons import reason
from runwright.errors import ActionError, ObservationError

REVISION = "org.opencontainers.image.revision"
PULL_SECONDS = 900.0
ASK_SECONDS = 5.0

# .ID and not .Id, for the same reason as in containers.py
_FORMAT = (
    '{"id":{{json .ID}},"entrypoint":{{json .Config.Entrypoint}},"command":{{json .Config.Cmd}},'
    '"folder":{{json .Config.WorkingDir}},"volumes":{{json .Config.Volumes}},'
    f'"revision":{{{{json (index .Config.Labels "{REVISION}")}}}}}}'
)
_INITS = frozenset({"tini", "dumb-init", "catatonit", "docker-init"})
_SHELLS = frozenset({"sh", "bash", "ash", "dash"})


@dataclass(frozen=True)
class Image:
    """One image that is here.

    revision: the commit that its label names, or "". folder: its WORKDIR, or "". volumes: the paths of its VOLUMEs.
    """

    id: str
    entrypoint: tuple[str, ...] = ()
    revision: str = ""
    command: tuple[str, ...] = ()
    folder: str = ""
    volumes: tuple[str, ...] = ()


def image_of(do: Do, reference: str, *, assume: Image | None = None) -> Image | None:
    """Return the image that ``reference`` names, or None if it is not here. A plan goes on with ``assume``."""
    look: Command[Image | None] = Command(
        says=f"look for image {reference}",
        argv=("docker", "image", "inspect", "--format", _FORMAT, reference),
        ok=frozenset({0, 1}),
        parse=parse_image,
        assume=UNKNOWN if assume is None else assume,
    )
    return do(look)


def parse_image(output: Output) -> Image | None:
    """Return the image of an inspection, or None if there is none. Raise ObservationError if docker was not reached."""
    if output.code:
        error = output.stderr.decode("utf-8", "replace")
        if "no such image" in error.lower():
            return None
        raise ObservationError(
            f"Docker could not tell about an image: {reason(output.stderr.decode('utf-8', 'replace')) or 'it did not say why'}.",
            next="Start the engine, or let this user use it, then run again.",
        )
    raw = json.loads(output.stdout)
    return Image(
        raw["id"],
        tuple(raw["entrypoint"] or ()),
        raw["revision"] or "",
        tuple(raw["command"] or ()),
        raw.get("folder") or "",
        tuple(raw.get("volumes") or ()),
    )


def pulled(do: Do, reference: str, keep_as: str, key: str, env: Mapping[str, str]) -> Image:
    """Pull the image that ``reference`` names, keep it by the tag ``keep_as`` and return it.

    Raise ActionError if it cannot be pulled.
    """
    if reference.startswith("sha256:"):
        raise ActionError(
            f"Image {reference[:19]} is not on this machine, and no registry has it.",
            state="Nothing was started or stopped.",
            next="Build this version again, or name a registry in the environment so that images outlive this machine.",
        )
    do(
        Command(
            says=f"pull {reference}",
            key=f"{key}/pull",
            argv=("docker", "pull", "--quiet", reference),
            env=env,
            deadline_seconds=PULL_SECONDS,
        )
    )
    do(
        Command(
            says=f"keep it as {keep_as}, so that no clean-up of Docker removes it",
            key=f"{key}/keep",
            argv=("docker", "tag", reference, keep_as),
        )
    )
    image = image_of(do, reference, assume=Image("sha256:(known when it is pulled)"))
    if image is None:
        raise ActionError(
            f"Image {reference} was pulled and is not here.",
            state="Nothing was started or stopped.",
            next="Look whether something else removes images on this machine (a scheduled `docker image prune`).",
        )
    return image


def swallows_command(entrypoint: tuple[str, ...]) -> bool:
    """Return whether an image with this ENTRYPOINT would not run a command that it is given.

    A script (``docker-entrypoint.sh``) or an init (``tini --``) is expected to end in ``exec "$@"`` and is kept, so that
    a job runs the way its service does. A program (``["python", "app.py"]``, ``["sh", "-c", "…"]``) would take the
    command for its own arguments; a job replaces it.
    """
    words = list(entrypoint)
    if words and PurePosixPath(words[0]).name in _INITS:
        words = words[words.index("--") + 1 :] if "--" in words else []
    if len(words) > 1 and PurePosixPath(words[0]).name in _SHELLS and not words[1].startswith("-"):
        words = words[1:]
    if not words:
        return False
    name = PurePosixPath(words[0]).name
    return not (name.endswith(".sh") or "entrypoint" in name)


def is_there(do: Do, reference: str) -> bool | None:
    """Return whether the engine has an image; None if it cannot tell in a moment."""

    def answer(output: Output) -> bool | None:
        if output.code == 0:
            return True
        if b"no such image" not in output.stderr.lower():
            return None  # the engine does not answer
        # an image of a registry can be pulled again; whether it can, only the registry knows
        return False if reference.startswith("sha256:") else None

    command = Command(
        says=f"ask whether {reference} is here",
        argv=("docker", "image", "inspect", "--format", "{{.Id}}", reference),
        deadline_seconds=ASK_SECONDS,
        ok=frozenset(range(256)),
        parse=answer,
    )
    try:
        return do(command)
    except ActionError:
        return None
