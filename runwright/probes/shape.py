"""What every probe offers: a question, its answer, and what came of asking.

| state | when                                                                                                     |
|-------|----------------------------------------------------------------------------------------------------------|
| pass  | it answered as the probe expects                                                                         |
| warn  | it answered otherwise, with a status that is only worth a remark                                         |
| fail  | it answered otherwise, or not at all                                                                     |
| blind | it could not be asked for a reason on our side: a missing secret, an unknown name, no network of our own |

A kind of probe is a module that `runwright.registry` names, with a function that says how its question is put (`Asked`).
Everything else is the same for all: what an answer must hold, the numbers in it, when it is asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from runwright.engine.actions import Action
from runwright.errors import ActionError
from runwright.probes.values import Values
from runwright.runbook.probes import Probe

State = Literal["pass", "warn", "fail", "blind"]
Clock = Callable[[], datetime]

ANY_CODE = frozenset(range(-64, 256))
"""Whatever code a program exits with, what it says is looked at."""
PLANNED = "not asked yet: this is a plan"
PLANNED_FACT: dict[str, Any] = {"state": "pass", "reason": PLANNED, "status": None, "seconds": None}
"""What a plan assumes of an answer."""

UNREACHED = frozenset({502, 504})
"""Statuses by which a proxy says that nobody behind it has answered."""


@dataclass(frozen=True)
class Answer:
    """What was answered, by whatever was asked.

    status: of an HTTP answer, else None. headers: their names in lower case. phases: seconds by phase of the request.
    wrong: what is wrong with it already, as phrases (the exit code of a program). heard: whether the target itself has
    answered. body: JSON or text.
    """

    body: bytes
    seconds: float
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    phases: Mapping[str, float] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()
    heard: bool = True


@dataclass(frozen=True)
class ProbeResult:
    """What came of asking: the state, the reason with its numbers, how long the answer took, and what it saved.

    numbers: those that the probe names, as far as the answer holds them; missing: why the others are not known. phases:
    seconds by phase of the request. heard: whether something that speaks no HTTP has answered.
    """

    id: str
    state: State
    reason: str
    seconds: float | None = None
    status: int | None = None
    saved: Mapping[str, str] = field(default_factory=dict, repr=False)
    numbers: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    phases: Mapping[str, float] = field(default_factory=dict)
    heard: bool = False

    @property
    def good(self) -> bool:
        """Whether a release may go on with it."""
        return self.state in ("pass", "warn")

    @property
    def answered(self) -> bool:
        """Whether the target itself has answered, however wrongly."""
        return self.heard if self.status is None else self.status not in UNREACHED


@dataclass(frozen=True)
class Told:
    """What a database answered: its rows as a JSON list of objects; refused: what it said against the query, "" if nothing."""

    rows: bytes
    seconds: float
    refused: str = ""


@dataclass(frozen=True)
class Logged:
    """What services printed. lines: oldest first, without times; cut: there was more before them. seconds: since when."""

    lines: tuple[str, ...]
    seconds: float
    cut: bool = False


Parse = Callable[[Told], dict[str, Any]]


def _no_database(*_: object) -> Action[dict[str, Any]]:
    raise ActionError("There is no database that could be asked.")


def _no_log(*_: object) -> Action[dict[str, Any]]:
    raise ActionError("It is not known what services printed.")


def _no_way_in(service: str) -> tuple[str, ...]:
    raise ActionError(f"No program can be run inside of {service}: it is not known where the system runs.")


@dataclass(frozen=True)
class World:
    """What there is of the system besides its addresses, for probes that are asked from inside of it.

    entering: the words before a program that is to run where a service runs. query: the action that asks its database: of a
    query, seconds, a sentence, and who reads the rows. log: the action that reads what services printed since users reach the
    version: of the services, a sentence, and who reads the lines. before: what `per_minute` was before the release, by the
    probe's id. production: whether it is. All raise ActionError if there is no such thing.
    """

    entering: Callable[[str], tuple[str, ...]] = _no_way_in
    query: Callable[[str, float, str, Parse], Action[dict[str, Any]]] = _no_database
    log: Callable[[Sequence[str], str, Callable[[Logged], dict[str, Any]]], Action[dict[str, Any]]] = _no_log
    before: Mapping[str, float] = field(default_factory=dict)
    production: bool = False


NOWHERE = World()


@dataclass(frozen=True)
class Asked:
    """One probe that is asked: with which values, where, and when. key: of its change, "" if it only reads."""

    probe: Probe
    values: Values
    clock: Clock
    key: str = ""
    world: World = NOWHERE


class Question(Protocol):
    """How a kind of probe puts its question."""

    def __call__(self, asked: Asked, judge: Callable[[Answer], dict[str, Any]]) -> Action[dict[str, Any]]:
        """Return the action that asks, and gives the answer to ``judge``. Raise InputError if something that it needs is
        not set, ActionError if it cannot be asked."""
        ...
