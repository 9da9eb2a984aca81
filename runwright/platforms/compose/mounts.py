"""What becomes of what application services mount: decided by what the image holds where it is mounted.

Code that is mounted over the image's own is no released code: the container has the right image and runs something else. So
each mount is one of these: data stays where it is; configuration that git tracks is mounted from the release's own copy, so that
the old version keeps the old one; what hides files that the image has from the repository is left out if git has all of
it; and what is not ours to decide is refused, unless the runbook says what becomes of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from runwright.engine.there.paths import Path, walk
from runwright.errors import RefusedError
from runwright.platforms.compose.config import Mount
from runwright.platforms.compose.contents import File, Files

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

PROGRAMS = frozenset(
    [
        ".py",
        ".pyc",
        ".so",
        ".js",
        ".mjs",
        ".cjs",
        ".jsx",
        ".ts",
        ".tsx",
        ".css",
        ".html",
        ".vue",
        ".svelte",
        ".wasm",
        ".php",
        ".phtml",
        ".rb",
        ".erb",
        ".pl",
        ".lua",
        ".sh",
        ".jar",
        ".war",
        ".class",
        ".dll",
        ".exe",
        ".ex",
        ".exs",
        ".beam",
        ".go",
        ".rs",
        ".java",
        ".kt",
        ".cs",
        ".twig",
        ".jinja",
        ".j2",
        ".tmpl",
    ]
)
"""What is code by its name, beside whatever may be executed: an image that was built holds it, though git may not."""

_SHOWN = 3


@dataclass(frozen=True)
class Tracked:
    """The files that git tracks in the tree, relative to it, and their ids."""

    files: frozenset[str]
    ids: Mapping[str, str] = field(default_factory=dict)

    @property
    def algorithm(self) -> str:
        """What git makes its ids with."""
        return "sha256" if any(len(i) == 64 for i in self.ids.values()) else "sha1"

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
    """Return ``source`` relative to ``directory`` ("." if it is that), or None if it lies elsewhere; links are followed."""
    if not Path(source).is_absolute():
        return None
    inside = os.path.relpath(str(Path(source).resolve()), str(Path(directory).resolve()))
    return None if inside == ".." or inside.startswith("../") else inside


def covered(held: Files, target: str, path: str | None, tracked: Tracked, folder: str) -> dict[str, File]:
    """Return those files that an image has at ``target`` from the repository: what a mount there hides.

    Each that git has under the same name and with the same content; and below the image's WORKDIR ``folder`` also what bears
    the name of a tracked file in ``path`` (what is mounted there, if it is of the repository), and what was built: programs.
    """
    known = {(PurePosixPath(name).name, digest) for name, digest in tracked.ids.items()}
    at_work = _is_in(target, folder)
    found = {}
    for inside, file in held.items():
        full = PurePosixPath(target) if inside == "." else PurePosixPath(target, inside)
        if full.name in PLACEHOLDERS or LITTER & set(PurePosixPath(inside).parts):
            continue
        named = path is not None and os.path.normpath(PurePosixPath(path, inside)) in tracked.files
        if (full.name, file.digest) in known or (at_work and (named or is_program(full.name, file))):
            found[inside] = file
    return found


def is_program(name: str, file: File) -> bool:
    """Return whether a file is code rather than data."""
    return file.program or PurePosixPath(name).suffix.lower() in PROGRAMS


def _is_in(target: str, folder: str) -> bool:
    return folder not in ("", "/") and PurePosixPath(target).is_relative_to(folder)


def different(files: Mapping[str, File], mounted: Mapping[str, str]) -> tuple[str, ...]:
    """Return those of an image's ``files`` that are not the same in what is ``mounted`` over them ({path: id})."""
    return tuple(sorted(name for name, file in files.items() if mounted.get(name) != file.digest))


def strangers(folder: Path, path: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the first few files in ``folder/path`` that are not in ``known`` and no litter: somebody's data."""
    names, found = set(known), []
    for root, folders, files in walk(folder / path):
        folders[:] = sorted(f for f in folders if f not in LITTER and f != ".git")
        for name in sorted(files):
            inside = str((root / name).relative_to(folder))
            if inside not in names and name not in LITTER | PLACEHOLDERS and not name.endswith(".pyc"):
                found.append(inside)
                if len(found) == _SHOWN:
                    return tuple(found)
    return tuple(found)


def is_binary(path: Path) -> bool:
    """Return whether the file ``path`` is no text: a database, rather than something that a person has edited."""
    try:
        with path.open("rb") as content:
            return b"\0" in content.read(8192)
    except OSError:
        return False


def few(names: Iterable[str]) -> str:
    """Return some of ``names``, and how many more there are."""
    listed = tuple(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more


def refuse_mount(service: str, mount: Mount, hidden: Iterable[str], reason: str, name: str) -> RefusedError:
    """Return the error for a mount over an image's own files that nobody has decided about, because of ``reason``.

    name: what it is called in the runbook's ``mounts``.
    """
    what = f"{mount.source or 'a volume'} on {mount.target}"
    return RefusedError(
        f"Service {service} mounts {what}, over files that the image has from the repository ({few(hidden)}): "
        f"what runs would not be what is released, and an older image would not bring older code back. {reason}",
        state="Nothing was started or stopped.",
        next="Keep data in a folder of its own and mount that; or move the mount into a Compose file for development alone, "
        f"which `files` of the target does not list; or say in the target what becomes of it: `mounts: {{{name}: leave_out}}`"
        f", or keep, if it is as it should be.",
    )


def refuse_program(service: str, mount: Mount, programs: Iterable[str], name: str) -> RefusedError:
    """Return the error for a service that is started with ``programs`` of a mount of which git has nothing.

    name: what it is called in the runbook's ``mounts``.
    """
    return RefusedError(
        f"Service {service} is started with what it mounts on {mount.target} from {mount.source} ({few(programs)}), of which "
        "git has nothing: what runs would not be what is released, and an older image would not bring older code back.",
        state="Nothing was started or stopped.",
        next="Copy it into the image, or commit it, so that each version has its own; or say in the target that it is as it "
        f"should be: `mounts: {{{name}: keep}}`.",
    )
