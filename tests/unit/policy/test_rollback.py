"""What is done about a release that did not end well, case by case."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.policy.levels import Level
from runwright.policy.rollback import Cause, Migration, Serving, Situation, Way, decide

SWITCHED = Situation(
    cause=Cause.FAILED, changed=True, serving=Serving.NEW, previous="v1", level=Level.L0, breach="ready answered 503"
)

CASES = [
    # what is the case, the situation, what is done, a part of why
    ("it was taken back already", replace(SWITCHED, over="rolled_back"), Way.NOTHING, "already"),
    ("nothing was changed", replace(SWITCHED, changed=False), Way.ABANDON, "Nothing had been changed"),
    ("cancelled before the first change", replace(SWITCHED, changed=False, cause=Cause.CANCELLED), Way.ABANDON, "Nothing"),
    ("a rule was breached", replace(SWITCHED, watching=True), Way.PUT_BACK, "ready answered 503"),
    ("it died while it watched", replace(SWITCHED, watching=True, breach="", cause=Cause.CRASHED), Way.WATCH_ON, "died"),
    ("it died while it watched, and a rule had been breached", replace(SWITCHED, watching=True, cause=Cause.CRASHED), Way.PUT_BACK, "503"),
    ("it died while it watched, but the old one serves", replace(SWITCHED, watching=True, breach="", cause=Cause.CRASHED, serving=Serving.OLD), Way.PUT_BACK, "died"),
    ("cancelled while it watched", replace(SWITCHED, watching=True, breach="", cause=Cause.CANCELLED), Way.PUT_BACK, "cancelled"),
    ("it died half-way through the switch", replace(SWITCHED, breach="", cause=Cause.CRASHED, serving=Serving.UNKNOWN), Way.PUT_BACK, "died"),
    ("additive migrations are done", replace(SWITCHED, level=Level.L1, migration=Migration.DONE), Way.PUT_BACK, "keeps the additions"),
    ("destructive migrations are done", replace(SWITCHED, level=Level.L3, migration=Migration.DONE), Way.FREEZE, "L3"),
    ("destructive migrations are done, and a person takes them on", replace(SWITCHED, level=Level.L3, migration=Migration.DONE, accepted=Level.L3), Way.PUT_BACK, "v1"),
    ("destructive migrations that changed nothing", replace(SWITCHED, level=Level.L3, migration=Migration.UNCHANGED), Way.PUT_BACK, "v1"),
    ("a migration is half-done", replace(SWITCHED, level=Level.L1, migration=Migration.HALF_DONE), Way.FREEZE, "half-done"),
    ("a migration is half-done, and where is known", replace(SWITCHED, migration=Migration.HALF_DONE, database="at a1, where it was before, and its schema is not as it was"), Way.FREEZE, "half-done: the database is at a1, where it was before, and its schema"),
    ("the database cannot be asked", replace(SWITCHED, migration=Migration.UNKNOWN), Way.FREEZE, "cannot be told"),
    ("something else serves", replace(SWITCHED, serving=Serving.OTHER), Way.FREEZE, "by hand"),
    ("nothing ran before", replace(SWITCHED, previous="", nothing_before=True), Way.STOP_NEW, "Nothing ran before"),
    ("the way back is gone", replace(SWITCHED, previous_kept=False), Way.FREEZE, "artifacts are gone"),
    ("nobody knows what ran before", replace(SWITCHED, previous=""), Way.FREEZE, "No earlier version"),
    ("a person asks for the way back", replace(SWITCHED, cause=Cause.ASKED, breach=""), Way.PUT_BACK, "person asked"),
    ("a person asks, and says why", replace(SWITCHED, cause=Cause.ASKED, breach="", asked="Ada asked for the way back: prices."), Way.PUT_BACK, "Ada asked for the way back: prices. v1"),
]  # fmt: skip


@pytest.mark.parametrize(("situation", "way", "why"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_decision_follows_from_the_situation(situation: Situation, way: Way, why: str) -> None:
    """Given each situation, the decision is this one and says why."""
    decision = decide(situation)
    assert decision.way is way
    assert why in decision.because


situations = st.builds(
    Situation,
    cause=st.sampled_from(Cause),
    over=st.sampled_from(["", "rolled_back"]),
    changed=st.booleans(),
    watching=st.booleans(),
    breach=st.sampled_from(["", "error ratio 7 % > 5 %"]),
    level=st.sampled_from(Level),
    migration=st.sampled_from(Migration),
    serving=st.sampled_from(Serving),
    previous=st.sampled_from(["", "v1"]),
    previous_kept=st.booleans(),
    nothing_before=st.booleans(),
)


@given(situations)
def test_the_old_version_never_meets_a_schema_that_it_may_not_know(situation: Situation) -> None:
    """In no situation is the old version started on a schema that lost something, is half-done, or cannot be seen."""
    risky = situation.migration in (Migration.HALF_DONE, Migration.UNKNOWN) or (
        situation.migration is Migration.DONE and situation.level not in (Level.L0, Level.L1)
    )
    if risky:
        assert decide(situation).way not in (Way.PUT_BACK, Way.STOP_NEW)


@given(situations)
def test_whoever_is_asked_to_act_is_told_how(situation: Situation) -> None:
    """Every decision says why, and every freeze says what to do next."""
    decision = decide(situation)
    assert decision.because
    assert bool(decision.next) == (decision.way is Way.FREEZE)


@given(situations)
def test_nothing_is_put_back_that_was_not_changed(situation: Situation) -> None:
    """Without a change, and after the end, nothing is done to the target."""
    if situation.over or not situation.changed:
        assert decide(situation).way in (Way.NOTHING, Way.ABANDON)


@given(situations)
def test_what_went_wrong_is_told_whatever_is_done(situation: Situation) -> None:
    """Somebody who is woken by "frozen" has to know why the release failed, and not only why nothing more is done."""
    decision = decide(situation)
    if situation.breach and not situation.over:
        assert situation.breach in decision.because


FROZEN = [
    # what is the case, the situation that is frozen, whether the next deploy has to adopt what serves
    ("its migrations are done", replace(SWITCHED, level=Level.L3, migration=Migration.DONE), True),
    ("its migrations are half-done", replace(SWITCHED, migration=Migration.HALF_DONE), True),
    ("the artifacts of the old version are gone", replace(SWITCHED, previous_kept=False), True),
    ("what serves was changed by hand", replace(SWITCHED, serving=Serving.OTHER), True),
    ("the old version serves", replace(SWITCHED, migration=Migration.HALF_DONE, serving=Serving.OLD), False),
    ("it was stopped for the migrations", replace(SWITCHED, migration=Migration.HALF_DONE, serving=Serving.NOTHING), False),
    ("nothing was proven before", replace(SWITCHED, previous=""), False),
]  # fmt: skip


@pytest.mark.parametrize(("situation", "adopts"), [case[1:] for case in FROZEN], ids=[case[0] for case in FROZEN])
def test_a_freeze_says_so_if_the_next_deploy_has_to_adopt_what_serves(situation: Situation, adopts: bool) -> None:
    """A deploy over something that was never proven is refused without `--adopt`; elsewhere the word only confuses."""
    decision = decide(situation)
    assert decision.way is Way.FREEZE
    assert ("`--adopt`" in decision.next) is adopts


def test_a_level_is_accepted_with_the_option_that_the_command_has() -> None:
    """The sentence can be typed as it stands."""
    assert "`--accept-level L3`" in decide(replace(SWITCHED, level=Level.L3, migration=Migration.DONE)).next


@pytest.mark.parametrize(
    ("serving", "told"),
    [
        (Serving.OLD, "v1 serves meanwhile."),
        (Serving.NEW, "The new version serves meanwhile."),
        (Serving.NOTHING, "Nothing serves: users are without service."),
        (Serving.UNKNOWN, "Whether users are served is not known."),
    ],
)
@pytest.mark.parametrize("migration", [Migration.HALF_DONE, Migration.UNKNOWN, Migration.DONE])
def test_a_freeze_says_whether_users_are_served(serving: Serving, told: str, migration: Migration) -> None:
    """It decides whether there is time to think."""
    frozen = decide(replace(SWITCHED, serving=serving, migration=migration, level=Level.L3))
    assert frozen.way is Way.FREEZE
    assert told in frozen.because
