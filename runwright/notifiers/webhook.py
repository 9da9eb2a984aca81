"""An incoming webhook."""

from __future__ import annotations

import json

from runwright.engine.actions import Do, Http
from runwright.errors import RunwrightError

TIMEOUT_SECONDS = 10.0
TRIES = 3


def send(do: Do, url: str, text: str) -> None:
    """Send ``text`` to the webhook at ``url``. Raise RunwrightError if it was not delivered, however often it was tried.

    The body is ``{"text": ...}``, which Slack, Mattermost, Teams (through a workflow) and most others take.
    """
    action: Http[None] = Http(
        says="tell people by the webhook",
        method="POST",
        url=url,
        headers={"content-type": "application/json"},
        body=json.dumps({"text": text}).encode(),
        ok=frozenset(range(200, 300)),
        deadline_seconds=TIMEOUT_SECONDS,
        on="local",  # people are told from here, wherever the system runs
    )
    for attempt in range(1, TRIES + 1):
        try:
            do(action)
        except RunwrightError:
            if attempt == TRIES:
                raise
        else:
            return
