"""The checklist before a release: what a gate can answer, and what the answers decide together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from runwright.errors import CancelledError, FencedError, RunwrightError
from runwright.plural import plural
from runwright.runbook.gates import Gate

MIN_NAME_CHARACTERS: Final = 2
MAX_NAME_CHARACTERS: Final = 100
NO_NAMES: Final = frozenset({"yes", "true", "no", "false", "ok", "done", "none", "null", "n/a", "me"})


STATEMENTS: Final = {
    "both-versions": "The version that serves can live with the schema of the new one",
    "downtime": "Users may be without service while this release changes the schema",
    "remove-invalid-indexes": "The invalid indexes that the plan names may be removed",
    "tables-are-there": "The migrations expect the tables that are there already",
    "schema-ahead": "The version may run on the schema that is ahead of it",
}
"""What a person is asked for where a release needs it, whatever its runbook says: given by name, as for a gate."""


class GateState(StrEnum):
    """What a gate answered."""

    PASS = "pass"  # noqa: S105 - it holds, and the reason shows by how much
    FAIL = "fail"  # it does not hold
    WARN = "warn"  # it holds, and something is worth a remark
    BLIND = "blind"  # nobody could tell: what had to be asked did not answer. No evidence is never a pass
    NEEDS_PERSON = "needs_person"  # somebody has to state it


@dataclass(frozen=True)
class GateResult:
    """One line of the checklist: what the gate answered, why (with numbers, without secrets), and when."""

    id: str
    state: GateState
    reason: str
    at: datetime


@dataclass(frozen=True)
class Checklist:
    """What all gates together decide. ``warnings`` stop nothing and are shown. ``results`` are all, in their order."""

    passed: bool
    blocking: tuple[GateResult, ...]
    warnings: tuple[GateResult, ...]
    results: tuple[GateResult, ...]


Answer = tuple[GateState, str]


def ask(gate_id: str, now: datetime, question: Callable[[], Answer]) -> GateResult:
    """Ask one gate and return its result. Whatever keeps it from answering makes it blind, and stops no other gate.

    A cancel and a lost lease are no answers: they are raised on.
    """
    try:
        state, reason = question()
    except (CancelledError, FencedError):
        raise
    except RunwrightError as error:
        state, reason = GateState.BLIND, " ".join(part for part in (error.what, error.next) if part)
    return GateResult(gate_id, state, reason, now)


def decide(results: Sequence[GateResult], gates: Sequence[Gate]) -> Checklist:
    """Return what the ``results`` of all ``gates`` decide together.

    A gate blocks unless it passed or only warns; with ``on_fail: warn`` it is a warning whatever it answered. A gate that
    has no result was not asked, and is blind. Raise ValueError for a result of a gate that is not in the runbook.
    """
    unknown = {r.id for r in results} - {g.id for g in gates}
    if unknown:
        raise ValueError(f"results of gates that are not in the runbook: {', '.join(sorted(unknown))}")
    lenient = {gate.id for gate in gates if gate.on_fail == "warn"}
    missing = _not_asked(results, gates)
    all_results = (*results, *missing)
    held_up = [r for r in all_results if r.state in (GateState.FAIL, GateState.BLIND, GateState.NEEDS_PERSON)]
    blocking = tuple(r for r in held_up if r.id not in lenient)
    warnings = tuple(r for r in all_results if r.state is GateState.WARN or (r in held_up and r.id in lenient))
    return Checklist(not blocking, blocking, warnings, all_results)


def also(checklist: Checklist, result: GateResult) -> Checklist:
    """Return ``checklist`` with a result that no gate of the runbook asked for: what stops a release wherever it is found."""
    stops = result.state in (GateState.FAIL, GateState.BLIND)
    return Checklist(
        checklist.passed and not stops,
        (*checklist.blocking, *((result,) if stops else ())),
        (*checklist.warnings, *((result,) if result.state is GateState.WARN else ())),
        (*checklist.results, result),
    )


def _not_asked(results: Sequence[GateResult], gates: Sequence[Gate]) -> tuple[GateResult, ...]:
    asked = {r.id for r in results}
    latest = max((r.at for r in results), default=datetime.min.replace(tzinfo=UTC))
    return tuple(GateResult(g.id, GateState.BLIND, "It was not asked.", latest) for g in gates if g.id not in asked)


def attested(gate: Gate, attestations: Mapping[str, Any], now: datetime) -> GateResult:
    """Return whether a person states what ``gate`` asks for: ``attestations`` holds a name by the gate's id.

    The name is what people wrote; we cannot prove that it is them. A word that says yes is no name.
    """
    given = attestations.get(gate.id)
    if given is None:
        reason = f'Somebody has to state: {gate.attest}. Give their name: attestations={{"{gate.id}": "NAME"}}.'
        return GateResult(gate.id, GateState.NEEDS_PERSON, reason, now)
    problem = _no_name(given)
    if problem:
        reason = f"{problem} Give the name of the person who states: {gate.attest}."
        return GateResult(gate.id, GateState.NEEDS_PERSON, reason, now)
    return GateResult(gate.id, GateState.PASS, f"{given.strip()} states: {gate.attest}.", now)


def _no_name(given: Any) -> str:
    """Return why ``given`` cannot be a person's name, or ""."""
    if not isinstance(given, str):
        return f"The attestation is a {type(given).__name__}, not a name."
    name = given.strip()
    if len(name) < MIN_NAME_CHARACTERS:
        return f"The attestation has {plural(len(name), 'character')}; a name has at least {MIN_NAME_CHARACTERS}."
    if len(name) > MAX_NAME_CHARACTERS:
        return f"The attestation has {plural(len(name), 'character')}; a name has at most {MAX_NAME_CHARACTERS}."
    if not name.isprintable():
        return "The attestation holds characters that cannot be printed."
    if name.lower() in NO_NAMES or not any(c.isalpha() for c in name):
        return f"{name!r} is not a name."
    return ""
