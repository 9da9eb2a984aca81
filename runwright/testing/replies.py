"""A ``do`` that performs nothing: a table of replies in, a list of actions out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from runwright.engine.actions import Action, Command, Http, Output, Read, Reply, Together, Wait
from runwright.engine.performer import together
from runwright.errors import ActionError, DeadlineError

T = TypeVar("T")


class Replies:
    """Answers each action from ``table``.

    The first entry whose name is the action's key, or a part of its ``says`` or of its words (argv joined by spaces, or
    method and URL), answers it. An Output or a Reply goes through the action's own ``parse`` (and fails as it would for
    real if its code or status is not ``ok``), an exception is raised, a callable is called with the action, a list is
    answered item by item and its last item for ever, anything else is the result. An action that nothing answers is an AssertionError,
    but a change without a reply succeeds with None if ``lenient``.
    """

    def __init__(self, table: Mapping[str, Any], *, lenient: bool = False) -> None:
        self._table = {name: list(value) if isinstance(value, list) else value for name, value in table.items()}
        self._lenient = lenient
        self.actions: list[Action[Any]] = []

    def __call__(self, action: Action[T]) -> T:
        if isinstance(action, Together):
            return together(action, self)  # type: ignore[return-value]
        if isinstance(action, Wait):
            return self._wait(action)  # type: ignore[no-any-return]
        self.actions.append(action)
        return self._answer(action)  # type: ignore[no-any-return]

    @property
    def changes(self) -> list[Action[Any]]:
        """The actions that change something, in order."""
        return [action for action in self.actions if action.key is not None]

    @property
    def keys(self) -> list[str]:
        """Their keys."""
        return [str(action.key) for action in self.changes]

    def _wait(self, action: Wait[T]) -> T:
        for _ in range(20):
            try:
                answer = self(action.read)
            except ActionError:
                continue
            if action.until(answer):
                return answer
        raise DeadlineError(f"Waited in vain: {action.says}.")

    def _answer(self, action: Action[Any]) -> Any:
        words = ""
        if isinstance(action, Command):
            words = " ".join(action.argv)
        elif isinstance(action, Http):
            words = f"{action.method} {action.url}"
        for name in self._table:
            if name == action.key or name in action.says or name in words:
                value = self._table[name]
                if isinstance(value, list):
                    value = value.pop(0) if len(value) > 1 else value[0]
                return self._given(action, value)
        if isinstance(action, Read):
            return action.function()
        if self._lenient and action.key is not None:
            return None
        raise AssertionError(f"no reply for: {action.says} [{action.key}] {words}")

    def _given(self, action: Action[Any], value: Any) -> Any:
        if isinstance(value, BaseException):
            raise value
        if isinstance(value, Output) and isinstance(action, Command):
            if value.code not in action.ok:
                raise ActionError(f"{action.argv[0]} exited with {value.code}: {action.says}.")
            return action.parse(value)
        if isinstance(value, Reply) and isinstance(action, Http):
            if action.ok is not None and value.status not in action.ok:
                raise ActionError(f"It was answered with status {value.status}: {action.says}.")
            return action.parse(value)
        return value(action) if callable(value) else value
