"""The states of a release and what may follow what."""

from __future__ import annotations

from itertools import pairwise

import pytest

from runwright.ledger.states import ENDED, FORWARD, TRANSITIONS, ReleaseState, reached

S = ReleaseState
WAYS_OUT = {S.FAILING, S.ROLLING_BACK, S.FROZEN, S.ABANDONED}
MISSING_MIGRATIONS = {(S.APPROVED, S.STAGING), (S.APPROVED, S.SWITCHING), (S.MIGRATING, S.SWITCHING)}
PLAN_ANEW = {(S.PLANNED, S.PREPARING), (S.APPROVED, S.PREPARING), (S.APPROVED, S.PLANNED)}


def test_every_state_has_its_row() -> None:
    """A state that the table forgets could never be left."""
    assert set(TRANSITIONS) == set(ReleaseState)


def test_every_state_can_be_reached_and_come_to_an_end() -> None:
    """No state is an island, and from each there is a way to an end."""
    seen, todo = {S.PREPARING}, [S.PREPARING]
    while todo:
        new = TRANSITIONS[todo.pop()] - seen
        seen |= new
        todo += new
    assert seen == set(ReleaseState)
    ends = set(ENDED)
    while more := {s for s in ReleaseState if s not in ends and TRANSITIONS[s] & ends}:
        ends |= more
    assert ends == set(ReleaseState)


@pytest.mark.parametrize("state", FORWARD[:-1])
def test_everything_live_can_fail_go_back_freeze_or_be_abandoned(state: ReleaseState) -> None:
    """Whatever a release was doing, there is a way out."""
    assert TRANSITIONS[state] >= WAYS_OUT


def test_the_way_forward_is_one_line() -> None:
    """Forward it goes by one step; only migrations and staging may be missing, and a plan may be made anew."""
    steps = {(a, b) for a in FORWARD for b in TRANSITIONS[a] if b in FORWARD}
    assert steps == set(pairwise(FORWARD)) | MISSING_MIGRATIONS | PLAN_ANEW


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (S.PROVEN, {S.ROLLING_BACK}),
        (S.ROLLED_BACK, set()),
        (S.ABANDONED, set()),
        (S.FAILING, {S.ROLLING_BACK, S.FROZEN, S.ABANDONED}),
        (S.ROLLING_BACK, {S.ROLLED_BACK, S.FROZEN, S.ABANDONED}),
        (S.FROZEN, {S.ROLLING_BACK, S.WATCHING, S.PROVEN, S.ROLLED_BACK, S.ABANDONED}),
    ],
)
def test_what_follows_when_it_does_not_go_well(state: ReleaseState, after: set[ReleaseState]) -> None:
    """What was taken back is over; what is frozen goes where a person says."""
    assert TRANSITIONS[state] == after


@pytest.mark.parametrize(
    ("state", "milestone", "is_there"),
    [
        (S.APPROVED, S.APPROVED, True),
        (S.WATCHING, S.APPROVED, True),
        (S.PLANNED, S.APPROVED, False),
        (S.FROZEN, S.PREPARING, False),
        (S.ROLLED_BACK, S.PROVEN, False),
    ],
)
def test_a_milestone_counts_only_on_the_way_forward(
    state: ReleaseState, milestone: ReleaseState, is_there: bool
) -> None:
    """A release that left the way forward has reached nothing that could be relied on."""
    assert reached(state, milestone) is is_there
