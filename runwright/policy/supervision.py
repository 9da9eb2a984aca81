"""What is done about releases and runs that nobody works on any more: pure functions of what was seen.

Events tell of most deaths, and the rollback follows within seconds. What no event told of, this finds: a run whose
machine is gone, a run that was never started, a release whose way back died as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from runwright.plural import plural

TAG = "runwright"
"""What every run of ours is tagged with, but the supervisor's own."""
SUPERVISOR_TAG = "runwright-supervisor"
"""Not the tag of all others: the end of a short run may reach the orchestrator before its first heartbeat, which then looks like
a silence. A supervisor that is started by that must not be able to start the next one in the same way."""
SILENT_SECONDS = 100.0
"""A run says every thirty seconds that it lives. One that has not for longer than three of these times is dead."""
STUCK_SECONDS = 300.0
"""A worker that took a run starts it within seconds, a minute on a busy machine. One that did not by now never will."""
OVERDUE_SECONDS = 60.0
"""Prefect ends a run that waited for a person in vain seconds after its time is over. One that it did not end by now, it
never will: that service of it is off, or was away."""
GRACE_SECONDS = 90.0
"""For so long after its run has ended, a release is left to the rollback that the end of the run has fired."""
TRIES = 3
"""How often the way back of one release is started again. After that a person is asked."""


class Life(StrEnum):
    """What is known of a run."""

    LIVES = "lives"
    """It runs, it waits for a person, or a worker has still to take it."""
    DEAD = "dead"
    """It says that it runs, or is about to, and nothing of it is left."""
    ENDED = "ended"
    """It has come to an end, and says so."""


@dataclass(frozen=True)
class Seen:
    """A run as the orchestrator shows it.

    state: SCHEDULED, PENDING, RUNNING, PAUSED, CANCELLING, or one that is final. since_seconds: how long it is in that
    state. silent_seconds: how long nothing was heard of it, neither a heartbeat nor a change of its state.
    overdue_seconds: how long ago the time was over in which somebody had to answer a paused run; 0 if it is not, or if
    there is no such time.
    """

    id: str
    procedure: str
    state: str
    since_seconds: float
    silent_seconds: float
    overdue_seconds: float = 0.0


class Step(StrEnum):
    """What is done about a release that has not come to its end."""

    LEAVE = "leave"
    """Somebody works on it, or is about to."""
    PUT_IN_ORDER = "put in order"
    """Nobody does: the rollback flow is started; it looks, and finishes or undoes."""
    ASK = "ask"
    """It was tried often enough: a person must see to it."""


@dataclass(frozen=True)
class Answer:
    """What is done, and why."""

    step: Step
    because: str


STARTED_AGAIN = "started-again"
"""The fact of a release that serves about what died of it meanwhile."""
RESTARTS = 3
"""How often what died outside of a release is started again within ``RESTARTS_SECONDS``. After that a person is told."""
RESTARTS_SECONDS = 3600.0


def may_start_again(seconds_ago: Iterable[float]) -> bool:
    """Return whether what died may be started once more, given how long ago it was started again before."""
    return sum(ago < RESTARTS_SECONDS for ago in seconds_ago) < RESTARTS


def life(run: Seen) -> tuple[Life, str]:
    """Return whether a run lives, and the evidence, for people."""
    match run.state:
        case "RUNNING" | "CANCELLING" if run.silent_seconds > SILENT_SECONDS:
            return (
                Life.DEAD,
                f"nothing was heard of it for {run.silent_seconds:.0f} s; it should say every 30 s that it lives",
            )
        case "PENDING" if run.since_seconds > STUCK_SECONDS:
            return Life.DEAD, f"a worker took it {run.since_seconds:.0f} s ago and never started it"
        case "PAUSED" if run.overdue_seconds > OVERDUE_SECONDS:
            return (
                Life.DEAD,
                f"it waited for a person, whose time to answer was over {run.overdue_seconds:.0f} s ago",
            )
        case "SCHEDULED" | "PENDING" | "RUNNING" | "CANCELLING" | "PAUSED":
            return Life.LIVES, f"it is {run.state.lower()}"
    return Life.ENDED, f"it is {run.state.lower()}"


def answer(*, held: bool, changed: bool, runs: tuple[Seen, ...], quiet_seconds: float, tried: int) -> Answer:
    """Return what is done about a release that has not come to its end, and is not frozen.

    held: somebody holds its environment's lease. changed: it has changed what users may notice: then a run that only
    waits for a person, and does not hold the environment, is nobody who works on it. runs: those of its environment that
    have not ended, or are dead.
    quiet_seconds: how long ago the last of its runs ended, or the release last moved, whichever was later. tried: how
    often its way back was started again already.
    """
    if held:
        return Answer(Step.LEAVE, "somebody holds the environment")
    works = [run for run in runs if not (changed and run.state == "PAUSED")]
    living = [run for run in works if life(run)[0] is Life.LIVES]
    if living:
        return Answer(Step.LEAVE, f"the {living[0].procedure} run {living[0].id} works on it, or is about to")
    if quiet_seconds < GRACE_SECONDS:
        return Answer(Step.LEAVE, f"its run ended {quiet_seconds:.0f} s ago, and the rollback may be about to start")
    if tried >= TRIES:
        return Answer(Step.ASK, f"its way back was started {plural(tried, 'time')} more, and did not come to an end")
    return Answer(Step.PUT_IN_ORDER, f"nobody works on it since {quiet_seconds:.0f} s")
