"""Ask a probe, of whatever kind, and judge what was answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from runwright import registry
from runwright.engine.actions import Action, Do, Http, Wait
from runwright.engine.visible import visible
from runwright.errors import ActionError, CancelledError, InDoubtError, InputError, ObservationError
from runwright.probes import http
from runwright.probes.judging import mismatches, no_answer, numbers_of, reason_of, saved_from
from runwright.probes.shape import NOWHERE, PLANNED, Answer, Asked, Clock, ProbeResult, World
from runwright.probes.values import Values
from runwright.runbook.base import as_duration
from runwright.runbook.probes import Probe

ASK_AGAIN_SECONDS = 2.0
GONE = frozenset({404, 410})
"""Statuses of a DELETE which say that there is nothing left to delete."""


def ask(do: Do, probe: Probe, values: Values, clock: Clock, *, key: str = "", world: World = NOWHERE) -> ProbeResult:
    """Ask once and return what came of it; nothing that the target does raises.

    ``key`` starts the key of one that changes something (a POST, a DELETE): unique for every time of asking. A POST is sent
    once and never repeated. Raise InputError if a change has no key.
    """
    action: Action[dict[str, Any]] | None = None
    try:
        action, caught = _question(Asked(probe, values, clock, key, world))
        fact = do(action)
    except CancelledError:
        raise
    except InDoubtError:
        return ProbeResult(probe.id, "blind", "it was sent before an interruption, and is not sent again")
    except InputError as error:
        if not key and probe.changes:
            raise
        return ProbeResult(probe.id, "blind", error.what)
    except ObservationError as error:
        return ProbeResult(probe.id, "blind", values.redact(error.what))
    except ActionError as error:
        # what a program or a library does for us tells by its answer that the target is wrong; that it fails is our side
        ours, reason = no_answer(error, probe.timeout) if isinstance(action, Http) else (True, error.what)
        return ProbeResult(probe.id, "blind" if ours else "fail", visible(values.redact(reason)))
    return _result(probe, fact, caught)


def ask_until(
    do: Do,
    probe: Probe,
    values: Values,
    clock: Clock,
    *,
    within_seconds: float,
    key: str = "",
    enough: Callable[[ProbeResult], bool] = lambda result: result.good,
    world: World = NOWHERE,
) -> ProbeResult:
    """Ask until the answer is ``enough`` or ``within_seconds`` (or the probe's own ``within``) are over; return the last
    result.

    One that changes something is asked once.
    """
    if probe.changes:
        return ask(do, probe, values, clock, key=key, world=world)
    patience = min(within_seconds, probe.within) if probe.within is not None else within_seconds
    try:
        action, caught = _question(Asked(probe, values, clock, key, world))
        wait = Wait(
            says=f"until {probe.id} answers as expected ({values.show(probe.what)})",
            read=action,
            until=lambda fact: enough(_result(probe, fact, caught)),
            every_seconds=ASK_AGAIN_SECONDS,
            deadline_seconds=patience,
        )
        return _result(probe, do(wait), caught)
    except InputError as error:
        return ProbeResult(probe.id, "blind", error.what)
    except CancelledError:
        raise
    except ActionError:
        # the wait is over: one last look tells why, in our own words and not in those of a library
        last = ask(do, probe, values, clock, world=world)
        if enough(last):
            return last
        reason = f"not right within {as_duration(round(patience, 1))}: {last.reason}"
        return replace(last, reason=reason, saved={})


def cleanup(do: Do, probe: Probe, values: Values, *, key: str, world: World = NOWHERE) -> ProbeResult | None:
    """Delete what the probe left behind, if it says how; None if it does not. Never raises for what the target does.

    What is gone already counts as deleted. Where nothing was saved there is nothing that could be named: a remark.
    """
    if probe.cleanup is None:
        return None
    name = f"{probe.id}-cleanup"
    asked = Asked(probe, values, lambda: datetime.now(UTC), key, world)
    try:
        fact = do(http.cleanup(asked, _deleted, f"{key}/{name}"))
    except CancelledError:
        raise
    except InputError as error:
        return ProbeResult(name, "warn", f"it is not known what to remove: {error.what}")
    except (ActionError, ObservationError) as error:
        reason = no_answer(error, probe.timeout)[1] if isinstance(error, ActionError) else error.what
        return ProbeResult(name, "warn", visible(values.redact(f"not removed: {reason}")))
    if fact is None:
        return ProbeResult(name, "pass", PLANNED)
    status = fact["status"]
    if status is None:
        return ProbeResult(name, "warn", visible(values.redact(f"not removed: {fact['wrong']}")))
    done = 200 <= status < 300 or status in GONE
    reason = f"DELETE answered {status}" + ("" if done else ": it was not removed")
    return ProbeResult(name, "pass" if done else "warn", reason, fact["seconds"], status)


def _deleted(answer: Answer) -> dict[str, Any]:
    return {"status": answer.status, "seconds": round(answer.seconds, 4), "wrong": "; ".join(answer.wrong)}


def _question(asked: Asked) -> tuple[Action[dict[str, Any]], dict[str, str]]:
    """Return the action that asks, and the dict that its parser puts the saved values into.

    They do not pass through the result: the result of a change is journaled, and a token must not be.
    """
    probe, values = asked.probe, asked.values
    caught: dict[str, str] = {}
    if probe.changes and not asked.key:
        raise InputError(
            f"Probe {probe.id} sends a {probe.method}, which changes something, and was given no key.",
            next="Use a probe with get or head here.",
        )

    def judged(answer: Answer) -> dict[str, Any]:
        caught.clear()
        wrong = mismatches(probe, answer, values, asked.clock())
        saved, missing = saved_from(probe, answer) if not wrong else ({}, [])
        caught.update(saved)
        wrong += missing
        right = "it is right" if answer.status is None else f"answered {answer.status}"
        found = numbers_of(probe, answer)
        return {
            "state": "pass" if not wrong else "warn" if answer.status in probe.warn else "fail",
            "reason": reason_of(wrong, answer, values.with_saved(saved)) if wrong else right,
            "status": answer.status,
            "seconds": round(answer.seconds, 4),
            "numbers": dict(found.numbers),
            "missing": {name: visible(values.redact(why)) for name, why in found.missing.items()},
            "heard": answer.heard,
            "phases": {phase: round(seconds, 4) for phase, seconds in answer.phases.items()},
        }

    return registry.probe(probe.kind)(asked, judged), caught


def _result(probe: Probe, fact: dict[str, Any] | None, caught: Mapping[str, str]) -> ProbeResult:
    if fact is None or fact["reason"] == PLANNED:
        return ProbeResult(probe.id, "pass", PLANNED, saved=dict.fromkeys(probe.save, f"saved-by-{probe.id}"))
    seconds, status = fact["seconds"], fact["status"]
    if fact["state"] == "pass" and set(probe.save) - set(caught):
        # the journal says that it was sent before; what it saved was a secret and is not in the journal
        reason = "it was asked before an interruption, and what it saved is not kept: the smoke tests must begin again"
        return ProbeResult(probe.id, "blind", reason, seconds, status)
    return ProbeResult(
        probe.id,
        fact["state"],
        fact["reason"],
        seconds,
        status,
        dict(caught),
        # a fact that an earlier version has journaled has none of these
        numbers=fact.get("numbers", {}),
        missing=fact.get("missing", {}),
        phases=fact.get("phases", {}),
        heard=fact.get("heard", True),
    )
