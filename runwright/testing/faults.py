"""The fault injector: fail, hang, kill or stop at any point of any change.

A fault is written ``kind@point:key``, several joined by commas; ``*`` in the key stands for anything:
``kill@during:deploy/start/*``, ``fail@before:migrate/api``, ``hang@before:switch``.
Kinds: fail (once), break (fails every time that it is tried), hang (until the action's deadline), kill (SIGKILL to
this process), stop (SIGSTOP to this process: somebody must continue or kill it).
Points: before (the intent is journaled), checked (the lease was looked at for the last time), during (it runs; of what
has no process: it has just been done), unsettled (it is done, the outcome is not journaled), after (the outcome is
journaled).
All kinds but ``break`` strike once: a file in the given folder remembers it, also for the processes that come after.
"""

from __future__ import annotations

import fnmatch
import os
import signal
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import quote, unquote

from runwright.engine.actions import Action
from runwright.engine.executor import Faults, no_faults
from runwright.errors import ActionError, DeadlineError, InputError
from runwright.home import home

VARIABLE = "RUNWRIGHT_FAULTS"
HANG_VARIABLE = "RUNWRIGHT_FAULT_HANG_SECONDS"
"""How long a hang lasts instead, if it is shorter than the action's deadline: tests have no ten minutes."""

Kind = Literal["fail", "break", "hang", "kill", "stop"]
Point = Literal["before", "checked", "during", "unsettled", "after"]


@dataclass(frozen=True)
class Fault:
    """One fault: what happens, at which point, of which change."""

    kind: Kind
    point: Point
    key: str

    def __str__(self) -> str:
        return f"{self.kind}@{self.point}:{self.key}"

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Return the fault that ``kind@point:key`` means. Raise InputError if it means none."""
        kind, _, rest = text.strip().partition("@")
        point, _, key = rest.partition(":")
        if kind not in get_args(Kind) or point not in get_args(Point) or not key:
            raise InputError(
                f"{text!r} is not a fault.",
                next="Write kind@point:key, for example kill@during:deploy/start/*; "
                f"kinds: {', '.join(get_args(Kind))}; points: {', '.join(get_args(Point))}.",
            )
        return cls(kind, point, key)  # type: ignore[arg-type]


class Injector:
    """Lets each fault strike once. ``remembered`` is a folder: a process that was killed must not be killed again."""

    def __init__(self, faults: list[Fault], remembered: Path) -> None:
        self._faults = faults
        self._remembered = remembered

    def __call__(self, point: str, action: Action[Any]) -> None:
        """Strike if a fault is meant for this point of this change."""
        for fault in self._faults:
            if fault.point == point and fnmatch.fnmatchcase(action.key or "", fault.key) and self._strikes(fault):
                strike(fault, action)

    def _strikes(self, fault: Fault) -> bool:
        file = mark_of(fault, self._remembered)
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            file.touch(exist_ok=False)
        except FileExistsError:
            return fault.kind == "break"
        return True


class AtEveryChange:
    """Lets a fault of one kind strike once at each of ``points`` of every change, whichever changes there are.

    Who starts the procedure again and again until nothing strikes has seen it die everywhere. remembered: as for Injector.
    """

    def __init__(self, kind: Kind, points: Collection[Point], remembered: Path) -> None:
        self._kind = kind
        self._points = points
        self._remembered = remembered

    def __call__(self, point: str, action: Action[Any]) -> None:
        """Strike if nothing has at this point of this change."""
        for fault in (Fault(self._kind, each, action.key or "") for each in self._points if each == point):
            if str(fault) not in self.struck:
                mark_of(fault, self._remembered).touch()
                strike(fault, action)

    @property
    def struck(self) -> frozenset[str]:
        """What has struck so far, each as a fault is written."""
        self._remembered.mkdir(parents=True, exist_ok=True)
        return frozenset(unquote(file.name) for file in self._remembered.iterdir())


def mark_of(fault: Fault, remembered: Path) -> Path:
    """Return the file that is there once ``fault`` has struck."""
    return remembered / quote(str(fault), safe="@:")


def strike(fault: Fault, action: Action[Any]) -> None:
    """Let ``fault`` happen to ``action``."""
    match fault.kind:
        case "fail" | "break":
            raise ActionError(f"An injected fault: {action.says}.", next="This is a test.")
        case "hang":
            limit = os.environ.get(HANG_VARIABLE)
            time.sleep(min(action.deadline_seconds, float(limit)) if limit else action.deadline_seconds)
            raise DeadlineError(f"An injected hang: {action.says}.", next="This is a test.")
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)


def from_environment() -> Faults:
    """Return the faults that ``RUNWRIGHT_FAULTS`` names; in production it is not set, and nothing is injected."""
    text = os.environ.get(VARIABLE, "")
    if not text:
        return no_faults
    return Injector([Fault.parse(part) for part in text.split(",")], home() / "faults")
