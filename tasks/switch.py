"""Send the users to the new version."""

from __future__ import annotations

from datetime import UTC, datetime

from runwright.ledger.states import ReleaseState
from tasks import courses
from tasks.downtime import asking
from tasks.step import step
from tasks.work import Work


@step()  # not retried: while a new version does not get healthy nobody is served, and the old one is started again at once
def switch(work: Work) -> str:
    """Send the users to the new version: move the traffic, or replace the services in their order."""
    slot = courses.new_slot(work, work.do)
    how = f"traffic goes to {slot}" if slot else "the services are replaced"
    work.forward(ReleaseState.SWITCHING, how)
    if work.fact("switched_at") is None:
        work.write_down("switch_began_at", datetime.now(UTC).isoformat())
    with asking(work, "deploy"):
        courses.switch(work, work.do, work.version, slot)
    work.write_down("switched_at", datetime.now(UTC).isoformat())
    work.say(f"Users reach {work.version.name} now.")
    return slot or "replaced"
