"""What became of a run that is being followed: a pure function of the run, the release and how long nothing happened."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from deployments.cli.exits import Exit
from runwright.ledger.states import ENDED, ReleaseState

Wanted = Literal["deploy", "drill", "rollback"]
"""What the person who follows asked for: that a version is released, that one is broken and comes back, or that the system
is put back."""

SETTLE_SECONDS = 180.0
"""How long nothing may happen to a release whose run has ended. The automation starts the rollback within seconds, its
process needs about ten, and it waits up to thirty for the lease of a run that died."""


@dataclass(frozen=True)
class RunState:
    """The state of a flow run, in Prefect's words: ``type`` is one of its state types, ``message`` what it says."""

    type: str
    name: str = ""
    message: str = ""

    @property
    def terminal(self) -> bool:
        """Whether the run has ended."""
        return self.type in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

    @property
    def waits(self) -> bool:
        """Whether no worker has taken it yet."""
        return self.type in ("SCHEDULED", "PENDING")


class Outcome(StrEnum):
    """How a release, or a way back, ended."""

    PROVEN = "proven"
    """The release was watched to the end, and nothing spoke against it."""
    BACK = "back"
    """The system is back, as was asked."""
    CAME_BACK = "came back"
    """What a drill broke was noticed, and the version before serves again."""
    TAKEN_BACK = "taken back"
    """The release failed, and the system was put back."""
    UNTOUCHED = "untouched"
    """It ended before anything was changed."""
    NOTHING_TO_DO = "nothing to do"
    """There was nothing to put back."""
    FROZEN = "frozen"
    """A person must decide."""
    NOT_BEGUN = "not begun"
    """The run ended before there was a release."""
    UNSEEN = "unseen"
    """The run completed, and this ledger knows nothing of it."""
    STILL_SERVES = "still serves"
    """The way back was asked for, and the release serves as before."""
    UNSETTLED = "unsettled"
    """The run has ended, and the release has not."""


CODES = {
    Outcome.PROVEN: Exit.DONE,
    Outcome.BACK: Exit.DONE,
    Outcome.CAME_BACK: Exit.DONE,
    Outcome.TAKEN_BACK: Exit.TAKEN_BACK,
    Outcome.UNTOUCHED: Exit.FAILED,
    Outcome.NOTHING_TO_DO: Exit.DONE,
    Outcome.FROZEN: Exit.PERSON,
    Outcome.NOT_BEGUN: Exit.FAILED,
    Outcome.UNSEEN: Exit.DONE,
    Outcome.STILL_SERVES: Exit.FAILED,
    Outcome.UNSETTLED: Exit.FAILED,
}

_OF_DEPLOY = {
    ReleaseState.PROVEN: Outcome.PROVEN,
    ReleaseState.ROLLED_BACK: Outcome.TAKEN_BACK,
    ReleaseState.ABANDONED: Outcome.UNTOUCHED,
    ReleaseState.FROZEN: Outcome.FROZEN,
}
_OF_DRILL = _OF_DEPLOY | {ReleaseState.ROLLED_BACK: Outcome.CAME_BACK}
_OF_ROLLBACK = {
    ReleaseState.PROVEN: Outcome.STILL_SERVES,
    ReleaseState.ROLLED_BACK: Outcome.BACK,
    ReleaseState.ABANDONED: Outcome.NOTHING_TO_DO,
    ReleaseState.FROZEN: Outcome.FROZEN,
}


_OF: dict[Wanted, dict[ReleaseState, Outcome]] = {"deploy": _OF_DEPLOY, "drill": _OF_DRILL, "rollback": _OF_ROLLBACK}


def outcome(
    wanted: Wanted,
    run: RunState | None,
    release: ReleaseState | None,
    quiet_seconds: float,
    settle_seconds: float = SETTLE_SECONDS,
) -> Outcome | None:
    """Return how it ended, or None while it goes on.

    run: None if Prefect cannot be asked; then only the release counts. release: None if the run has none (yet).
    quiet_seconds: how long nothing was seen to happen.
    """
    at_rest = release is not None and (release in ENDED or release is ReleaseState.FROZEN)
    if run is None:
        # a rollback begins at a release that is proven or frozen: its run alone says when that is the end; how a drill ended
        # is kept a moment after its release has
        if at_rest and wanted == "deploy":
            return _judged(wanted, release)
        return Outcome.UNSETTLED if quiet_seconds >= settle_seconds else None
    if not run.terminal:
        return None
    if release is None:
        return Outcome.UNSEEN if run.type == "COMPLETED" else Outcome.NOT_BEGUN
    if at_rest:
        return _judged(wanted, release)
    # a deploy that ended badly is taken up by the rollback that the automation starts; a rollback by nobody
    if run.type == "COMPLETED" or wanted == "rollback" or quiet_seconds >= settle_seconds:
        return Outcome.UNSETTLED
    return None


def _judged(wanted: Wanted, release: ReleaseState | None) -> Outcome:
    assert release is not None
    return _OF[wanted][release]
