"""The forwarder that an earlier Runwright started as the front door: it is not taken for nobody, and can be succeeded.

    python -m runwright.routers.caddy.predecessor FOLDER

It holds its port alone, so that nobody can take over from it without a moment in which connections are refused: a person
says when.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Any

from runwright.engine.actions import Process
from runwright.engine.effects.processes import alive, recorded
from runwright.engine.performer import Performer
from runwright.errors import ObservationError, RefusedError, RunwrightError
from runwright.traffic import Upstream

WAIT_SECONDS = 15.0
POLL_SECONDS = 0.01


def running(folder: Path) -> Process | None:
    """Return the forwarder that serves what the front door in ``folder`` is to serve, or None if there is none."""
    process = recorded(_of(folder) / "pid.json")
    return process if process is not None and alive(process) else None


def require_none(folder: Path) -> None:
    """Raise RefusedError, with the one command that helps, if a forwarder of an earlier Runwright serves here."""
    process = running(folder)
    if process is None:
        return
    command = shlex.join((sys.executable, "-P", "-m", __name__, str(folder)))
    raise RefusedError(
        f"The front door is the forwarder of an earlier Runwright (process {process.pid}); Caddy is to be it now.",
        state="It serves on, and nothing was changed.",
        next=f"Put Caddy in its place, on the same port, when a second of refused connections suits: {command}",
    )


def _of(folder: Path) -> Path:
    return folder.parent / "forwarder"


def _target(old: Path) -> Upstream:
    """Return what the forwarder serves: what its files name."""
    target, fence = _read(old / "target.json"), _read(old / "fence.json")
    if fence and target.get("fence", fence["token"]) < fence["token"]:
        target = fence["target"]
    return Upstream(str(target["slot"]), str(target["host"]), int(target["port"]))


def _read(file: Path) -> Any:
    return json.loads(file.read_bytes()) if file.exists() else {}


def succeed(folder: Path) -> str:
    """Put Caddy in the place of the forwarder, with the same target; return a sentence. Raise RunwrightError if that fails."""
    from runwright.routers.caddy.driver import CaddyRouter
    from runwright.runbook.routers.caddy import Caddy

    old, process = _of(folder), running(folder)
    if process is None:
        return "No forwarder of an earlier Runwright runs here: there is nothing to do."
    try:
        to, where = _target(old), _read(old / "listen.json")
        spec = Caddy(kind="caddy", listen=int(where["port"]), host=str(where["host"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ObservationError(
            f"What the forwarder wrote down in {old} is not understood.",
            state="It serves on, and nothing was changed.",
            next=f"End it (kill {process.pid}); the next release starts Caddy.",
        ) from error
    router, perform = CaddyRouter(spec, folder, sys.executable), Performer()

    def do(action: Any) -> Any:
        return perform.perform(action, do, "predecessor", lambda _: None)

    do(router.written(to))
    os.kill(process.pid, signal.SIGTERM)  # it listens no more at once, and answers what it has begun
    (old / "pid.json").rename(old / "succeeded.json")
    until = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            router.ensure(do, "succeed")
        except RunwrightError:
            if time.monotonic() > until:
                raise
            time.sleep(POLL_SECONDS)
        else:
            return f"Caddy is the front door at {router.facts(do).front} now, and serves {to.slot}."


if __name__ == "__main__":
    try:
        print(succeed(Path(sys.argv[1])))  # noqa: T201
    except RunwrightError as error:
        sys.exit(str(error))
