"""The forwarder's fence: the highest token of a lease that it was ever told, and the target of whoever has that token.

Kept beside the target file, so that it outlives the forwarder. A process that was stopped and wakes up after another one
took over has a lower token: the forwarder refuses it, and what it still writes into the target file does not count.
Where nobody gives a token, nothing is fenced: the forwarder may be used by hand.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeGuard


@dataclass(frozen=True)
class Fence:
    """The highest token that was seen, 0 if none was, and the target (as JSON) that went with it."""

    token: int = 0
    target: Any = None

    def content(self) -> bytes:
        """Return it as it is written."""
        return json.dumps(asdict(self)).encode() + b"\n"


def fence_file(state: Path) -> Path:
    """Return where the fence is kept."""
    return state / "fence.json"


def read_fence(state: Path) -> Fence:
    """Return the fence of the forwarder in ``state``. Raise ValueError if its file cannot be understood."""
    try:
        data = json.loads(fence_file(state).read_bytes())
    except FileNotFoundError:
        return Fence()
    if not isinstance(data, dict) or not is_token(data.get("token")):
        raise ValueError(f"{fence_file(state)} is not understood")
    return Fence(data["token"], data.get("target"))


def named_target(state: Path) -> Any:
    """Return, as JSON, the target that a forwarder in ``state`` comes back with, or None. Raise ValueError.

    That is what the target file names, unless who wrote it had lost its lease by then.
    """
    try:
        data = json.loads((state / "target.json").read_bytes())
    except FileNotFoundError:
        data = None
    fence = read_fence(state)
    written = data.get("fence") if isinstance(data, dict) else None
    return fence.target if is_token(written) and written < fence.token else data


def is_token(value: Any) -> TypeGuard[int]:
    """Return whether ``value`` can be the token of a lease."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
