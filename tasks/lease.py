"""Hold an environment: one procedure at a time, for as long as its process lives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from runwright.release import lease
from tasks.run import RUN


@contextmanager
def holding(release_id: str, procedure: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the release's environment. Raise LeaseHeldError if somebody else does (``wait``: still does after a while)."""
    with lease.holding(release_id, procedure, RUN, wait=wait):
        yield
