"""A fence on files: who was overtaken replaces them no more, at whatever instant its process was stopped and wakes up.

Each token has a folder of its own inside of the fence. A file that is fenced is written there first and renamed from there.
To take over is to make one's own folder, and to take away those of lower tokens: the rename of whoever had one fails from
then on. No lock is held, so nobody who is stopped can hold up who takes over.
"""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

from runwright.engine.there import paths
from runwright.errors import ActionError, FencedError


def permit(fence: Path, token: int) -> Path:
    """Return the folder of ``token``: while it is there, its holder may replace what is fenced."""
    return fence / str(token)


def highest(fence: Path) -> int:
    """Return the highest token that took over, 0 if none did."""
    return max(_tokens(paths.Path(fence)), default=0)


def fenced(fence: Path, token: int) -> FencedError:
    """Return the error for whoever has ``token`` and was overtaken."""
    now = highest(fence)
    return FencedError(
        f"This process was refused: its lease (token {token}) was taken over by token {now}."
        if now > token
        else f"This process was refused: what its lease (token {token}) permits is gone from {fence}.",
        next="Nothing needs to be done here: who holds the lease now goes on. `runwright status` shows who.",
    )


def raise_to(fence: Path, token: int) -> None:
    """From here on refuse all tokens lower than ``token``. Raise FencedError if a higher one took over, ActionError."""
    fence = paths.Path(fence)
    try:
        permit(fence, token).mkdir(parents=True, exist_ok=True)
        if highest(fence) > token:  # looked at afterwards: who takes over now finds our folder, and takes it away
            with contextlib.suppress(OSError):
                permit(fence, token).rmdir()
            raise fenced(fence, token)
        for lower in _tokens(fence) - {token}:
            gone: paths.Path = fence / f".{lower}-{secrets.token_hex(4)}"
            with contextlib.suppress(FileNotFoundError):
                permit(fence, lower).rename(gone)  # at once, whatever is written there at this moment
            gone.remove_tree()
    except OSError as error:
        raise ActionError(
            f"{fence} cannot be changed: {error.strerror}.",
            state="Who held the lease before could still change what is behind it; nothing else was done.",
            next="Make room or give this user the right to write there, then run again.",
        ) from error


def _tokens(fence: Path) -> set[int]:
    with contextlib.suppress(FileNotFoundError):
        return {int(folder.name) for folder in fence.iterdir() if folder.name.isdecimal()}
    return set()
