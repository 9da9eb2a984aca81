"""What the engine and a registry tell of one image."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from runwright.builders.images import REVISION
from runwright.engine.actions import UNKNOWN, Command, Do, Output
from runwright.errors import ObservationError

BUILD = "runwright.build"
"""The label that tells how an image was built: the same commit built otherwise is another image."""
PULL_SECONDS = 900.0
_LOOPBACK = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?/")
# .ID and not .Id: with the latter docker falls back to untyped data, where what is empty is an error
_FORMAT = (
    '{"id":{{json .ID}},"digests":{{json .RepoDigests}},"size":{{json .Size}},'
    f'"revision":{{{{json (index .Config.Labels "{REVISION}")}}}},'
    f'"build":{{{{json (index .Config.Labels "{BUILD}")}}}}}}'
)


@dataclass(frozen=True)
class Image:
    """An image on this machine. commit, recipe: what its labels tell, "" without. digests: its names in registries. size: in bytes."""

    id: str
    commit: str = ""
    recipe: str = ""
    digests: tuple[str, ...] = ()
    size: int = 0


def look(do: Do, reference: str, assume: Image | None = None) -> Image | None:
    """Return the image that ``reference`` names on this machine, or None. A plan goes on with ``assume``.

    Raise ObservationError if docker could not tell.
    """
    return do(
        Command(
            says=f"look for image {reference}",
            argv=("docker", "image", "inspect", "--format", _FORMAT, reference),
            ok=frozenset({0, 1}),
            parse=_image,
            assume=assume,
        )
    )


def in_registry(do: Do, reference: str, env: Mapping[str, str], assume: bool | None = None) -> bool:
    """Return whether its registry has ``reference``. Raise ObservationError if it could not be asked."""
    return do(
        Command(
            says=f"ask the registry for {reference}",
            argv=("docker", "manifest", "inspect", *insecure(reference), reference),
            env=env,
            ok=frozenset({0, 1}),
            parse=_manifest,
            assume=UNKNOWN if assume is None else assume,
            deadline_seconds=60.0,
        )
    )


def insecure(reference: str) -> tuple[str, ...]:
    """Return the flag with which `docker manifest` asks a registry of this machine, as the engine itself does: without TLS."""
    return ("--insecure",) if _LOOPBACK.match(reference) else ()


def pull(do: Do, reference: str, env: Mapping[str, str], says: str, key: str) -> None:
    """Pull ``reference``. Raise ActionError if that fails."""
    argv = ("docker", "pull", "--quiet", reference)
    do(Command(says=says, key=key, argv=argv, env=env, deadline_seconds=PULL_SECONDS))


def tag(do: Do, image: str, name: str, key: str) -> None:
    """Give ``image`` the tag ``name``."""
    do(Command(says=f"call it {name}", key=key, argv=("docker", "tag", image, name)))


def _image(output: Output) -> Image | None:
    error = output.stderr.decode("utf-8", "replace").lower()
    if output.code:
        if "no such image" in error:
            return None
        raise ObservationError(
            "Docker could not tell about an image.",
            next="Run `docker images` by hand; if it fails too, the engine is not running or may not be used by this user.",
        )
    raw = json.loads(output.stdout)
    return Image(
        raw["id"], raw["revision"] or "", raw["build"] or "", tuple(raw["digests"] or ()), raw.get("size") or 0
    )


def _manifest(output: Output) -> bool:
    if output.code == 0:
        return True
    error = output.stderr.decode("utf-8", "replace").lower()
    if "no such manifest" in error or "manifest unknown" in error or "not found" in error:
        return False
    raise ObservationError(
        "The registry could not be asked.",
        state="Nothing was built or pushed.",
        next="Check that it is reachable from here and that the environment's block holds a login that it accepts.",
    )
