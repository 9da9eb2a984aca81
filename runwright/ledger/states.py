"""The states of a release, and the one table of what may follow what."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class ReleaseState(StrEnum):
    """Where a release stands."""

    PREPARING = "preparing"
    """Its commit is resolved, the first gates are checked, its artifacts are built or pulled."""
    PLANNED = "planned"
    """Every action is known, with the way back; the backup and the rehearsal belong to the plan."""
    APPROVED = "approved"
    """The plan may be carried out: it was approved, or nobody has to approve it."""
    MIGRATING = "migrating"
    """The schema of the database is being changed."""
    STAGING = "staging"
    """The new version is being started where no user reaches it."""
    SWITCHING = "switching"
    """Traffic is being moved, or the old version is being replaced in place."""
    VERIFYING = "verifying"
    """Users reach the new version; it is being asked whether it works."""
    WATCHING = "watching"
    """It works; it is being measured for as long as the runbook says."""
    PROVEN = "proven"
    """It was watched to the end and nothing spoke against it. It is a way back for later releases."""
    FAILING = "failing"
    """Something spoke against it; what is done about it is being decided."""
    ROLLING_BACK = "rolling_back"
    """The system is being put back."""
    ROLLED_BACK = "rolled_back"
    """The system is back on the version before it, or on none if there was none."""
    FROZEN = "frozen"
    """A person must decide; nothing more is done until then."""
    ABANDONED = "abandoned"
    """It ended before anything was changed."""


_S = ReleaseState

FORWARD: tuple[ReleaseState, ...] = (
    _S.PREPARING,
    _S.PLANNED,
    _S.APPROVED,
    _S.MIGRATING,
    _S.STAGING,
    _S.SWITCHING,
    _S.VERIFYING,
    _S.WATCHING,
    _S.PROVEN,
)
"""The way of a release that goes well, in order."""

ENDED = frozenset({_S.PROVEN, _S.ROLLED_BACK, _S.ABANDONED})
"""The states in which nobody works on a release any more. ``frozen`` is not one: somebody still has to."""

_AWAY = frozenset({_S.FAILING, _S.ROLLING_BACK, _S.FROZEN, _S.ABANDONED})

TRANSITIONS: Mapping[ReleaseState, frozenset[ReleaseState]] = MappingProxyType(
    {
        _S.PREPARING: frozenset({_S.PLANNED}) | _AWAY,
        # back to preparing or planned: the target is no longer as the plan saw it, and the plan is made anew
        _S.PLANNED: frozenset({_S.PREPARING, _S.APPROVED}) | _AWAY,
        _S.APPROVED: frozenset({_S.PREPARING, _S.PLANNED, _S.MIGRATING, _S.STAGING, _S.SWITCHING}) | _AWAY,
        _S.MIGRATING: frozenset({_S.STAGING, _S.SWITCHING}) | _AWAY,
        _S.STAGING: frozenset({_S.SWITCHING}) | _AWAY,
        _S.SWITCHING: frozenset({_S.VERIFYING}) | _AWAY,
        _S.VERIFYING: frozenset({_S.WATCHING}) | _AWAY,
        _S.WATCHING: frozenset({_S.PROVEN}) | _AWAY,
        _S.PROVEN: frozenset({_S.ROLLING_BACK}),  # a late rollback
        _S.FAILING: frozenset({_S.ROLLING_BACK, _S.FROZEN, _S.ABANDONED}),
        _S.ROLLING_BACK: frozenset({_S.ROLLED_BACK, _S.FROZEN, _S.ABANDONED}),
        _S.ROLLED_BACK: frozenset(),
        _S.FROZEN: frozenset({_S.ROLLING_BACK, _S.WATCHING, _S.PROVEN, _S.ROLLED_BACK, _S.ABANDONED}),
        _S.ABANDONED: frozenset(),
    }
)
"""What may follow what. Whether ``abandoned`` is true (nothing was changed) is for the caller to know."""


def reached(state: ReleaseState, milestone: ReleaseState) -> bool:
    """Return whether a release in ``state`` is at ``milestone`` or past it on the way forward.

    A release that has left that way (failing, frozen, ...) has reached nothing that could be relied on.
    """
    return state in FORWARD and milestone in FORWARD and FORWARD.index(state) >= FORWARD.index(milestone)
