"""What earlier releases left on this machine: built folders, half-built ones, logs and worktrees that nobody needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from runwright.platforms.host.slots import see
from runwright.platforms.shape import Kept

_START = re.compile(r"(?P<release>[A-Za-z0-9._-]+-\d{8}-\d{6}-[0-9a-f]{4})-\d+")
"""A start of a release, as its log and pid files are named; what else lies there is the application's."""
_COMMIT = re.compile(r"\.?([0-9a-f]{64}|[0-9a-f]{40})(?:-[0-9a-f]{8})?(?:\.json|\.index|\.partial)?")


def file_name(release_id: str) -> str:
    """Return what the names of a release's log and pid files begin with."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", release_id)


def in_slots(root: Path, slots: tuple[str, ...]) -> Kept:
    """Return what the slots in ``root`` run, or ran last. Raise ObservationError if one of them is not understood."""
    found = [seen.slot for name in slots if (seen := see(root / "slots" / f"{name}.json"))]
    return Kept(frozenset(slot.commit for slot in found), frozenset(slot.release for slot in found))


def built(store: Path, kept: Kept) -> list[Path]:
    """Return what is in the store of built folders and is of no needed commit. What is not ours is not named.

    The notes come first: a folder without its note is not whole, and nobody takes it for an artifact any more.
    """
    found = [
        path for path in sorted(store.glob("*/*")) if (of := _COMMIT.fullmatch(path.name)) and of[1] not in kept.commits
    ]
    return sorted(found, key=lambda path: path.suffix != ".json")


def written(root: Path, slots: tuple[str, ...], kept: Kept) -> list[Path]:
    """Return the logs and pid files of starts that belong to no needed release."""
    names = {file_name(release) for release in kept.releases}
    starts = ((path, _START.fullmatch(path.stem)) for path in _of_starts(root, slots))
    return [path for path, of in starts if of and of["release"] not in names]


def checked_out(trees: Path, kept: Kept) -> list[Path]:
    """Return the worktrees, one folder for each release, that a killed or failed build of no needed release left."""
    return [path for path in sorted(trees.glob("*")) if path.is_dir() and path.name not in kept.releases]


def _of_starts(root: Path, slots: tuple[str, ...]) -> Iterator[Path]:
    for slot in slots:
        yield from sorted((root / "logs" / slot).glob("*-*.log"))
        yield from sorted((root / "slots" / slot).glob("*-*.pid"))
