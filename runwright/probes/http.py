"""The probe `http`: ask a URL, from here or from inside of the system."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from runwright.engine.actions import Action, Http, Reply
from runwright.probes.shape import PLANNED_FACT, Answer, Asked
from runwright.probes.values import Values
from runwright.runbook.probes import Probe


def question(asked: Asked, judge: Callable[[Answer], dict[str, Any]]) -> Action[dict[str, Any]]:
    """Return the request."""
    probe, values = asked.probe, asked.values
    headers = headers_of(probe, values)
    body = None
    if probe.body is not None:
        body = json.dumps(values.fill_all(probe.body)).encode()
        headers.setdefault("content-type", "application/json")
    return Http(
        method=probe.method,
        url=values.fill_url(probe.url),
        headers=headers,
        body=body,
        auth=authorization(probe, values),
        ok=None,
        parse=lambda reply: judge(_answer(reply)),
        says=f"ask {probe.id}: {values.show(probe.what)}",
        key=f"{asked.key}/{probe.id}" if probe.changes else None,
        deadline_seconds=probe.timeout,
        repeatable=probe.method != "POST",
        assume=PLANNED_FACT,
    )


def headers_of(probe: Probe, values: Values) -> dict[str, str]:
    """Return the headers that are sent. Raise InputError if a secret in them is not set."""
    headers = {name.lower(): values.fill(value) for name, value in probe.send_headers.items()}
    if probe.bearer is not None:
        headers["authorization"] = f"Bearer {values.fill(probe.bearer)}"
    return {"user-agent": "runwright", **headers}


def authorization(probe: Probe, values: Values) -> tuple[str, str] | None:
    """Return the user and the password that are sent, None if there are none. Raise InputError if one is not set."""
    return (values.fill(probe.basic[0]), values.fill(probe.basic[1])) if probe.basic is not None else None


def _answer(reply: Reply) -> Answer:
    return Answer(reply.body, reply.seconds, reply.status, reply.headers, reply.phases)
