"""Start the new version beside the old one."""

from __future__ import annotations

from runwright.ledger.states import ReleaseState, reached
from runwright.release import cutover, streams
from runwright.release.work import Work


def stage(work: Work) -> str:
    """Start the new version where no user reaches it yet; a platform that replaces in place has nothing to do here."""
    if not work.cutover.stages:
        return "replaced in place: nothing to stage"
    slot = cutover.new_slot(work, work.do)
    if reached(work.release.state, ReleaseState.SWITCHING):
        return slot  # begun before this run was started again: it may serve by now, and nothing is started anew
    work.write_down("slot", slot)
    work.forward(ReleaseState.STAGING, f"the new version starts in {slot}")
    streams.let_end(work, work.do, [slot])
    cutover.stage(work, work.do, work.version, slot)
    return slot
