"""What becomes of the folders and files that application services mount from the host.

Sources are told relative to the folder of the user's that stands for the top of the repository. Each is one of four things:
data (git does not track it): it stays where it is; configuration (git tracks it): the release's own copy is mounted,
so that the old version keeps the old one; source code over the code of the image: it is taken out, because otherwise
an older image would run newer code; or not ours to decide, and then the release is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from runwright.errors import RefusedError
from runwright.platforms.compose.config import Build, Mount

PLACEHOLDERS = frozenset({".gitkeep", ".keep", ".gitignore", ".gitattributes"})
"""A folder of which git tracks only these is a place for data."""

LITTER = frozenset(
    {
        "__pycache__",
        "node_modules",
        ".venv",
        "venv",
        ".pytest_cache",
        ".mypy_cache",
        ".ruff_cache",
        ".next",
        ".DS_Store",
    }
)
"""What tools leave beside source code and nobody misses."""

_SHOWN = 3


class Role(Enum):
    """What a mounted file or folder is."""

    DATA = "data: it stays where it is"
    CONFIG = "configuration: the release's own copy is mounted"
    SOURCE = "source code over the image's own: it is not mounted"


@dataclass(frozen=True)
class Tracked:
    """The files that git tracks in the tree, relative to it."""

    files: frozenset[str]

    def under(self, path: str) -> tuple[str, ...]:
        """Return the tracked files that ``path`` is or holds, sorted; placeholders for empty folders do not count."""
        inside = "" if path == "." else f"{path}/"
        return tuple(
            sorted(
                f
                for f in self.files
                if f == path or (f.startswith(inside) and f.rsplit("/", 1)[-1] not in PLACEHOLDERS)
            )
        )


def relative_to(directory: Path, source: str) -> str | None:
    """Return ``source`` relative to ``directory`` ("." if it is that), or None if it lies elsewhere."""
    path = Path(os.path.normpath(source))
    if not path.is_absolute():
        return None
    inside = os.path.relpath(path, directory)
    return None if inside == ".." or inside.startswith("../") else inside


def role(mount: Mount, build: Build | None, directory: Path, tracked: Tracked) -> Role:
    """Return what ``mount`` is, of a service that is built as ``build`` says (None: it is not built here)."""
    path = relative_to(directory, mount.source)
    if mount.kind != "bind" or path is None or not tracked.under(path):
        return Role.DATA
    is_file = path in tracked.files
    if build is not None and not is_file and _covers_code(mount, path, build, directory):
        return Role.SOURCE
    return Role.CONFIG


def _covers_code(mount: Mount, path: str, build: Build, directory: Path) -> bool:
    context = relative_to(directory, build.context)
    if context is None:
        return False
    if path == context or path == "." or context.startswith(f"{path}/"):
        return True
    # ./backend/src on /app/src hides what `COPY . /app` put there; ./backend/conf on /etc/shop hides nothing of it
    inside = path if context == "." else path.removeprefix(f"{context}/") if path.startswith(f"{context}/") else None
    return inside is not None and mount.target.rstrip("/").endswith(f"/{inside}")


def strangers(folder: Path, path: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the first few files in ``folder/path`` that are not in ``known`` and no litter: somebody's data."""
    names, found = set(known), []
    for root, folders, files in os.walk(folder / path):
        folders[:] = sorted(f for f in folders if f not in LITTER and f != ".git")
        for name in sorted(files):
            inside = os.path.relpath(Path(root) / name, folder)
            if inside not in names and name not in LITTER | PLACEHOLDERS and not name.endswith(".pyc"):
                found.append(inside)
                if len(found) == _SHOWN:
                    return tuple(found)
    return tuple(found)


def refuse_source(service: str, mount: Mount, reason: str) -> RefusedError:
    """Return the error for a mount of source code that cannot be taken out, because of ``reason``."""
    return RefusedError(
        f"Service {service} mounts source code from the host, {mount.source} on {mount.target}: "
        f"the code that runs would not be the image's, and an older image would not bring the older code back. {reason}",
        state="Nothing was started or stopped.",
        next="Move that mount into a Compose file for development alone, which the runbook's `files` do not list; "
        "or, in development, set `allow_source_mounts: true` in the target.",
    )
