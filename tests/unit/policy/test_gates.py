"""The checklist: what the gates' answers decide together."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from runwright.errors import ActionError, CancelledError, FencedError, InputError, ObservationError
from runwright.policy.gates import GateResult, GateState, also, ask, attested, decide
from runwright.runbook.gates import Gate

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CI = Gate.model_validate({"id": "ci", "ci": {}})
DISK = Gate.model_validate({"id": "disk", "disk": {"gigabytes": 1}, "on_fail": "warn"})
REVIEW = Gate.model_validate({"id": "review", "attest": "The change was reviewed"})


def result(id: str, state: str) -> GateResult:
    return GateResult(id, GateState(state), "because", NOW)


@pytest.mark.parametrize(
    ("ci", "disk", "blocking", "warnings"),
    [
        ("pass", "pass", [], []),
        ("warn", "pass", [], ["ci"]),
        ("fail", "pass", ["ci"], []),
        ("blind", "pass", ["ci"], []),
        ("needs_person", "pass", ["ci"], []),
        ("pass", "fail", [], ["disk"]),
        ("pass", "blind", [], ["disk"]),
        ("pass", "needs_person", [], ["disk"]),
        ("fail", "fail", ["ci"], ["disk"]),
    ],
)
def test_what_is_not_proven_blocks_unless_the_runbook_only_warns(
    ci: str, disk: str, blocking: list[str], warnings: list[str]
) -> None:
    """fail, blind and needs_person stop a release; with ``on_fail: warn`` they are shown."""
    checklist = decide([result("ci", ci), result("disk", disk)], [CI, DISK])
    assert [r.id for r in checklist.blocking] == blocking
    assert [r.id for r in checklist.warnings] == warnings
    assert checklist.passed is (not blocking)
    assert len(checklist.results) == 2


def test_a_gate_that_was_not_asked_blocks() -> None:
    """Forgetting to ask is no way through the checklist."""
    checklist = decide([result("disk", "pass")], [CI, DISK])
    assert not checklist.passed
    assert [(r.id, r.state) for r in checklist.blocking] == [("ci", GateState.BLIND)]


def test_without_gates_nothing_blocks() -> None:
    """A runbook may have no checklist."""
    assert decide([], []).passed


def test_a_result_of_an_unknown_gate_is_a_mistake_of_ours() -> None:
    """It would be an answer to a question that nobody asked."""
    with pytest.raises(ValueError, match="nosuch"):
        decide([result("nosuch", "pass")], [CI])


@pytest.mark.parametrize(
    "error", [ActionError("It is down.", next="Start it."), ObservationError("What?"), InputError("Not set.")]
)
def test_what_cannot_be_asked_is_blind_and_says_why(error: Exception) -> None:
    """The other gates are still asked; the reason holds what happened and what to do."""

    def question() -> Any:
        raise error

    answer = ask("ci", NOW, question)
    assert (answer.id, answer.state, answer.at) == ("ci", GateState.BLIND, NOW)
    assert answer.reason == " ".join(part for part in (error.what, error.next) if part)


@pytest.mark.parametrize("error", [CancelledError("cancelled"), FencedError("lost")])
def test_a_cancel_or_a_lost_lease_is_no_answer(error: Exception) -> None:
    """They end the run; they are not taken for a gate that cannot see."""

    def question() -> Any:
        raise error

    with pytest.raises(type(error)):
        ask("ci", NOW, question)


@pytest.mark.parametrize("name", ["Ada Lovelace", "李明", " Jo ", "O'Brien", "ada@example.com"])
def test_a_name_attests(name: str) -> None:
    """The reason holds who stated what."""
    answer = attested(REVIEW, {"review": name}, NOW)
    assert answer.state is GateState.PASS
    assert answer.reason == f"{name.strip()} states: The change was reviewed."


@pytest.mark.parametrize(
    "given", [None, "", " ", "a", "\u202eab", "a\nb", "x" * 101, "yes", "TRUE", "42", "--", True, 7, ["Ada"]]
)
def test_what_is_no_name_does_not_attest(given: Any) -> None:
    """A person has to be named; a word that says yes, or something else, is not enough."""
    answer = attested(REVIEW, {"review": given}, NOW)
    assert answer.state is GateState.NEEDS_PERSON
    assert "The change was reviewed" in answer.reason


def test_a_name_of_one_character_has_one_character() -> None:
    """The reason says how long it is, and how long a name is at least."""
    assert "has 1 character; a name has at least" in attested(REVIEW, {"review": "x"}, NOW).reason


def test_an_attestation_counts_for_its_own_gate_only() -> None:
    """Somebody who stated one thing did not state another."""
    answer = attested(REVIEW, {"other": "Ada Lovelace"}, NOW)
    assert answer.state is GateState.NEEDS_PERSON
    assert 'attestations={"review": "NAME"}' in answer.reason


@pytest.mark.parametrize(
    ("state", "passed", "warned"), [("fail", False, []), ("blind", False, []), ("warn", True, ["x"])]
)
def test_what_no_gate_asked_for_stops_a_release_all_the_same(state: str, passed: bool, warned: list[str]) -> None:
    """It is found on the way, and no runbook can be lenient about it."""
    before = decide([result("ci", "pass")], [CI])
    checklist = also(before, result("x", state))
    assert checklist.passed is passed
    assert [r.id for r in checklist.warnings] == warned
    assert [r.id for r in checklist.results] == ["ci", "x"]
    assert not also(decide([result("ci", "fail")], [CI]), result("x", "warn")).passed
