"""The images of a system that are on this machine, as Docker tells."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass

from runwright.engine.actions import Command, Do, Output
from runwright.errors import ObservationError
from runwright.plural import plural

REVISION = "org.opencontainers.image.revision"
SYSTEM = "runwright.system"
"""The label of what Runwright has built: the system's name."""
# .ID and not .Id: with the latter docker falls back to untyped data, where what is empty is an error
_FORMAT = (
    f'{{"id":{{{{json .ID}}}},"tags":{{{{json .RepoTags}}}},"commit":{{{{json (index .Config.Labels "{REVISION}")}}}}}}'
)


@dataclass(frozen=True)
class Built:
    """An image that Runwright has built here: its id, all its tags, and the commit that it is of."""

    id: str
    tags: tuple[str, ...]
    commit: str


def images_of(do: Do, system: str) -> tuple[Built, ...]:
    """Return the images that were built for ``system``. Raise ObservationError if docker could not be asked."""
    ids: tuple[str, ...] = do(
        Command(
            says=f"list the images of {system}",
            argv=("docker", "image", "ls", "--no-trunc", "--quiet", "--filter", f"label={SYSTEM}={system}"),
            parse=lambda output: tuple(dict.fromkeys(output.text.split())),
            assume=(),
        )
    )
    if not ids:
        return ()
    return do(
        Command(
            says=f"look at the images of {system}",
            argv=("docker", "image", "inspect", "--format", _FORMAT, *ids),
            ok=frozenset({0, 1}),
            parse=_parsed,
            assume=(),
        )
    )


def _parsed(output: Output) -> tuple[Built, ...]:
    if output.code and "no such image" not in output.stderr.decode("utf-8", "replace").lower():
        raise ObservationError("Docker could not tell about the images.", next="Run `docker images` by hand.")
    raw = [json.loads(line) for line in output.text.splitlines() if line.strip()]
    return tuple(Built(one["id"], tuple(one["tags"] or ()), one["commit"] or "") for one in raw)


def untag(
    do: Do, system: str, prefixes: Collection[str], old: Collection[str], kept: Collection[str], key: str
) -> None:
    """Take the tags that begin with one of ``prefixes`` from images of ``old`` commits, but for those with an id in ``kept``.

    Docker keeps an image that a container has.
    """
    tags = sorted(
        tag
        for image in images_of(do, system)
        if image.commit in old and image.id not in kept
        for tag in image.tags
        if tag.startswith(tuple(prefixes))
    )
    if tags:
        says = f"remove {plural(len(tags), 'tag')} of images that no release needs: {', '.join(tags)}"
        mark = hashlib.sha256("\n".join(tags).encode()).hexdigest()[:12]
        argv = ("docker", "image", "rm", *tags)
        # 1: one of them is a container's; the others are removed all the same
        ok = frozenset({0, 1})
        do(Command(says=says, key=f"{key}/images/{mark}", argv=argv, ok=ok, deadline_seconds=600.0))
