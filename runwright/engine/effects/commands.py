"""Run a Command: in a session of its own, with a deadline, its output bounded, ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from runwright.engine.actions import Command, Elsewhere, Output, Process
from runwright.engine.effects.environment import MARK, child_environment
from runwright.engine.effects.processes import end_session, this_process
from runwright.engine.effects.streams import MAX_OUTPUT_BYTES, Streams
from runwright.engine.there.place import current
from runwright.errors import ActionError, DeadlineError, RunwrightError
from runwright.home import make_folder

GRACE_SECONDS = 5.0
SAFE_POINT_SECONDS = 12.0
"""How long a cancelled run waits for a safe point: Prefect kills it after thirty seconds, and we promise twenty."""
DRAIN_SECONDS = 1.0
ASK_SECONDS = 75.0
"""Longer than what is ended elsewhere is given for that: `kubectl delete` waits for a minute."""


def ask(argv: Sequence[str]) -> tuple[int, bytes]:
    """Run a short program where things are done now, without any input; return its exit code and its output.

    As in a shell, 124 is one that took longer than ``ASK_SECONDS`` and was ended, and 127 one that is not there.
    Raise UnreachableError if that is another host, and nobody can log in.
    """
    if (login := current()) is not None:
        return login.sh('exec "$@" </dev/null 2>/dev/null', *argv)
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ASK_SECONDS,
            env=child_environment({}),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 124, b""
    except OSError:
        return 127, b""
    return done.returncode, done.stdout


def end_elsewhere(elsewhere: Elsewhere | None) -> None:
    """End what a command started outside of its own processes, where things are done now. Raise ActionError if that fails."""
    if elsewhere is None:
        return
    code, _ = ask(elsewhere.end)
    if code != 0:
        raise ActionError(
            f"What it had started could not be ended: {' '.join(elsewhere.end)} exited with {code}.",
            state="It may still run.",
            next="Run that command by hand, then run again.",
        )


def run(
    action: Command[Any],
    mark: str,
    started: Callable[[Process], None],
    lost: Callable[[], RunwrightError | None] = lambda: None,
) -> Output:
    """Perform a Command and return what it left, whatever its exit code.

    ``started`` is told the process as soon as there is one. Raise ActionError if the program cannot be started or
    prints without end (a read that is not of the last output alone), DeadlineError if it was ended because it took too long, and what ``lost`` returns as soon as it
    returns something (a safe point is waited for first). On any other exception that reaches us
    meanwhile (a cancel) the program is ended too, or, if it has a safe point, waited for a little and then left to
    whoever recovers the release: it is in the journal and carries its mark.
    """
    with contextlib.ExitStack() as files:
        stdin: IO[bytes] | int = (
            files.enter_context(action.stdin_from.open("rb")) if action.stdin_from else subprocess.PIPE
        )
        stdout: IO[bytes] | int = (
            files.enter_context(_private(action.stdout_to)) if action.stdout_to else subprocess.PIPE
        )
        try:
            child = subprocess.Popen(
                action.argv,
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.PIPE,
                cwd=action.cwd,
                env=child_environment({**action.env, MARK: mark}),
                start_new_session=True,
            )
        except OSError as error:
            missing = action.cwd and not action.cwd.is_dir()
            what = f"the folder {action.cwd} is not there" if missing else (error.strerror or str(error))
            raise ActionError(
                f"{action.argv[0]!r} could not be started: {what}.",
                state="It changed nothing.",
                next=f"Install {action.argv[0]!r} or put it on the PATH of the worker, then run again.",
            ) from error
        process = this_process(child.pid)
        streams = Streams(child, action.stdin or b"", last=action.last or action.key is not None)
        begun = time.monotonic()
        until = begun + action.deadline_seconds
        try:
            started(process)
            _follow(action, child, streams, until, lost)
        except RunwrightError:
            _end(action, process)
            raise
        except BaseException:
            if action.safe_point:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(min(SAFE_POINT_SECONDS, max(0.0, until - time.monotonic())))
            else:
                _end(action, process)
            raise
        finally:
            streams.close()
        code = child.wait()
        return Output(code, streams.kept(streams.stdout), streams.kept(streams.stderr), time.monotonic() - begun)


def _follow(
    action: Command[Any],
    child: subprocess.Popen[bytes],
    streams: Streams,
    until: float,
    lost: Callable[[], RunwrightError | None],
) -> None:
    """Return when the program has ended and its outputs are read."""
    drained: float | None = None
    while True:
        still_open = streams.pump(min(0.2, max(0.0, until - time.monotonic())))
        check(action, streams, until)
        if action.key is not None and not action.safe_point and (why := lost()) is not None:
            raise why
        if child.poll() is not None:
            # something that it left behind may hold its outputs open for ever
            drained = drained or time.monotonic() + DRAIN_SECONDS
            if not still_open or time.monotonic() > drained:
                return
        elif not still_open:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(0.05)


def _private(path: Path) -> IO[bytes]:
    make_folder(path.parent)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def check(action: Command[Any], streams: Streams, until: float) -> None:
    if streams.overflow:
        raise ActionError(
            f"It printed more than {MAX_OUTPUT_BYTES // 2**20} MiB: {action.says}.",
            state="It was ended.",
            next="Make the command quieter.",
        )
    if time.monotonic() >= until:
        raise DeadlineError(
            f"It took longer than {action.deadline_seconds:g} s and was ended: {action.says}.",
            state="What it had done by then is unknown until it is looked at.",
            next="Look at why it took so long; raise its time-out in the runbook if that is normal.",
        )


def _end(action: Command[Any], process: Process) -> None:
    end_session(process, GRACE_SECONDS)
    end_elsewhere(action.elsewhere)
