"""Drills that are going to be made: where none may be, how something is broken, and which way's turn it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runwright.errors import InputError, RefusedError
from runwright.policy.drills import Drill
from runwright.runbook.drill import BREAKS, Break
from runwright.runbook.model import Runbook


def refuse_production(runbook: Runbook, environment: str) -> None:
    """Raise RefusedError if ``environment`` is production: a drill breaks what it releases."""
    if runbook.environments[environment].tier == "production":
        raise RefusedError(
            f"{runbook.system}/{environment} is production: a drill breaks what it releases.",
            state="Nothing was done.",
            next="Drill another environment of the system.",
        )


def checked_way(by: str) -> Break:
    """Return a way to break something by its name. Raise InputError, which lists them, if there is none of that name."""
    for way in BREAKS:
        if way == by:
            return way
    raise InputError(f"There is no way {by!r} to break it.", next=f"There are {', '.join(BREAKS)}.")


def whose_turn(allowed: Sequence[Break], newest_first: Iterable[Drill]) -> Break:
    """Return the way that was not tried for longest, the first of ``allowed`` if several never were."""
    done = [drill.broken_by for drill in newest_first]
    wanted = list(allowed) or list(BREAKS)
    return max(wanted, key=lambda way: done.index(way) if way in done else len(done))
