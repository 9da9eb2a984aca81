"""Where a running forwarder is found and what it says of itself: read from its files, and from its answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runwright.actions import Process, Reply
from runwright.effects.processes import alive
from runwright.errors import ObservationError
from runwright.routers.fence import named_target
from runwright.traffic import Upstream

PID_FILE = "pid.json"
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


@dataclass(frozen=True)
class Door:
    """Where a running forwarder is administered, and the process that it is."""

    process: Process
    url: str
    token: str

    def __repr__(self) -> str:
        return f"Door({self.url})"  # the token stays out of every message

    @property
    def headers(self) -> Mapping[str, str]:
        """What every request to it must carry."""
        return {"authorization": f"Bearer {self.token}"}


ASSUMED = Door(Process("", 0, 0), "http://127.0.0.1:0", "")
"""The door of a forwarder that only a plan has started."""


def find_door(state: Path) -> Door | None:
    """Return the door of the forwarder of ``state``, None if none runs: a stale file never sends the token elsewhere."""
    try:
        process = Process(**json.loads((state / PID_FILE).read_bytes()))
        where = json.loads((state / "admin.json").read_bytes())
        token = (state / "token").read_text().strip()
    except FileNotFoundError:
        return None
    if not alive(process) or where["pid"] != process.pid:
        return None
    return Door(process, f"http://{where['host']}:{where['port']}", token)


def find_front(state: Path) -> str:
    """Return the address that clients know, as the forwarder of ``state`` wrote it down; "" if it never listened."""
    try:
        where = json.loads((state / "listen.json").read_bytes())
    except FileNotFoundError:
        return ""
    host = "127.0.0.1" if where["host"] in EVERYWHERE else where["host"]
    return f"http://{f'[{host}]' if ':' in host else host}:{where['port']}"


def named(state: Path) -> Upstream | None:
    """Return what its target file names; None if there is none. Raise ObservationError if that is not understood."""
    return _upstream(named_target(state))


def served(reply: Reply) -> Upstream | None:
    """Return what it says that it serves. Raise ObservationError if that is not understood."""
    return _upstream(json.loads(reply.body))


def _upstream(data: Any) -> Upstream | None:
    if data is None:
        return None
    try:
        return Upstream(slot=str(data["slot"]), host=str(data["host"]), port=int(data["port"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ObservationError(
            "The forwarder's target is not understood.",
            state="Nothing was changed.",
            next="It is an object with slot, host and port; write it anew by running the release again.",
        ) from error
