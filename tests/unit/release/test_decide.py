"""Who is fired after a release is over, or froze, changes nothing of what was decided."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from runwright.engine.actions import Do
from runwright.ledger.states import ReleaseState
from runwright.platforms.shape import Observed, ServiceFact
from runwright.policy.rollback import Cause, Serving
from runwright.release import decide
from runwright.release.work import Work
from runwright.versions import Version
from tasks import decide as steps
from tests.unit.release.conftest import Opener, token

FAILED = {"failed_run_id": "run", "reason": "Failed"}
ASKED: dict[str, Any] = {"failed_run_id": None, "reason": "the prices are wrong"}
KEPT = {"way": "freeze", "because": "ready answered 503.", "next": "Finish the migration by hand."}


def ended(work: Work, *states: ReleaseState) -> None:
    for state in (ReleaseState.PLANNED, ReleaseState.APPROVED, ReleaseState.SWITCHING, *states):
        work.ledger.releases.advance(work.id, state, "so it went")
    work.write_down("decision", KEPT)


@pytest.mark.parametrize(
    ("running", "expected"),
    [
        ({"backend": "new", "web": "new"}, Serving.NEW),
        ({"backend": "new", "web": "new", "api": "old"}, Serving.NEW),  # left running, as the runbook says
        ({"api": "old", "web": "old"}, Serving.OLD),
        ({"api": "old"}, Serving.OLD),
        ({"api": "old", "web": "new"}, Serving.NEW),
        ({"web": "old", "backend": "new"}, Serving.UNKNOWN),
        ({"api": "by hand", "backend": "other"}, Serving.OTHER),
        ({}, Serving.NOTHING),
    ],
)
def test_what_only_the_old_version_has_may_run_beside_the_new_one(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, running: dict[str, str], expected: Serving
) -> None:
    """The services that both have tell which of them serves."""
    work = opened()
    versions = {"backend": "new", "web": "new"}, {"api": "old", "web": "old"}
    seen = Observed(tuple(ServiceFact(service, service, identity, True) for service, identity in running.items()))
    monkeypatch.setattr(
        decide.drivers,
        "platform",
        lambda *_: SimpleNamespace(observe=lambda _: seen, expected=lambda v: v, stand=lambda: None),
    )
    monkeypatch.setattr(decide.drivers, "strategy", lambda _: "recreate")
    monkeypatch.setattr(Work, "version", versions[0])
    monkeypatch.setattr(Work, "previous", versions[1])
    work.release = replace(work.release, version=work.release.version or Version("shop", "local", "v2", ""))
    assert decide.serving(work) is expected


@pytest.mark.parametrize(
    "states",
    [
        (ReleaseState.FAILING, ReleaseState.ROLLING_BACK, ReleaseState.ROLLED_BACK),
        (ReleaseState.FROZEN,),
    ],
)
def test_a_decision_that_was_carried_out_in_the_run_is_not_made_again(
    opened: Opener, states: tuple[ReleaseState, ...]
) -> None:
    """The automation fires after a run that put itself back, or froze: it needs no lease, and what was decided and what
    a person should do stays in the record."""
    work = opened()
    ended(work, *states)
    work.write_down("asked", FAILED)
    assert steps.let_go.fn(work.id) is True
    work.refresh()
    assert work.fact("decision") == KEPT
    assert work.release.state is states[-1]


def test_a_person_may_ask_for_the_way_back_of_what_is_frozen(opened: Opener) -> None:
    """Then it is decided anew, from what is there now."""
    work = opened()
    ended(work, ReleaseState.FROZEN)
    work.write_down("asked", ASKED)
    work.ledger.journal(work.id).intend("deploy/up", "start web", token(work), repeatable=True, safe_point=False)
    assert steps.let_go.fn(work.id) is False
    work.refresh()
    assert decide.over(work.release, Cause.ASKED) == ""
    assert decide.over(work.release, Cause.FAILED) == "frozen, and waits for a person"


def test_a_release_that_never_changed_anything_is_abandoned(opened: Opener) -> None:
    """Given a run that failed while it prepared, its release is closed without a lease."""
    work = opened()
    work.write_down("asked", FAILED)
    assert steps.let_go.fn(work.id) is True
    work.refresh()
    assert work.release.state is ReleaseState.ABANDONED


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"deployer": "ada", "reason": "the prices\nare wrong"}, "ada asked for the way back: the prices are wrong"),
        ({"deployer": "", "reason": ""}, "A person asked for the way back"),
        ({**FAILED, "deployer": "ada"}, ""),
    ],
)
def test_who_asks_for_the_way_back_and_why_is_told(asked: dict[str, Any], told: str) -> None:
    """The record of the release keeps the reason that somebody gave, in one line."""
    assert decide.who_asked(asked) == told


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (("a1",), "at a1, where it was before, and its schema is not as it was, or could not be compared"),
        (("b2", "c3"), "at b2 and c3, not at a1, where it was before"),
        ((), "at no revision, not at a1, where it was before"),
        (None, ""),
    ],
)
def test_where_a_half_done_migration_left_the_database_is_told(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, now: tuple[str, ...] | None, told: str
) -> None:
    """Who has to finish or undo it by hand begins there."""

    def revisions(_work: Work, _do: Do) -> tuple[str, ...] | None:
        return now

    work = opened()
    work.ledger.releases.record(work.id, schema_before=["a1"])
    work.refresh()
    monkeypatch.setattr(decide.schema, "current_revisions", revisions)
    assert decide.left_at(work) == told
