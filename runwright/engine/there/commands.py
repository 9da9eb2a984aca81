"""Run a Command on another host: what effects.commands does here."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import time
from collections.abc import Callable
from typing import Any

from runwright.engine.actions import Command, Output, Process
from runwright.engine.effects.commands import GRACE_SECONDS, SAFE_POINT_SECONDS, check, end_elsewhere
from runwright.engine.effects.environment import child_environment
from runwright.engine.effects.processes import end_session, this_process
from runwright.engine.effects.streams import Streams
from runwright.engine.there import jobs
from runwright.engine.there.login import Login, refused, shell
from runwright.errors import ActionError, DeadlineError, RunwrightError, UnreachableError

Lost = Callable[[], RunwrightError | None]

POLL_SECONDS = 1.0
"""How often a host is asked for what became of a job, once the connection was cut."""
AWAY_SECONDS = 60.0
"""How long a host that is not reached is tried again, at least, while a job of ours runs there."""


class _Cut(Exception):
    """The connection ended before the program did, and nothing was begun by it that changes something.

    why: what to tell if it does so again.
    """

    def __init__(self, why: ActionError) -> None:
        super().__init__(why.what)
        self.why = why


def run(login: Login, action: Command[Any], mark: str, started: Callable[[Process], None], lost: Lost) -> Output:
    """Perform a Command there and return what it left, whatever its exit code. Arguments and errors as effects.commands.run.

    Raise UnreachableError, too, whose ``begun`` tells whether it may still run.
    """
    try:
        return _once(login, action, mark, started, lost)
    except _Cut:
        try:
            return _once(login, action, mark, started, lost)
        except _Cut as cut:
            raise cut.why from None


def _once(login: Login, action: Command[Any], mark: str, started: Callable[[Process], None], lost: Lost) -> Output:
    ends_with = f"RUNWRIGHT {secrets.token_hex(16)}"  # no line of what it is told can be that
    told = jobs.request(action, mark, ends_with)
    login.home  # noqa: B018 - so that whoever cannot log in says why
    until = time.monotonic() + action.deadline_seconds
    with login.running, _Line(login, action, told, ends_with) as line:
        process = line.process(until, lost)
        begun = False
        try:
            started(process)
            if action.key is not None:
                begun = line.go()
            return line.followed(until, lost)
        except _Cut:
            if not begun:
                raise
            return _came_back(login, action, mark, process, until, lost)
        except UnreachableError:
            raise
        except RunwrightError:
            _end(login, action, process)
            raise
        except BaseException:
            if action.safe_point and begun:
                with contextlib.suppress(Exception):
                    line.followed(min(until, time.monotonic() + SAFE_POINT_SECONDS), lambda: None)
            else:
                with contextlib.suppress(ActionError):
                    _end(login, action, process)
            raise


class _Line:
    """The connection of one program: its request is sent, and its streams are read."""

    def __init__(self, login: Login, action: Command[Any], told: bytes, ends_with: str) -> None:
        self._login = login
        self._action = action
        self._changes = action.key is not None
        self._began = time.monotonic()
        self._child = subprocess.Popen(
            login.argv(shell(jobs.RUNNER, ends_with)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child_environment({}),
            start_new_session=True,
        )
        self._streams = Streams(
            self._child, told + (action.stdin or b""), last=action.last or self._changes, keep_open=self._changes
        )

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._streams.close()
        if self._child.poll() is None:
            end_session(this_process(self._child.pid), 0.0)
            self._child.wait()

    def process(self, until: float, lost: Lost) -> Process:
        """Return the process that was started. Raise ActionError if it cannot be, _Cut if the connection ended before."""
        sink = self._streams.stdout
        while (at := sink.find(jobs.HEAD)) < 0 or (end := sink.find(b"\n", at)) < 0:
            if not self._streams.pump(0.2) and self._child.poll() is not None:
                raise _Cut(self._refused())
            self._check(until, lost)
        words = bytes(sink[at + len(jobs.HEAD) : end]).decode("ascii", "replace").split()
        del sink[: end + 1]
        if len(words) == 2 and all(word.isdecimal() for word in words):
            return Process(self._login.on, int(words[0]), int(words[1]))
        raise self._not_started(words)

    def go(self) -> bool:
        """Let a change begin. Return True."""
        self._streams.send(jobs.GO)
        return True

    def followed(self, until: float, lost: Lost) -> Output:
        """Return what the program left, once it has ended. Raise _Cut if the connection ended before."""
        while self._streams.pump(min(0.2, max(0.0, until - time.monotonic()))) or self._child.poll() is None:
            self._check(until, lost)
        out, err = (self._streams.kept(sink) for sink in (self._streams.stdout, self._streams.stderr))
        text, met, code = err.rpartition(b"\n" + jobs.HEAD)
        if not met or not code.strip().isdigit():
            raise _Cut(jobs.cut_off(self._login, self._action, None, begun=False))
        _, begins, said = text.partition(jobs.BEGINS)
        text = said if begins else text
        took = time.monotonic() - self._began
        return Output(int(code), jobs.whole_lines(out) if self._changes else out, jobs.whole_lines(text), took)

    def _refused(self) -> ActionError:
        """Return why there was no connection, or none that lasted."""
        said = bytes(self._streams.stderr)
        if self._child.returncode == 255:
            return refused(self._login.address, said)
        return ActionError(
            f"It could not be started on {self._login.on} (exit code {self._child.returncode}): {self._action.says}.",
            state="It changed nothing.",
            next=f"Look whether the disk of {self._login.on} is full, and whether {self._login.home} can be written.",
        )

    def _check(self, until: float, lost: Lost) -> None:
        check(self._action, self._streams, until)
        if self._changes and not self._action.safe_point and (why := lost()) is not None:
            raise why

    def _not_started(self, words: list[str]) -> ActionError:
        action, on = self._action, self._login.on
        if words == ["nofolder"]:
            what, next_ = f"the folder {action.cwd} is not there", "Correct the folder in the runbook."
        elif words == ["missing"]:
            what, next_ = "it is not on the PATH there", f"Install {action.argv[0]!r} on {on}, then run again."
        else:
            what = "its ssh server gives a program no session of its own"
            next_ = "Use the OpenSSH server there."
        return ActionError(
            f"{action.argv[0]!r} could not be started on {on}: {what}.", state="It changed nothing.", next=next_
        )


def _came_back(login: Login, action: Command[Any], mark: str, process: Process, until: float, lost: Lost) -> Output:
    """Return what became of a change whose connection was cut, once that is known. Raise UnreachableError."""
    tried_until = max(until, time.monotonic() + AWAY_SECONDS)
    why: UnreachableError | None = None
    while time.monotonic() < tried_until:
        if not action.safe_point and (gone := lost()) is not None:
            _end(login, action, process)
            raise gone
        try:
            found = jobs.look(login, mark)
            if found.code is not None:
                return jobs.printed(login, mark, found.code)
            if not found.running and not found.begun:
                raise _Cut(jobs.cut_off(login, action, None, begun=False))
            if not found.running:
                raise ActionError(
                    f"It ended on {login.on} without an outcome, after the connection was cut: {action.says}.",
                    state="What it had done by then is unknown until it is looked at.",
                    next="Look whether that host was restarted, or somebody has ended it; then run again.",
                )
            if time.monotonic() >= until:
                _end(login, action, process)
                raise DeadlineError(
                    f"It took longer than {action.deadline_seconds:g} s and was ended: {action.says}.",
                    state="What it had done by then is unknown until it is looked at.",
                    next="Look at why it took so long; raise its time-out in the runbook if that is normal.",
                )
        except UnreachableError as error:
            why = error
        time.sleep(POLL_SECONDS)
    raise jobs.cut_off(login, action, why, begun=True)


def _end(login: Login, action: Command[Any], process: Process) -> None:
    """End a program there, and what it started elsewhere. Raise UnreachableError, which says that it may still run."""
    try:
        jobs.end(login, process, GRACE_SECONDS)
        end_elsewhere(action.elsewhere)
    except UnreachableError as error:
        raise jobs.cut_off(login, action, error, begun=True) from error
