"""Which variables the process of a slot sees: their names alone. No value leaves the function that reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from runwright.errors import ObservationError
from runwright.platforms.host.slots import see
from runwright.platforms.shape import KeysSeen


def keys_seen(root: Path, component: str, slots: tuple[str, ...]) -> tuple[KeysSeen, ...]:
    """Return what each running process of ``component`` sees; nothing if none runs. Raise ObservationError."""
    found = []
    for slot in slots:
        seen = see(root / "slots" / f"{slot}.json")
        if seen is None or not seen.runs or seen.process is None or seen.slot.component != component:
            continue
        try:
            raw = Path(f"/proc/{seen.process.pid}/environ").read_bytes()
            since = datetime.fromtimestamp(Path(seen.slot.pid_file).stat().st_mtime, UTC)
        except OSError as error:
            what = f"The variables of process {seen.process.pid} cannot be read: {error.strerror}."
            raise ObservationError(what, next="Let the user that runs Runwright run the application too.") from None
        pairs = (entry.partition(b"=") for entry in raw.split(b"\0") if entry)
        found.append(KeysSeen(frozenset(name.decode("utf-8", "replace") for name, _, value in pairs if value), since))
    return tuple(found)
