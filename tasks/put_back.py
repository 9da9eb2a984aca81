"""Put the system back: what was decided, done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from runwright.release import put_back as release
from tasks.run import RUN
from tasks.step import step

put_back = step(release.put_back)


@contextmanager
def in_hand(release_id: str, procedure: str = "deploy") -> Iterator[None]:
    """Hold the environment; if what is done meanwhile fails, put the system back before the error goes on its way."""
    with release.in_hand(release_id, RUN, procedure):
        yield


@contextmanager
def paged(release_id: str) -> Iterator[None]:
    """Tell people if the way back itself fails: no event starts another, only the supervisor does, a while later."""
    with release.paged(release_id, RUN):
        yield
