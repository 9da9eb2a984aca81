"""With the lease in hand: is the target still as the plan saw it?"""

from __future__ import annotations

from runwright.errors import RefusedError
from runwright.ledger.states import ReleaseState
from tasks.plan import make_plan, seen_now
from tasks.step import step
from tasks.work import Work


@step(retried=True)
def look_again(work: Work) -> str:
    """Compare the target with what the plan saw, and make the plan anew if it changed meanwhile."""
    if work.release.state is not ReleaseState.PLANNED:
        return "begun before"
    if seen_now(work) != work.fact("seen"):
        work.say("The target changed since the plan was made: it is made anew.")
        make_plan(work)
        if seen_now(work) != work.fact("seen"):
            raise RefusedError(
                "The target keeps changing while it is looked at.",
                state="Nothing was changed.",
                next="Find out who else works on it; `runwright status` shows what runs.",
            )
    work.ledger.releases.advance(work.id, ReleaseState.APPROVED, "the target is as the plan saw it")
    return "as planned"
