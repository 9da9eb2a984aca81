"""What `doctor` looks at, and what it finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runwright.platforms.shape import State

if TYPE_CHECKING:
    from deployments.cli.places import Place
    from runwright.runbook.model import Runbook

_LISTED = 6


@dataclass(frozen=True)
class Wanted:
    """An environment to look at. ``named``: a person asked for this one, so that what it lacks is wrong, not just odd."""

    place: Place
    runbook: Runbook
    named: bool

    @property
    def lacks(self) -> State:
        """How bad it is that something is missing here."""
        return "fail" if self.named else "warn"


def listed(names: Sequence[str]) -> str:
    """Return ``names`` as words for one line: all of a few, the first ones of many."""
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "") or "none"
