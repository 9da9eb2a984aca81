"""What became of a run that is followed."""

from __future__ import annotations

import pytest

from deployments.cli.exits import Exit
from deployments.cli.outcomes import CODES, SETTLE_SECONDS, Outcome, RunState, Wanted, outcome
from runwright.ledger.states import ReleaseState as S

RUNNING, COMPLETED, FAILED = RunState("RUNNING"), RunState("COMPLETED"), RunState("FAILED")
CRASHED, CANCELLED, WAITING = RunState("CRASHED"), RunState("CANCELLED"), RunState("SCHEDULED")
LONG = SETTLE_SECONDS + 1

CASES: list[tuple[Wanted, RunState | None, S | None, float, Outcome | None]] = [
    # a deploy goes on while its run does, whatever its release says
    ("deploy", WAITING, None, LONG, None),
    ("deploy", RUNNING, S.MIGRATING, LONG, None),
    ("deploy", RUNNING, S.PROVEN, 0, None),
    ("deploy", RUNNING, S.ROLLED_BACK, 0, None),
    # its release says how it ended, and not the run
    ("deploy", COMPLETED, S.PROVEN, 0, Outcome.PROVEN),
    ("deploy", FAILED, S.PROVEN, 0, Outcome.PROVEN),
    ("deploy", FAILED, S.ROLLED_BACK, 0, Outcome.TAKEN_BACK),
    ("deploy", FAILED, S.ABANDONED, 0, Outcome.UNTOUCHED),
    ("deploy", FAILED, S.FROZEN, 0, Outcome.FROZEN),
    ("deploy", CANCELLED, S.ABANDONED, 0, Outcome.UNTOUCHED),
    ("deploy", CRASHED, S.PROVEN, 0, Outcome.PROVEN),
    # one that ended badly is waited for: the automation starts its rollback
    ("deploy", FAILED, S.FAILING, 0, None),
    ("deploy", CRASHED, S.SWITCHING, SETTLE_SECONDS - 1, None),
    ("deploy", CRASHED, S.SWITCHING, LONG, Outcome.UNSETTLED),
    ("deploy", CANCELLED, S.ROLLING_BACK, LONG, Outcome.UNSETTLED),
    # nothing comes after a run that completed
    ("deploy", COMPLETED, S.WATCHING, 0, Outcome.UNSETTLED),
    # no release: nothing was changed, or it is in another ledger
    ("deploy", FAILED, None, 0, Outcome.NOT_BEGUN),
    ("deploy", CRASHED, None, 0, Outcome.NOT_BEGUN),
    ("deploy", COMPLETED, None, 0, Outcome.UNSEEN),
    # Prefect cannot be asked: the ledger alone tells
    ("deploy", None, S.WATCHING, 0, None),
    ("deploy", None, S.PROVEN, 0, Outcome.PROVEN),
    ("deploy", None, S.WATCHING, LONG, Outcome.UNSETTLED),
    ("deploy", None, None, LONG, Outcome.UNSETTLED),
    # a drill is put back when all is well; whether it was noticed is in the ledger
    ("drill", RUNNING, S.ROLLED_BACK, 0, None),
    ("drill", COMPLETED, S.ROLLED_BACK, 0, Outcome.CAME_BACK),
    ("drill", FAILED, S.ABANDONED, 0, Outcome.UNTOUCHED),
    ("drill", FAILED, S.FROZEN, 0, Outcome.FROZEN),
    ("drill", CRASHED, S.WATCHING, 0, None),
    # a rollback begins at a release that has ended or is frozen: its own run must end first
    ("rollback", WAITING, S.PROVEN, 0, None),
    ("rollback", RUNNING, S.FROZEN, 0, None),
    ("rollback", None, S.PROVEN, 0, None),
    ("rollback", COMPLETED, S.ROLLED_BACK, 0, Outcome.BACK),
    ("rollback", COMPLETED, S.ABANDONED, 0, Outcome.NOTHING_TO_DO),
    ("rollback", COMPLETED, S.PROVEN, 0, Outcome.STILL_SERVES),
    ("rollback", FAILED, S.FROZEN, 0, Outcome.FROZEN),
    ("rollback", FAILED, S.ROLLING_BACK, 0, Outcome.UNSETTLED),
    ("rollback", FAILED, None, 0, Outcome.NOT_BEGUN),
]


@pytest.mark.parametrize(("wanted", "run", "release", "quiet", "expected"), CASES)
def test_the_release_says_how_it_ended_and_the_run_says_when(
    wanted: Wanted, run: RunState | None, release: S | None, quiet: float, expected: Outcome | None
) -> None:
    """A run that has ended badly is followed until its release has ended too, but not for ever."""
    assert outcome(wanted, run, release, quiet) is expected


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (Outcome.PROVEN, Exit.DONE),
        (Outcome.BACK, Exit.DONE),
        (Outcome.TAKEN_BACK, Exit.TAKEN_BACK),
        (Outcome.FROZEN, Exit.PERSON),
        (Outcome.UNTOUCHED, Exit.FAILED),
        (Outcome.NOT_BEGUN, Exit.FAILED),
        (Outcome.STILL_SERVES, Exit.FAILED),
        (Outcome.UNSETTLED, Exit.FAILED),
    ],
)
def test_only_what_was_asked_for_exits_with_zero(ended: Outcome, code: Exit) -> None:
    """A release that was taken back, left alone or not settled is never a success."""
    assert CODES[ended] is code


def test_every_outcome_has_a_code() -> None:
    """No way to end is forgotten."""
    assert set(CODES) == set(Outcome)
