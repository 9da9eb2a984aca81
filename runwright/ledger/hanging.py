"""A server of PostgreSQL that hangs: a limit to how long anybody waits for its answer."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import psycopg

ANSWER_SECONDS = 65.0
"""How long a server may take to answer: longer than it lets any statement run, so that it must hang if it does not."""


class Bounded(psycopg.Connection[Any]):
    """A connection that gives up a server that hangs: its machine still acknowledges what we send, so no network would."""

    def wait(self, gen: Generator[Any, Any, Any], *words: Any, **named: Any) -> Any:
        try:
            return super().wait(_in_time(gen, time.monotonic() + ANSWER_SECONDS), *words, **named)
        except _HungError:
            self.close()
            raise psycopg.OperationalError(f"the server did not answer within {ANSWER_SECONDS:g} s") from None


class _HungError(Exception):
    """The server took too long."""


def _in_time(gen: Generator[Any, Any, Any], until: float) -> Generator[Any, Any, Any]:
    """Do what ``gen`` does: it is asked anew at least ten times a second. Raise _HungError after ``until``."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > until:
                raise _HungError
            wanted = gen.send(ready)
    except StopIteration as end:
        return end.value
