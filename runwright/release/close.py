"""The record of what happened."""

from __future__ import annotations

from runwright.ledger.states import ReleaseState
from runwright.release.drill import keep_drill
from runwright.release.notify import ended, notify
from runwright.release.pages import show_log, show_requests
from runwright.release.retire import schedule_retirement
from runwright.release.tidy import tidy
from runwright.release.work import Work


def close(work: Work) -> str:
    """Write the deployment log and show it, tell people, and see to the end of what was replaced and of what nobody needs."""
    show_log(work)
    show_requests(work)
    keep_drill(work)
    if work.fact("told") != work.release.state.value:
        work.write_down("told", work.release.state.value)
        notify(work, ended(work))
        if work.release.state is ReleaseState.PROVEN:
            schedule_retirement(work)
    if work.release.state is ReleaseState.PROVEN:
        tidy(work)
    return f"{work.id} is {work.release.state.value}: {work.release.because}"
