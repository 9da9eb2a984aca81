"""Folders as artifacts: where it is noted that one is whole, and what it is.

The note lies beside the folder, never inside, and is written last: a folder without it is not whole.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Note:
    """What a whole folder is: the ``tree`` of git that it holds, of which ``component`` and ``commit``."""

    component: str
    commit: str
    tree: str

    def content(self) -> bytes:
        """Return the note as it is written."""
        return json.dumps(asdict(self), sort_keys=True).encode() + b"\n"


def note_file(folder: Path) -> Path:
    """Return the file that says that ``folder`` is whole."""
    return folder.with_name(f"{folder.name}.json")


def note_of(folder: Path) -> Note | None:
    """Return what ``folder`` is, or None if it is not there or not whole."""
    try:
        return Note(**json.loads(note_file(folder).read_bytes())) if folder.is_dir() else None
    except (FileNotFoundError, ValueError, TypeError):
        return None
