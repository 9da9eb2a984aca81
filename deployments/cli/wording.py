"""How the command line writes times, lengths of time and text that others wrote."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from runwright.engine.visible import visible as visible


def one_line(text: object, width: int = 0) -> str:
    """Return ``text`` on one line, cut to ``width`` characters if that is given."""
    line = " ".join(visible(text).split())
    return line if not width or len(line) <= width else line[: width - 1] + "…"


def moment(at: datetime | None) -> str:
    """Return a time as people read it, in UTC; "" of none."""
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def length(seconds: float | None) -> str:
    """Return a length of time: "45s", "2m10s"; "" of none."""
    from runwright.policy.wording import as_time

    return "" if seconds is None else as_time(seconds)


def ago(at: datetime, now: datetime) -> str:
    """Return how long ago ``at`` was: "12m ago"; a clock that went back never makes it negative."""
    return f"{length(max(0.0, (now - at).total_seconds()))} ago"


def plain(value: Any) -> Any:
    """Return ``value`` as JSON has it: times as text, enums by their value."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value if value is None or isinstance(value, bool | int | float) else str(value)
