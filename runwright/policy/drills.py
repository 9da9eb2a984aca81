"""Drills that were made: how one ended, and when the next is due. Pure values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class DrillOutcome(StrEnum):
    """How a drill ended."""

    CAME_BACK = "came_back"
    """The watch noticed it, and the version before served again."""
    UNNOTICED = "unnoticed"
    """The watch saw nothing wrong; it was put back when the watch was over."""
    UNCLEAR = "unclear"
    """The watch could not judge it, and would have frozen a release; it was put back when the watch was over."""
    INTERRUPTED = "interrupted"
    """It was put back because its run ended, before the watch had noticed or was over."""
    NOT_BACK = "not_back"
    """It was not put back by itself: a person was needed."""


@dataclass(frozen=True)
class Drill:
    """One drill, as it is kept. noticed_by: what the watch said, "" if it was not noticed.

    back_at: when the version before was proven to serve again, None if it never was.
    """

    release_id: str
    system: str
    environment: str
    broken_by: str
    broken_at: datetime
    noticed_at: datetime | None
    noticed_by: str
    back_at: datetime | None
    outcome: str

    @property
    def came_back(self) -> bool:
        """Whether it was noticed and put back without a person."""
        return self.outcome == DrillOutcome.CAME_BACK

    @property
    def seconds_until_noticed(self) -> float | None:
        """How long nobody noticed, None if nobody ever did."""
        return None if self.noticed_at is None else (self.noticed_at - self.broken_at).total_seconds()

    @property
    def seconds_until_back(self) -> float | None:
        """How long users had what was broken, None if it never came back."""
        return None if self.back_at is None else (self.back_at - self.broken_at).total_seconds()

    def __str__(self) -> str:
        back = self.seconds_until_back
        match self.outcome:
            case DrillOutcome.CAME_BACK:
                return f"broken by {self.broken_by}, back after {back:.0f} s"
            case DrillOutcome.UNNOTICED:
                return f"broken by {self.broken_by}, and the watch did not notice"
            case DrillOutcome.UNCLEAR:
                return f"broken by {self.broken_by}, and the watch could not judge it"
            case DrillOutcome.INTERRUPTED:
                return f"broken by {self.broken_by}, and put back before the watch had noticed"
            case _:
                return f"broken by {self.broken_by}, and it did not come back by itself"


@dataclass(frozen=True)
class Due:
    """Whether an environment is to be drilled again. since: from when on, None if it never was (then it is at once)."""

    overdue: bool
    since: datetime | None


def due(newest_first: Sequence[Drill], every_seconds: float, now: datetime) -> Due:
    """Return whether the last drill that came back is older than ``every_seconds``: one that failed does not count."""
    good = next((drill for drill in newest_first if drill.came_back), None)
    if good is None:
        return Due(True, None)
    since = good.broken_at + timedelta(seconds=every_seconds)
    return Due(now >= since, since)
