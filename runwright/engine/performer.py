"""Performs actions for real: the hands of the executor, without its memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from contextvars import copy_context
from typing import Any, TypeVar

from runwright.engine.actions import (
    PATIENCE_SECONDS,
    Action,
    Branch,
    Command,
    Do,
    Fence,
    Http,
    Output,
    Process,
    Read,
    Reply,
    Spawn,
    Stop,
    Together,
    Wait,
    WriteFile,
    nothing,
)
from runwright.engine.effects import commands, fences, files, processes
from runwright.engine.effects.deadlines import LateError, within
from runwright.engine.effects.reasons import reason_of
from runwright.engine.there import commands as there
from runwright.engine.there.place import at, current
from runwright.errors import (
    ActionError,
    CancelledError,
    DeadlineError,
    NotBuiltError,
    ObservationError,
    RunwrightError,
)

T = TypeVar("T")
Clean = Callable[[str], str]
"""Returns a text without secrets."""

Lost = Callable[[], RunwrightError | None]
"""Returns why this process must change nothing more (its lease is lost, the run was cancelled), or None."""


def never_lost() -> None:
    """The ``Lost`` of those who hold no lease."""
    return


SPAWNED_GRACE_SECONDS = 5.0
READ_SECONDS = 1.0
"""An answer that came at the last moment is read all the same."""
AGAIN_SECONDS = 1.0
"""Until whoever was not reached is asked again."""
SHOWN_LINES = 6
"""How many of a program's last lines an error shows."""


def unchanged(text: str) -> str:
    """The ``Clean`` of those who have no secrets."""
    return text


class Performer:
    """Performs one action. ``clean`` takes the secrets out of everything that an error shows, ``clean_printed`` out of
    what a program or a server has said in it."""

    def __init__(
        self, clean: Clean = unchanged, lost: Lost = never_lost, *, clean_printed: Clean | None = None
    ) -> None:
        self.clean = clean
        self.clean_printed = clean_printed or clean
        self._lost = lost

    def perform(self, action: Action[T], do: Do, mark: str, started: Callable[[Process], None]) -> T:
        """Perform ``action`` and return its typed result. ``do`` performs the parts of a Wait or a Together.

        ``mark`` is carried by every process that it starts, ``started`` is told the first one.
        Raise ActionError (or one of its kinds) if it failed, ObservationError if its answer is not understood.
        """
        with at(action.on) if action.on is not None else nullcontext():
            return self._performed(action, do, mark, started)

    def _performed(self, action: Action[T], do: Do, mark: str, started: Callable[[Process], None]) -> T:
        result: Any
        begun = time.monotonic()
        login = current()
        if login is not None and isinstance(action, Spawn | Stop):
            raise NotBuiltError(f"What is started by us and stays cannot be on another host yet: {action.says}.")
        match action:
            case Command():
                until = begun + min(PATIENCE_SECONDS, action.deadline_seconds)
                while True:
                    if login is None:
                        output = commands.run(action, mark, started, self._lost)
                    else:
                        output = there.run(login, action, mark, started, self._lost)
                    if action.unreached is None or not output.code or not action.unreached(output):
                        break
                    if time.monotonic() + AGAIN_SECONDS > until:
                        break
                    time.sleep(AGAIN_SECONDS)
                    if (lost := self._lost()) is not None:
                        raise lost
                if output.code not in action.ok:
                    raise self._failed(action, output)
                result = self._parsed(action, action.parse, output, begun)
            case Http():
                from runwright.engine.effects import requests  # whoever asks nobody needs no client

                reply = requests.request(action)
                if action.ok is not None and reply.status not in action.ok:
                    raise ActionError(
                        f"It was answered with status {reply.status}: {action.says}.",
                        next="Look at the log of the server that answered.",
                    )
                result = self._parsed(action, action.parse, reply, begun)
            case Read():
                result = self._understood(action, lambda: _read(action))
            case WriteFile():
                files.write_file(action.path, action.content, action.mode, action.permit)
                result = None
            case Fence():
                fences.raise_to(action.path, action.token)
                result = None
            case Spawn():
                result = processes.spawn(action, mark)
                try:
                    started(result)
                except RunwrightError:
                    processes.end_session(result, SPAWNED_GRACE_SECONDS)  # nobody would know of it
                    raise
            case Stop():
                processes.stop(action)
                result = None
            case Wait():
                result = self._waited(action, do)
            case Together():
                result = together(action, do)
            case _:
                raise TypeError(f"no such kind of action: {type(action).__name__}")
        return result  # type: ignore[no-any-return]

    def understood(self, action: Action[T], left: Output) -> T:
        """Return the result of a command that has ``left`` this, though it was performed by a process that is gone."""
        assert isinstance(action, Command)
        return self._parsed(action, action.parse, left, time.monotonic())  # type: ignore[no-any-return]

    def _failed(self, action: Command[Any], output: Output) -> ActionError:
        # what a read prints may be somebody's data; a change has nothing else to say
        told = (output.stderr, output.stdout) if action.key is not None else (output.stderr,)
        texts = [self.clean_printed(text.decode("utf-8", "replace")) for text in told]
        why = reason_of(texts)
        lines = [line for text in texts for line in [part for part in text.splitlines() if part.strip()][-SHOWN_LINES:]]
        shown = "\n".join(f"  | {line[:400]}" for line in lines)
        ended = f"was killed by signal {-output.code}" if output.code < 0 else f"exited with {output.code}"
        what = f"{action.argv[0]} {ended}: {action.says}"
        error = ActionError((f"{why.rstrip('.')} ({what})." if why else f"{what}.") + (f"\n{shown}" if shown else ""))
        if sum(text.count("\n") for text in texts) > len(lines):
            error.printed = "\n".join(text for text in texts if text)
        return error

    def _parsed(self, action: Action[Any], parse: Callable[[Any], Any], given: Output | Reply, begun: float) -> Any:
        """Return what ``parse`` makes of an answer, in what is left of the action's deadline since it was ``begun``."""
        if parse is nothing:
            return None
        left = max(READ_SECONDS, action.deadline_seconds - (time.monotonic() - begun))
        try:
            return self._understood(action, lambda: within(left, lambda: parse(given), action.says))
        except LateError:  # and not what the parser itself found out: that something else took too long
            raise ObservationError(
                f"What it answered could not be read within {left:.0f} s: {action.says}.",
                state="Nothing was decided from it.",
                next="Look at what it answers by hand: it is very long, or nested very deeply.",
            ) from None

    def _understood(self, action: Action[Any], read: Callable[[], Any]) -> Any:
        try:
            return read()
        except RunwrightError as error:
            if (what := self.clean_printed(error.what)) == error.what:  # it may quote what it could not read
                raise
            raise type(error)(what, state=error.state, next=error.next) from None
        except Exception as error:  # noqa: BLE001 - whatever a parser raises, its input was not understood
            # the text of a foreign exception may quote what it could not read; only its kind is shown
            raise ObservationError(
                f"The answer was not understood ({type(error).__name__}): {action.says}.",
                state="Nothing was decided from it.",
                next="Check that the program or server is of a version that Runwright knows, and try it by hand.",
            ) from (error if self.clean is unchanged else None)

    def _waited(self, action: Wait[Any], do: Do) -> Any:
        until = time.monotonic() + action.deadline_seconds
        last = "there was no answer yet"
        while True:
            try:
                answer = do(action.read)
                if action.until(answer):
                    return answer
                last = (action.tells(answer) if action.tells else f"the last answer was {answer!r}")[:400].rstrip(".")
            except CancelledError:
                raise
            except (ActionError, ObservationError) as error:
                last = f"the last try failed: {error.what}"
            if time.monotonic() + action.every_seconds > until:
                raise DeadlineError(
                    f"Waited {action.deadline_seconds:g} s in vain: {action.says}; {self.clean_printed(last)}."
                )
            time.sleep(action.every_seconds)


def _read(action: Read[T]) -> T:
    return within(action.deadline_seconds, action.function, action.says) if action.asks else action.function()


class Prefixed:
    """The ``do`` of one branch: the keys of its changes carry the branch's name."""

    def __init__(self, do: Do, name: str) -> None:
        self._do = do
        self._name = name

    def __call__(self, action: Action[T]) -> T:
        if (
            action.key is not None
            and not action.key.startswith(f"{self._name}/")
            and f"/{self._name}/" not in action.key
        ):
            raise ValueError(f"the key {action.key!r} does not carry its branch's name {self._name!r}")
        return self._do(action)


def together(action: Together, do: Do) -> tuple[Any, ...]:
    """Run the branches at the same time; return their results in order. All end before an error of any is raised."""

    def run(branch: Branch[Any]) -> Any:
        return branch.run(Prefixed(do, branch.name))

    with ThreadPoolExecutor(max_workers=max(1, len(action.branches))) as pool:
        # each in a context of its own: they are done where this is
        futures = [pool.submit(copy_context().run, run, branch) for branch in action.branches]
    errors = [error for future in futures if (error := future.exception()) is not None]
    if errors:
        raise errors[0]
    return tuple(future.result() for future in futures)
