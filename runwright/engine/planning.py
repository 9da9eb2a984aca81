"""Plan mode: the same drivers, with reads performed until the first change, and changes only written down."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any, TypeVar

from runwright.engine.actions import UNKNOWN, Action, Command, Http, Spawn, Stop, Together, Wait, WriteFile
from runwright.engine.performer import Performer, Prefixed
from runwright.errors import RunwrightError

T = TypeVar("T")


class DependsError(RunwrightError):
    """From here on the plan depends on something that only the changes before it will show."""


@dataclass(frozen=True)
class Step:
    """One change of a plan: its key, its sentence, and exactly what is done."""

    key: str
    says: str
    exact: str


class Planner:
    """A ``do`` that changes nothing. ``steps`` are the changes that would be made, in order.

    A read before the first change is performed, and one that no change touches; any other one returns its ``assume``, or
    raises DependsError.
    """

    def __init__(self, performer: Performer) -> None:
        self.steps: list[Step] = []
        self._performer = performer

    def __call__(self, action: Action[T]) -> T:
        if isinstance(action, Together):
            # one after the other: a plan is read from top to bottom
            return tuple(branch.run(Prefixed(self, branch.name)) for branch in action.branches)  # type: ignore[return-value]
        if action.key is not None:
            self.steps.append(Step(action.key, action.says, self._performer.clean(exact(action))))
            return None  # type: ignore[return-value]
        if not self.steps or action.untouched:
            return self._performer.perform(action, self, "plan", lambda _: None)
        assumed = action.read.assume if isinstance(action, Wait) and action.assume is UNKNOWN else action.assume
        if assumed is UNKNOWN:
            raise DependsError(f"From here on it depends on: {action.says}.")
        return assumed  # type: ignore[return-value]


def exact(action: Action[Any]) -> str:
    """Return what an action does, to the letter, as a person would type it: without environment, input and bodies."""
    match action:
        case Command():
            words = shlex.join(action.argv)
            into = f" > {shlex.quote(str(action.stdout_to))}" if action.stdout_to else ""
            source = f" < {shlex.quote(str(action.stdin_from))}" if action.stdin_from else ""
            return words + source + into
        case Http():
            return f"{action.method} {action.url}"
        case WriteFile():
            return f"write {len(action.content)} bytes to {action.path} (mode {action.mode:o})"
        case Spawn():
            return f"{shlex.join(action.argv)} >> {shlex.quote(str(action.log))} &"
        case Stop():
            return f"kill {action.process.pid}"
        case _:
            return action.says
