"""What still runs of an action whose process died: find it, end it, or wait for its safe point.

A change leaves three traces: the process in the journal, a mark in the environment of everything that it started on
this machine, and, for what it started elsewhere (a container), the words that find, await and end it there.
"""

from __future__ import annotations

import socket
import time

from runwright.engine.actions import Elsewhere, Output, Process
from runwright.engine.effects.commands import ask, end_elsewhere
from runwright.engine.effects.processes import alive, end_session, marked
from runwright.engine.there import jobs
from runwright.engine.there.login import Login
from runwright.engine.there.place import LOCAL, at
from runwright.errors import ActionError, InDoubtError
from runwright.ledger.journal import Entry

_GRACE_SECONDS = 5.0
_POLL_SECONDS = 0.2
ANSWER_SECONDS = 60.0
"""How long whoever runs what was started elsewhere may not answer: Docker, or a cluster, may be starting again itself."""


def mark_of(release_id: str, key: str, attempt: int = 1) -> str:
    """Return the mark that processes of this attempt at this action carry."""
    return f"{release_id}/{key}#{attempt}"


def still_running(release_id: str, entry: Entry) -> list[Process]:
    """Return the processes of this machine that belong to an entry of the journal."""
    found = list(marked(mark_of(release_id, entry.key, entry.attempt)))
    if entry.pid and entry.host == socket.gethostname():
        process = Process(host=entry.host, pid=entry.pid, started=entry.pid_started or 0)
        if alive(process) and process not in found:
            found.append(process)
    return found


def end_or_await(release_id: str, entry: Entry) -> Output | None:
    """Make sure that nothing of an interrupted action runs any more: end it, or await it if it has a safe point.

    Return what it has left, if it came to its end by itself and that was written down: on another host it is.
    Raise InDoubtError if it was started on another machine and cannot be reached from here, ActionError if it does not
    end within its own deadline.
    """
    elsewhere = _elsewhere(entry)
    until = time.monotonic() + float((entry.detail or {}).get("deadline_seconds", 600.0))
    with at(str((entry.detail or {}).get("on") or LOCAL)) as login:
        if login is not None:
            return _over_ssh(login, release_id, entry, elsewhere, until)
        if entry.host and entry.host != socket.gethostname() and elsewhere is None and entry.pid:
            raise InDoubtError(
                f"It was started on {entry.host} and may still run there (process {entry.pid}): {entry.says}.",
                state="Nothing more was changed.",
                next=f"Make sure on {entry.host} that it has ended, or run this on that machine.",
            )
        if entry.safe_point:
            _await(release_id, entry, elsewhere, until)
            return None
        for process in still_running(release_id, entry):
            end_session(process, _GRACE_SECONDS)
            if alive(process):  # a child that made a session of its own is its own leader
                raise ActionError(f"Process {process.pid} cannot be ended: {entry.says}.", state="It still runs.")
        end_elsewhere(elsewhere)
        return None


def _over_ssh(login: Login, release_id: str, entry: Entry, elsewhere: Elsewhere | None, until: float) -> Output | None:
    mark = mark_of(release_id, entry.key, entry.attempt)
    while True:
        found = jobs.look(login, mark)
        if not found.running and not (entry.safe_point and elsewhere and _runs(elsewhere)):
            break
        if not entry.safe_point:
            for process in found.running:
                jobs.end(login, process, _GRACE_SECONDS)
        elif time.monotonic() > until:
            raise _still_runs(entry)
        time.sleep(_POLL_SECONDS)
    if not entry.safe_point:
        end_elsewhere(elsewhere)
    return None if found.code is None else jobs.printed(login, mark, found.code)


def _await(release_id: str, entry: Entry, elsewhere: Elsewhere | None, until: float) -> None:
    while still_running(release_id, entry) or (elsewhere and _runs(elsewhere)):
        if time.monotonic() > until:
            raise _still_runs(entry)
        time.sleep(_POLL_SECONDS)


def _still_runs(entry: Entry) -> ActionError:
    return ActionError(
        f"It still runs and may not be interrupted: {entry.says}.",
        state="Nothing more was changed.",
        next="Wait until it has ended, then run `runwright rollback` again.",
    )


def _runs(elsewhere: Elsewhere) -> bool:
    """Return whether it runs. Raise ActionError if nobody answers: what may still run has not ended."""
    until = time.monotonic() + ANSWER_SECONDS
    while True:
        code, said = ask(elsewhere.running)
        if code == 0:
            return bool(said.strip())
        if time.monotonic() > until:
            raise ActionError(
                f"Nobody answers whether it still runs: {' '.join(elsewhere.running)} exited with {code}.",
                state="Nothing more was changed.",
                next="Run that command by hand; once it answers, run `runwright rollback` again.",
            )
        time.sleep(_POLL_SECONDS)


def _elsewhere(entry: Entry) -> Elsewhere | None:
    words = (entry.detail or {}).get("elsewhere")
    return Elsewhere(**{name: tuple(value) for name, value in words.items()}) if words else None
