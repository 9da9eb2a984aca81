"""End the version that a release replaced, once nobody needs it as a warm way back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from runwright.ledger.states import ReleaseState
from runwright.release import streams
from runwright.release.tidy import tidy
from runwright.release.work import Work


def retire(work: Work) -> str:
    """Stop the colour that gets no traffic; its artifact stays, so that it can be started again."""
    release = work.release
    live = work.ledger.releases.live(release.system, release.environment)
    if live is None or live.id != release.id or release.state is not ReleaseState.PROVEN:
        return f"{release.id} is no longer what serves: nothing is retired for it"
    served = work.cutover.served(work.do)
    streams.let_end(work, work.do, [slot for slot in work.platform.slots if slot != served])
    runs = work.cutover.retire(work.do, "retire")
    tidy(work)
    return runs


def schedule_retirement(work: Work) -> None:
    """Let the old version be ended when the hold has passed. Where nothing is kept running there is nothing to end."""
    if work.previous is None or not work.run.shows or not work.cutover.kept_warm(work.do):
        return
    at = datetime.now(UTC) + timedelta(seconds=work.runbook.rollback.hold)
    procedure = f"retire/{work.release.system}-{work.release.environment}"
    why_not = work.run.later(procedure, {"release": work.id, "deployer": "the release"}, at, f"retire {work.id}")
    if why_not:  # the release is proven all the same
        work.say(
            f"Prefect could not be asked to end {work.previous.name} later ({why_not}): it is kept running. "
            f"`prefect deployment run {procedure}` ends it, as the next release does.",
            level="warning",
        )
        return
    work.say(f"{work.previous.name} is kept running until {at:%Y-%m-%d %H:%M} UTC.")
