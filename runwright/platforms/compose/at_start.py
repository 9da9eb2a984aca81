"""Which services migrate the database by themselves when they start.

Such a service of an old version finds a revision that it does not know once a newer version has migrated, and ends: there
is no way back to it without the database of then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from runwright.actions import Command, Do, Output
from runwright.platforms.compose.config import ServiceConfig
from runwright.platforms.compose.images import Image

MIGRATES = r"alembic.*upgrade"
"""What migrates, in a command, a script or a program: as ``git grep -E`` and Python read it."""


def migrating(
    do: Do, services: Mapping[str, ServiceConfig], names: Iterable[str], images: Mapping[str, Image], folder: Path
) -> list[str]:
    """Return those of ``names`` whose start command migrates, by itself or in a script of ``folder``'s repository."""
    commands = {name: _command(services[name], images[name]) for name in names}
    scripts = _scripts(do, folder) if any(commands.values()) else frozenset()
    return [name for name, command in commands.items() if _migrates(command, scripts)]


def _command(service: ServiceConfig, image: Image) -> str:
    if service.entrypoint is not None:  # then the image's own command does not count
        words = (*service.entrypoint, *(service.command or ()))
    else:
        words = (*image.entrypoint, *(image.command if service.command is None else service.command))
    return " ".join(words)


def _migrates(command: str, scripts: frozenset[str]) -> bool:
    words = (PurePosixPath(word).name for word in re.split(r"[\s;&|'\"]+", command) if word)
    return bool(re.search(MIGRATES, command)) or any(word in scripts for word in words)


def _scripts(do: Do, folder: Path) -> frozenset[str]:
    """Return the names of the tracked scripts and programs of ``folder``'s repository that migrate; none if there is none.

    What a comment says does not count.
    """
    return do(
        Command(
            says=f"ask git which scripts in {folder} migrate",
            argv=("git", "-C", str(folder), "grep", "-lzE", f"^[^#]*{MIGRATES}", "--", ":/*.sh", ":/*.py"),
            ok=frozenset({0, 1, 128}),
            parse=_names,
        )
    )


def _names(output: Output) -> frozenset[str]:
    if output.code == 128:
        return frozenset()
    return frozenset(PurePosixPath(name).name for name in output.text.split("\0") if name)
