"""Processes of this machine: start, watch, recognise and end them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from runwright.engine.actions import Process, Spawn, Stop
from runwright.engine.effects.environment import MARK, child_environment
from runwright.engine.effects.files import write_file
from runwright.errors import ActionError
from runwright.home import make_folder

_POLL_SECONDS = 0.02
_LISTENING = "0A"  # as /proc/net/tcp writes the state of a socket


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    return text.rpartition(")")[2].split()  # the name before it may hold spaces and brackets


def started_at(pid: int) -> int:
    """Return when ``pid`` started, in clock ticks since boot; 0 if there is no such process."""
    stat = _stat(pid)
    return int(stat[19]) if stat else 0


def this_process(pid: int) -> Process:
    """Return the Process with id ``pid`` on this machine."""
    return Process(host=socket.gethostname(), pid=pid, started=started_at(pid))


def alive(process: Process) -> bool:
    """Return whether it still runs. A zombie, and an id that was given to another process, count as ended."""
    stat = _stat(process.pid)
    return stat is not None and stat[0] not in "ZX" and int(stat[19]) == process.started


def recorded(pid_file: Path) -> Process | None:
    """Return the process that Spawn wrote down in ``pid_file``, None if there is none that can be told."""
    try:
        return Process(**json.loads(pid_file.read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def marked(mark: str) -> Iterator[Process]:
    """Yield the processes of this machine that carry ``mark``: what an action started, and what that started."""
    wanted = f"{MARK}={mark}".encode()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                process = this_process(int(folder.name))
                if alive(process):
                    yield process


def environment_of(process: Process) -> dict[str, str]:
    """Return the environment that a process was started with; empty if it has ended or belongs to somebody else."""
    try:
        text = Path(f"/proc/{process.pid}/environ").read_bytes().decode(errors="surrogateescape")
    except OSError:
        return {}
    return dict(pair.split("=", 1) for pair in text.split("\0") if "=" in pair)


def stopped(process: Process) -> bool:
    """Return whether it was halted (SIGSTOP, Ctrl-Z, a debugger): it lives, and does nothing."""
    stat = _stat(process.pid)
    return stat is not None and stat[0] in "Tt"


def listens(process: Process, port: int) -> bool:
    """Return whether it is this very process that takes connections to ``port`` of 127.0.0.1.

    A port of this machine is anybody's: what answers there may be another user's program.
    """
    sockets = set()
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process.pid}/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1] == f"0100007F:{port:04X}" and fields[3] == _LISTENING:
                sockets.add(f"socket:[{fields[9]}]")
    with contextlib.suppress(OSError):
        for file in Path(f"/proc/{process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(file.readlink()) in sockets:
                    return alive(process)
    return False


def _session_members(session: int) -> list[int]:
    members = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            stat = _stat(int(folder.name))
            if stat and int(stat[3]) == session and stat[0] not in "ZX":
                members.append(int(folder.name))
    return members


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def end_session(process: Process, grace_seconds: float) -> None:
    """End ``process`` and everything in its session: asked first, killed after ``grace_seconds``.

    Only what belongs to that very process is touched: an id that was reused is left alone.
    """
    if process.started and started_at(process.pid) not in (0, process.started):
        return
    members = _session_members(process.pid)
    _signal(members, signal.SIGTERM)
    _signal(members, signal.SIGCONT)  # one that is stopped could not hear it
    until = time.monotonic() + grace_seconds
    while (members := _session_members(process.pid)) and time.monotonic() < until:
        _reap(process.pid)
        time.sleep(_POLL_SECONDS)
    _signal(members, signal.SIGKILL)
    while _session_members(process.pid) and time.monotonic() < until + 5:
        _reap(process.pid)
        time.sleep(_POLL_SECONDS)


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


# Waits for a line from us, and runs the program only then: if we die before we sent it, it reads the end of the pipe
# and never starts. The words of the program are its arguments, never part of the script.
_WAIT_FOR_GO = 'read -r go && [ "$go" = go ] && exec "$@" </dev/null'


_STARTED: list[subprocess.Popen[bytes]] = []
"""Programs outlive the step that started them, and so must what Python knows of them."""


def _for_us_alone(path: str, flags: int) -> int:
    """Open a log that no other user of this machine reads: what an application prints may hold data of its users."""
    return os.open(path, flags, 0o600)


def spawn(action: Spawn, mark: str) -> Process:
    """Perform a Spawn. Raise ActionError if the program cannot be started.

    The pid file is written before the program runs, so a process whose parent is killed in between is found again.
    """
    make_folder(action.log.parent)
    try:
        with open(action.log, "ab", opener=_for_us_alone) as log:
            child = subprocess.Popen(
                ["/bin/sh", "-c", _WAIT_FOR_GO, "runwright", *action.argv],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=action.cwd,
                env=child_environment({**action.env, MARK: mark}),
                start_new_session=True,
            )
    except OSError as error:
        raise ActionError(
            f"{action.argv[0]!r} could not be started: {error.strerror}.",
            state="It does not run.",
            next="Check the command in the runbook and that the program is installed.",
        ) from error
    _STARTED.append(child)
    assert child.stdin is not None
    process = this_process(child.pid)
    with child.stdin:
        found = {"host": process.host, "pid": process.pid, "started": process.started}
        write_file(action.pid_file, json.dumps(found).encode(), 0o600)
        child.stdin.write(b"go\n")
    return process


def stop(action: Stop) -> None:
    """Perform a Stop."""
    process = action.process
    if process.host != socket.gethostname():
        raise ActionError(
            f"Process {process.pid} runs on {process.host}, not on this machine.",
            state="It was left alone.",
            next=f"Run this on {process.host}, or end it there.",
        )
    end_session(process, action.grace_seconds)
