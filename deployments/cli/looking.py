"""A ``do`` for the command line: it performs what only reads, and refuses everything else."""

from __future__ import annotations

from typing import Any, TypeVar

from runwright.engine.actions import Action
from runwright.engine.performer import Performer

T = TypeVar("T")


class Looking:
    """Performs reads at once. Raise ValueError for an action that would change something."""

    def __init__(self) -> None:
        self._performer = Performer()

    def __call__(self, action: Action[T]) -> T:
        if not action.reads:
            raise ValueError(f"this only looks, and would have changed something: {action.says}")
        return self._performer.perform(action, self, "look", _nobody)


def _nobody(_: Any) -> None:
    return
