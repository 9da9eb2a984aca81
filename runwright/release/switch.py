"""Send the users to the new version."""

from __future__ import annotations

from datetime import UTC, datetime

from runwright.ledger.states import ReleaseState
from runwright.plural import plural
from runwright.release import cutover
from runwright.release.downtime import asking
from runwright.release.rungs import climb
from runwright.release.work import Work

DRAINED = "drain"
"""The kind of the note that says how the drain of the old version ended."""


def switch(work: Work) -> str:
    """Send the users to the new version: move the traffic, or replace the services in their order."""
    slot = cutover.new_slot(work, work.do)
    how = f"traffic goes to {slot}" if slot else "the services are replaced"
    work.forward(ReleaseState.SWITCHING, how)
    if work.fact("switched_at") is None:
        work.write_down("switch_began_at", datetime.now(UTC).isoformat())
    with asking(work, "deploy"):
        climb(work, slot)
        left = cutover.switch(work, work.do, work.version, slot)
    work.write_down("switched_at", datetime.now(UTC).isoformat())
    work.say(f"Users reach {work.version.name} now.")
    if left is not None and work.release.previous_id is not None:
        told = f"{plural(left, 'request')} still in flight" if left else "no request in flight any more"
        work.ledger.records.add_note(
            work.id, DRAINED, f"When users were moved, the old version had {told} at the end of its drain."
        )
    return slot or "replaced"
