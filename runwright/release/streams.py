"""Websockets and event streams that are open on a version that is about to be stopped: they are given a while to end."""

from __future__ import annotations

import time
from collections.abc import Collection

from runwright.engine.actions import Do
from runwright.errors import ActionError, CancelledError, ObservationError
from runwright.release.work import Work

LONGEST_SECONDS = 30.0
"""They may stay open for days. So long it is waited for them before what they lead to is stopped."""
ASK_EVERY_SECONDS = 0.5


def let_end(work: Work, do: Do, slots: Collection[str]) -> None:
    """Wait until nothing is open on ``slots``, for a while at most; nothing where the router does not count them."""
    until, said = time.monotonic() + LONGEST_SECONDS, False
    while left := _open(work, do, slots):
        if time.monotonic() > until:
            work.say(
                f"{left} websockets, event streams or requests are still open on what is stopped now.", level="warning"
            )
            return
        if not said:
            work.say(f"Waiting up to {LONGEST_SECONDS:.0f} s for {left} websockets, event streams or requests to end.")
            said = True
        time.sleep(ASK_EVERY_SECONDS)


def _open(work: Work, do: Do, slots: Collection[str]) -> int:
    try:
        counted = work.cutover.counted(do)
    except CancelledError:
        raise
    except (ActionError, ObservationError):
        return 0  # it is down: nothing is open on it any more
    return sum(one.streams + one.in_flight for slot, one in counted.items() if slot in slots)
