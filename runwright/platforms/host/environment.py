"""Which variables the process of a slot sees: for the checklist their names alone, and for redaction what they hold."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path

from runwright.errors import ObservationError
from runwright.platforms.host.slots import Seen, see
from runwright.platforms.shape import KeysSeen


def keys_seen(root: Path, component: str, slots: tuple[str, ...]) -> tuple[KeysSeen, ...]:
    """Return what each running process of ``component`` sees; nothing if none runs. Raise ObservationError."""
    found = []
    for seen in _running(root, slots):
        if seen.slot.component == component:
            pairs, since = _environ(seen)
            found.append(KeysSeen(frozenset(name for name, value in pairs if value), since))
    return tuple(found)


def carried(root: Path, slots: tuple[str, ...], names: Collection[str]) -> tuple[tuple[str, str], ...]:
    """Return (name, value) of what the running processes carry of the variables ``names``. Raise ObservationError."""
    return tuple(pair for seen in _running(root, slots) for pair in _environ(seen)[0] if pair[0] in names)


def _running(root: Path, slots: tuple[str, ...]) -> Iterator[Seen]:
    for slot in slots:
        seen = see(root / "slots" / f"{slot}.json")
        if seen is not None and seen.runs and seen.process is not None:
            yield seen


def _environ(seen: Seen) -> tuple[list[tuple[str, str]], datetime]:
    """Return what its process was started with, and when."""
    assert seen.process is not None
    try:
        raw = Path(f"/proc/{seen.process.pid}/environ").read_bytes()
        since = datetime.fromtimestamp(Path(seen.slot.pid_file).stat().st_mtime, UTC)
    except OSError as error:
        what = f"The variables of process {seen.process.pid} cannot be read: {error.strerror}."
        raise ObservationError(what, next="Let the user that runs Runwright run the application too.") from None
    pairs = (entry.partition(b"=") for entry in raw.split(b"\0") if entry)
    return [(name.decode("utf-8", "replace"), value.decode("utf-8", "replace")) for name, _, value in pairs], since
