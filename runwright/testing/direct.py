"""A ``do`` that performs everything at once and remembers nothing: for tests of drivers against the real thing."""

from __future__ import annotations

from typing import Any, TypeVar

from runwright.engine.actions import Action
from runwright.engine.performer import Performer

T = TypeVar("T")


class Direct:
    """Perform every action for real. ``done`` lists the changes, in order."""

    def __init__(self) -> None:
        self.done: list[Action[Any]] = []
        self._performer = Performer()

    def __call__(self, action: Action[T]) -> T:
        if not action.reads:
            self.done.append(action)
        return self._performer.perform(action, self, f"direct/{action.key or 'read'}", lambda _: None)

    @property
    def keys(self) -> list[str]:
        """The keys of the changes, in order."""
        return [str(action.key) for action in self.done]
