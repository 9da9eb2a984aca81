"""The rollback levels: what the way back from a release costs."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Level(StrEnum):
    """What the way back from a release costs, from free to a decision that only a person can take.

    They compare by how hard the way back is: ``max`` of several is the level of all together. L2 needs a downgrade that
    was rehearsed on a copy of the data, and L4 somebody who says so; reading a migration alone gives L1 or L3.
    """

    L0 = "L0"
    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    L4 = "L4"

    @property
    def meaning(self) -> str:
        """The level as one line for plans and reports."""
        return _MEANINGS[self]


_MEANINGS = {
    Level.L0: "no migration: traffic goes back, nothing else changes",
    Level.L1: "the migrations only add: traffic goes back, the schema stays as it is",
    Level.L2: "the downgrade was rehearsed: traffic goes back, then the schema is downgraded",
    Level.L3: "the way back can lose data or break the old version, or is not known: the release freezes and a person decides",
    Level.L4: "it cannot be reversed: a person decides between restoring the backup and a new version",
}


def worst(levels: Iterable[Level]) -> Level:
    """Return the level of several migrations together; L0 if there is none."""
    return max(levels, default=Level.L0)
