"""What is written down of a slot before its process is started, and what can be seen of it later."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runwright.engine.actions import Process
from runwright.engine.effects.processes import alive, recorded
from runwright.errors import ObservationError
from runwright.platforms.host.ports import listens
from runwright.traffic import status_of
from runwright.versions import Version

LOG_BYTES = 2**20
"""Of a longer log the end is read."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Slot:
    """What a slot is meant to run. Written before the process is started.

    attempt: counts the starts of one release in this slot. boot: which start of the machine it was on; process ids of
    an earlier one mean nothing. pid_file, log: of this very start.
    """

    slot: str
    port: int
    component: str
    identity: str
    release: str
    attempt: int
    boot: str
    pid_file: str
    log: str
    version: dict[str, Any]

    @property
    def commit(self) -> str:
        """The commit of its version."""
        return str(self.version["commit"])

    @property
    def suffix(self) -> str:
        """What tells the keys of a later attempt from those of the first."""
        return f"-{self.attempt}" if self.attempt > 1 else ""

    def content(self) -> bytes:
        """Return it as it is written."""
        return json.dumps(asdict(self), sort_keys=True).encode() + b"\n"

    def is_of(self, version: Version, component: str, identity: str) -> bool:
        """Return whether it is meant to run that artifact of that version's commit."""
        return (self.component, self.identity, self.commit) == (component, identity, version.commit)


@dataclass(frozen=True)
class Seen:
    """A slot and its process: the process that was started (None: none was), and whether it runs."""

    slot: Slot
    process: Process | None
    runs: bool


@dataclass(frozen=True)
class Answer:
    """What a process answers to its health path: a status, or None; and whether it is really its own answer."""

    status: int | None
    own: bool

    @property
    def ready(self) -> bool:
        """Whether it is healthy."""
        return self.status == 200 and self.own


def boot() -> str:
    """Return which start of the machine this is; "" where that cannot be seen."""
    with contextlib.suppress(OSError):
        return _BOOT.read_text().strip()
    return ""


def see(file: Path) -> Seen | None:
    """Return what is to be seen of the slot that ``file`` describes, or None if it never ran anything.

    Raise ObservationError if the file is not ours.
    """
    try:
        slot = Slot(**json.loads(file.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise ObservationError(
            f"{file} is not understood.",
            state="What runs in this slot is not known; nothing was changed.",
            next="Look at which process serves (the front door's target), end it by hand if need be, and remove the file.",
        ) from error
    process = recorded(Path(slot.pid_file))
    return Seen(slot, process, process is not None and slot.boot == boot() and alive(process))


def ask(seen: Seen, path: str) -> Answer:
    """Ask the process of a slot how it is. An answer of somebody else on its port is not its own."""
    status = status_of(seen.slot.port, path)
    if status is None or seen.process is None:
        return Answer(status, False)
    return Answer(status, listens(seen.process.pid, seen.slot.port) is not False)


def last_lines(log: Path) -> list[str]:
    """Return the lines at the end of a log; none if it is not there. The first one may have been cut."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_BYTES))
            return [line for line in file.read(LOG_BYTES).decode("utf-8", "replace").splitlines() if line.strip()]
    except FileNotFoundError:
        return []
