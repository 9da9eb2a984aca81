"""Ask a URL and judge the answer.

| state | when                                                                                                     |
|-------|----------------------------------------------------------------------------------------------------------|
| pass  | it answered as the probe expects                                                                         |
| warn  | it answered otherwise, with a status that is only worth a remark                                         |
| fail  | it answered otherwise, or not at all                                                                     |
| blind | it could not be asked for a reason on our side: a missing secret, an unknown name, no network of our own |
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from runwright.engine.actions import Do, Http, Reply, Wait
from runwright.errors import ActionError, CancelledError, DeadlineError, InDoubtError, InputError, ObservationError
from runwright.probes.judging import mismatches, no_answer, reason_of, saved_from
from runwright.probes.values import Values
from runwright.runbook.base import as_duration
from runwright.runbook.checks import HttpProbe

State = Literal["pass", "warn", "fail", "blind"]
Clock = Callable[[], datetime]

ASK_AGAIN_SECONDS = 2.0
CLEANUP_TIMEOUT_SECONDS = 10.0
UNREACHED = frozenset({502, 504})
"""Statuses by which a proxy says that nobody behind it has answered."""
GONE = frozenset({404, 410})
"""Statuses of a DELETE which say that there is nothing left to delete."""
PLANNED = "not asked yet: this is a plan"


@dataclass(frozen=True)
class ProbeResult:
    """What came of asking: the state, the reason with its numbers, how long the answer took, and what it saved."""

    id: str
    state: State
    reason: str
    seconds: float | None = None
    status: int | None = None
    saved: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def good(self) -> bool:
        """Whether a release may go on with it."""
        return self.state in ("pass", "warn")

    @property
    def answered(self) -> bool:
        """Whether the target itself has answered, however wrongly."""
        return self.status is not None and self.status not in UNREACHED


def ask(do: Do, probe: HttpProbe, values: Values, clock: Clock, *, key: str = "") -> ProbeResult:
    """Ask once and return what came of it; nothing that the target does raises.

    ``key`` starts the key of a POST or a DELETE, which are changes: unique for every time of asking. A POST is sent
    once and never repeated. Raise InputError if a change has no key.
    """
    try:
        action, caught = _request(probe, values, clock, key)
        fact = do(action)
    except CancelledError:
        raise
    except InDoubtError:
        return ProbeResult(probe.id, "blind", "it was sent before an interruption, and is not sent again")
    except InputError as error:
        if not key and probe.method in ("POST", "DELETE"):
            raise
        return ProbeResult(probe.id, "blind", error.what)
    except ObservationError as error:
        return ProbeResult(probe.id, "blind", values.redact(error.what))
    except ActionError as error:
        ours, reason = no_answer(error, probe.timeout)
        return ProbeResult(probe.id, "blind" if ours else "fail", values.redact(reason))
    return _result(probe, fact, caught)


def ask_until(
    do: Do,
    probe: HttpProbe,
    values: Values,
    clock: Clock,
    *,
    within_seconds: float,
    key: str = "",
    enough: Callable[[ProbeResult], bool] = lambda result: result.good,
) -> ProbeResult:
    """Ask until the answer is ``enough`` or ``within_seconds`` (or the probe's own ``within``) are over; return the last
    result.

    A POST or a DELETE is asked once.
    """
    if probe.method in ("POST", "DELETE"):
        return ask(do, probe, values, clock, key=key)
    patience = min(within_seconds, probe.within) if probe.within is not None else within_seconds
    try:
        action, caught = _request(probe, values, clock, key)
        wait = Wait(
            says=f"until {probe.id} answers as expected ({probe.method} {values.show(probe.url)})",
            read=action,
            until=lambda fact: enough(_result(probe, fact, caught)),
            every_seconds=ASK_AGAIN_SECONDS,
            deadline_seconds=patience,
        )
        return _result(probe, do(wait), caught)
    except InputError as error:
        return ProbeResult(probe.id, "blind", error.what)
    except DeadlineError:
        # the wait is over: one last look tells why, in our own words and not in those of a library
        last = ask(do, probe, values, clock)
        if enough(last):
            return last
        reason = f"not right within {as_duration(round(patience, 1))}: {last.reason}"
        return ProbeResult(last.id, last.state, reason, last.seconds, last.status)


def cleanup(do: Do, probe: HttpProbe, values: Values, *, key: str) -> ProbeResult | None:
    """Delete what the probe left behind, if it says how; None if it does not. Never raises for what the target does.

    What is gone already counts as deleted. Where nothing was saved there is nothing that could be named: a remark.
    """
    if probe.cleanup is None:
        return None
    name = f"{probe.id}-cleanup"
    try:
        action: Http[dict[str, Any]] = Http(
            method="DELETE",
            url=values.fill_url(probe.cleanup),
            headers=_headers(probe, values),
            auth=_auth(probe, values),
            ok=None,
            parse=lambda reply: {"status": reply.status, "seconds": round(reply.seconds, 4)},
            says=f"remove what probe {probe.id} left: DELETE {values.show(probe.cleanup)}",
            key=f"{key}/{name}",
            deadline_seconds=max(probe.timeout, CLEANUP_TIMEOUT_SECONDS),
        )
        fact = do(action)
    except CancelledError:
        raise
    except InputError as error:
        return ProbeResult(name, "warn", f"it is not known what to remove: {error.what}")
    except ActionError as error:
        return ProbeResult(name, "warn", values.redact(f"not removed: {no_answer(error, probe.timeout)[1]}"))
    if fact is None:
        return ProbeResult(name, "pass", PLANNED)
    status = fact["status"]
    done = 200 <= status < 300 or status in GONE
    reason = f"DELETE answered {status}" + ("" if done else ": it was not removed")
    return ProbeResult(name, "pass" if done else "warn", reason, fact["seconds"], status)


def _request(probe: HttpProbe, values: Values, clock: Clock, key: str) -> tuple[Http[dict[str, Any]], dict[str, str]]:
    """Return the request, and the dict that its parser puts the saved values into.

    They do not pass through the result: the result of a change is journaled, and a token must not be.
    """
    caught: dict[str, str] = {}
    changes = probe.method in ("POST", "DELETE")
    if changes and not key:
        raise InputError(
            f"Probe {probe.id} sends a {probe.method}, which changes something, and was given no key.",
            next="Use a probe with get or head here.",
        )

    def judged(reply: Reply) -> dict[str, Any]:
        caught.clear()
        wrong = mismatches(probe, reply, values, clock())
        saved, missing = saved_from(probe, reply) if not wrong else ({}, [])
        caught.update(saved)
        wrong += missing
        state = "pass" if not wrong else "warn" if reply.status in probe.warn else "fail"
        reason = reason_of(wrong, reply, values.with_saved(saved)) if wrong else f"answered {reply.status}"
        return {"state": state, "reason": reason, "status": reply.status, "seconds": round(reply.seconds, 4)}

    body, headers = None, _headers(probe, values)
    if probe.body is not None:
        body = json.dumps(values.fill_all(probe.body)).encode()
        headers.setdefault("content-type", "application/json")
    action = Http(
        method=probe.method,
        url=values.fill_url(probe.url),
        headers=headers,
        body=body,
        auth=_auth(probe, values),
        ok=None,
        parse=judged,
        says=f"ask {probe.id}: {probe.method} {values.show(probe.url)}",
        key=f"{key}/{probe.id}" if changes else None,
        deadline_seconds=probe.timeout,
        repeatable=probe.method != "POST",
        assume={"state": "pass", "reason": PLANNED, "status": None, "seconds": None},
    )
    return action, caught


def _headers(probe: HttpProbe, values: Values) -> dict[str, str]:
    headers = {name.lower(): values.fill(value) for name, value in probe.send_headers.items()}
    if probe.bearer is not None:
        headers["authorization"] = f"Bearer {values.fill(probe.bearer)}"
    return {"user-agent": "runwright", **headers}


def _auth(probe: HttpProbe, values: Values) -> tuple[str, str] | None:
    return (values.fill(probe.basic[0]), values.fill(probe.basic[1])) if probe.basic is not None else None


def _result(probe: HttpProbe, fact: dict[str, Any] | None, caught: Mapping[str, str]) -> ProbeResult:
    if fact is None or fact["reason"] == PLANNED:
        return ProbeResult(probe.id, "pass", PLANNED, saved=dict.fromkeys(probe.save, f"saved-by-{probe.id}"))
    if fact["state"] == "pass" and set(probe.save) - set(caught):
        # the journal says that it was sent before; what it saved was a secret and is not in the journal
        reason = "it was asked before an interruption, and what it saved is not kept: the smoke tests must begin again"
        return ProbeResult(probe.id, "blind", reason, fact["seconds"], fact["status"])
    return ProbeResult(probe.id, fact["state"], fact["reason"], fact["seconds"], fact["status"], dict(caught))
