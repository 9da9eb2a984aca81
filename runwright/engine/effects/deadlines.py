"""Give up what may never end by itself: a server that drips, a resolver or a disk that hangs."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from runwright.errors import DeadlineError

T = TypeVar("T")


class LateError(DeadlineError):
    """What was given up here, unlike a DeadlineError that the function itself raised."""


def within(seconds: float, function: Callable[[], T], says: str, *, give_up: Callable[[], None] = lambda: None) -> T:
    """Return what ``function`` returns, or raise what it raises. Raise LateError if that takes longer than ``seconds``.

    It runs on a thread of its own. A thread cannot be ended from outside: ``give_up`` is called for one that is late, to
    take away what it waits for. What goes on all the same keeps no process from exiting.
    """
    done: Future[T] = Future()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            done.set_result(context.run(function))
        except BaseException as error:  # noqa: BLE001 - it is raised again where somebody waits for it
            done.set_exception(error)

    threading.Thread(target=run, name="runwright-within", daemon=True).start()
    try:
        late = bool(wait((done,), seconds).not_done)
    except BaseException:
        give_up()  # nobody waits any more: the run was cancelled
        raise
    if late:
        give_up()
        raise LateError(
            f"No answer within {seconds:g} s: {says}.",
            next="Look at whether the server is overloaded or unreachable.",
        )
    return done.result()
