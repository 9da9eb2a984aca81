"""Which release a procedure is about, and what is kept of what was asked."""

from __future__ import annotations

from typing import Any

import pytest

from runwright.errors import InputError, RefusedError
from runwright.ledger.release import Release
from runwright.ledger.states import ReleaseState
from runwright.policy.rollback import Way
from runwright.release.put_back import act
from runwright.release.work import Work
from tasks.begin import taken_up
from tasks.watch import may_be_watched
from tests.unit.release.conftest import Opener

S = ReleaseState
TO_WATCH = (S.PLANNED, S.APPROVED, S.SWITCHING, S.VERIFYING, S.WATCHING)
BY_A_PERSON: dict[str, Any] = {"deployer": "ada", "reason": "the prices are wrong", "accept_level": "L3"}
BY_THE_AUTOMATION: dict[str, Any] = {"failed_run_id": "run", "reason": "Crashed: it died", "deployer": "the automation"}


def moved(work: Work, *states: ReleaseState) -> Work:
    for state in states:
        work.ledger.releases.advance(work.id, state, "so it went")
    work.refresh()
    return work


def another(work: Work, run_id: str, *states: ReleaseState, environment: str = "local", **columns: Any) -> Release:
    """Open another release beside ``work``'s, and bring it as far as ``states`` go."""
    releases = work.ledger.releases
    one = releases.open(
        "shop", environment, run_id, procedure="deploy", run_id=run_id, runbook=work.release.runbook, parameters={},
        deployer="somebody",
    )  # fmt: skip
    for state in states:
        releases.advance(one.id, state, "so it went")
    return releases.record(one.id, version=work.release.version, **columns)


def test_a_rollback_is_not_about_a_release_that_is_only_prepared(opened: Opener) -> None:
    """CI builds the next one while a person takes back what serves: nobody meant the one that has changed nothing."""
    work = moved(opened(), *TO_WATCH, S.PROVEN)
    another(work, "building")
    assert taken_up("shop", "local", "rollback", release_id=None, asked=BY_A_PERSON) == work.id


def test_where_nothing_was_changed_there_is_nothing_to_take_back(opened: Opener) -> None:
    """Given a release that is only prepared, and no other, that is said."""
    opened()
    with pytest.raises(InputError, match="no release of shop/local to take back"):
        taken_up("shop", "local", "rollback", release_id=None, asked=BY_A_PERSON)


def test_what_a_person_asked_is_not_replaced_by_an_automation(opened: Opener) -> None:
    """The automation may come after the person: where to, at what cost and by whom stays as the person said."""
    work = moved(opened(), *TO_WATCH)
    taken_up("shop", "local", "rollback", release_id=work.id, asked=BY_A_PERSON)
    assert taken_up("shop", "local", "rollback", release_id=None, asked=BY_THE_AUTOMATION) == work.id
    asked = work.fact("asked")
    assert (asked["deployer"], asked["accept_level"], asked["failed_run_id"]) == ("ada", "L3", None)
    taken_up("shop", "local", "rollback", release_id=work.id, asked=BY_A_PERSON | {"deployer": "bob"})
    assert work.fact("asked")["deployer"] == "bob"


@pytest.mark.parametrize("procedure", ["watch", "retire"])
def test_only_a_rollback_asks_for_the_way_back(opened: Opener, procedure: str) -> None:
    """Who goes on with a watch does not ask for the way back: should that run die, nobody may think so."""
    work = moved(opened(), *TO_WATCH)
    taken_up("shop", "local", procedure, release_id=None, asked={"deployer": "ada"})
    assert work.fact("asked") is None
    assert procedure in [run.procedure for run in work.ledger.releases.runs(work.id)]


def test_the_way_back_that_is_named_was_proven_there_before(opened: Opener) -> None:
    """Given a release of another environment, one that was taken back, or a later one, nothing is even noted."""
    first = moved(opened(), *TO_WATCH, S.PROVEN)
    staging = another(first, "staging", *TO_WATCH, S.PROVEN, environment="staging")
    back = another(first, "bad", S.PLANNED, S.APPROVED, S.SWITCHING, S.FAILING, S.ROLLING_BACK, S.ROLLED_BACK)
    bad = another(first, "worse", *TO_WATCH)
    later = another(first, "later", *TO_WATCH, S.PROVEN)
    for wrong in (staging, back, later, bad):
        with pytest.raises(InputError, match=r"no way back|not of shop/local"):
            taken_up("shop", "local", "rollback", release_id=bad.id, asked={"to": wrong.id})
    assert first.ledger.releases.fact(bad.id, "asked") is None
    assert taken_up("shop", "local", "rollback", release_id=bad.id, asked={"to": first.id}) == bad.id
    assert first.ledger.releases.get(bad.id).previous_id is None, "it is noted when it is gone back to, and not before"


@pytest.mark.parametrize(
    "states",
    [(), TO_WATCH[:-1], (S.PLANNED, S.APPROVED, S.MIGRATING, S.FROZEN), (*TO_WATCH, S.PROVEN)],
    ids=["it is prepared", "it was never verified", "it froze in its migration", "it is over"],
)
def test_a_watch_goes_on_only_where_one_was(opened: Opener, states: tuple[ReleaseState, ...]) -> None:
    """A release that was never verified is not proven by watching what serves instead of it, nor is another run's touched."""
    work = moved(opened(), *states)
    with pytest.raises(RefusedError, match="no watch to go on with"):
        may_be_watched.fn(work.id)
    work.refresh()
    assert work.release.state is (states[-1] if states else S.PREPARING)


@pytest.mark.parametrize("states", [TO_WATCH, (*TO_WATCH, S.FROZEN)], ids=["its run died", "it froze in its watch"])
def test_a_watch_goes_on_only_if_the_version_serves(opened: Opener, states: tuple[ReleaseState, ...]) -> None:
    """Given that nothing serves, nothing can be proven of the version."""
    work = moved(opened(), *states)
    with pytest.raises(RefusedError, match="not what users reach"):
        may_be_watched.fn(work.id)


def test_what_is_proven_does_not_freeze(opened: Opener) -> None:
    """A way back that a person must decide about leaves a proven release as it is, and says what to do."""
    work = moved(opened(), *TO_WATCH, S.PROVEN)
    with pytest.raises(RefusedError) as caught:
        act(work, Way.FREEZE, "Its migrations are of level L3.", "Run it with accept_level=L3.")
    assert "serves on" in caught.value.state
    assert caught.value.next == "Run it with accept_level=L3."
    assert work.ledger.releases.get(work.id).state is S.PROVEN
