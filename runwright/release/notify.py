"""Tell people: a release that ended, one that waits for a person, a rule that pages. A failure of it fails nothing else."""

from __future__ import annotations

import json

from runwright.engine.actions import Http
from runwright.engine.visible import visible
from runwright.errors import RunwrightError
from runwright.ledger.states import ReleaseState
from runwright.release.work import Work

TIMEOUT_SECONDS = 10.0
TRIES = 3


def notify(work: Work, text: str) -> bool:
    """Send ``text`` to the runbook's incoming webhook, if it names one; return whether it was delivered.

    The body is ``{"text": ...}``, which Slack, Mattermost, Teams (through a workflow) and most others take.
    """
    name = work.runbook.notify.webhook
    if name is None:
        return False
    url = work.secrets.get(name)
    if not url:
        work.say(f"Nobody was told: the block has no secret {name!r} (`runwright secrets set`).", level="warning")
        return False
    told = f"Drill: {text}" if work.release.is_drill else text
    body = json.dumps({"text": visible(work.performer.clean(told), lines=True)}).encode()
    action: Http[None] = Http(
        says="tell people by the webhook",
        method="POST",
        url=url,
        headers={"content-type": "application/json"},
        body=body,
        ok=frozenset(range(200, 300)),
        deadline_seconds=TIMEOUT_SECONDS,
    )
    for attempt in range(1, TRIES + 1):
        try:
            work.do(action)
        except RunwrightError as error:
            if attempt == TRIES:
                work.say(f"Nobody was told: {work.performer.clean(error.what)}", level="warning")
        else:
            return True
    return False


def ended(work: Work) -> str:
    """Return what people are told when a release has ended, or waits for them."""
    release = work.release
    where = f"{release.system}/{release.environment}"
    decision = work.fact("decision") or {}
    if release.is_drill and release.state is ReleaseState.ROLLED_BACK:
        drill = work.ledger.drills.of_release(release.id)
        return f"{where}: {drill or f'put back before anything was broken; {release.because}'}."
    words = {
        "proven": f"{release.ref} is released to {where}: {release.because}.",
        "rolled_back": f"{release.ref} was taken back from {where}: {release.because}",
        "abandoned": f"{release.ref} was not released to {where}: {release.because}",
        "frozen": f"{where} waits for a person. {release.because} {decision.get('next', '')}",
    }
    return words.get(release.state.value, f"{release.ref} to {where} is {release.state.value}: {release.because}")
