"""End the version that a release replaced, once nobody needs it as a warm way back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
from prefect.deployments import run_deployment
from prefect.exceptions import PrefectException

from runwright.ledger.states import ReleaseState
from tasks import courses
from tasks.best_effort import answered_soon
from tasks.shown import in_a_run
from tasks.step import step
from tasks.tidy import tidy
from tasks.work import Work


@step(retried=True)
def retire(work: Work) -> str:
    """Stop the colour that gets no traffic; its artifact stays, so that it can be started again."""
    release = work.release
    live = work.ledger.releases.live(release.system, release.environment)
    if live is None or live.id != release.id or release.state is not ReleaseState.PROVEN:
        return f"{release.id} is no longer what serves: nothing is retired for it"
    if work.router is None:
        return "replaced in place: nothing was kept running"
    serving = work.router.facts(work.do).named
    for slot in courses.COLOURS:
        if slot not in serving:
            work.platform.stop(work.do, slot, "retire")
    tidy(work)
    return f"only {' and '.join(sorted(serving))} runs now"


def kept_running(work: Work) -> bool:
    """Return whether anything runs in a colour that gets no traffic: not so if it was stopped for the migrations."""
    assert work.router is not None
    serving = work.router.facts(work.do).named
    return any(fact.slot not in serving for fact in work.platform.observe(work.do).running)


def schedule_retirement(work: Work) -> None:
    """Let the old version be ended when the hold has passed. Where nothing is kept running there is nothing to end."""
    if work.router is None or work.previous is None or not in_a_run() or not kept_running(work):
        return
    hold = work.runbook.rollback.hold
    at = datetime.now(UTC) + timedelta(seconds=hold)
    deployment = f"retire/{work.release.system}-{work.release.environment}"
    try:
        with answered_soon():
            run_deployment(
                deployment,
                parameters={"release": work.id, "deployer": "the release"},
                scheduled_time=at,
                timeout=0,
                as_subflow=False,
                idempotency_key=f"retire {work.id}",
            )
    except (httpx.HTTPError, PrefectException) as error:  # the release is proven all the same
        work.say(
            f"Prefect could not be asked to end {work.previous.name} later ({type(error).__name__}): it is kept running. "
            f"`prefect deployment run {deployment}` ends it, as the next release does.",
            level="warning",
        )
        return
    work.say(f"{work.previous.name} is kept running until {at:%Y-%m-%d %H:%M} UTC.")
