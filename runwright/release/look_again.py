"""With the lease in hand: is the target still as the plan saw it, and is this still the time for a release?"""

from __future__ import annotations

from datetime import UTC, datetime

from runwright.errors import RefusedError
from runwright.ledger.states import ReleaseState
from runwright.policy.windows import fits
from runwright.release.plan import make_plan, seen_now
from runwright.release.work import Work


def look_again(work: Work) -> str:
    """Compare the target with what the plan saw, and make the plan anew if it changed meanwhile; ask the windows again."""
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
    require_window(work, datetime.now(UTC))
    work.ledger.releases.advance(work.id, ReleaseState.APPROVED, "the target is as the plan saw it")
    return "as planned"


def require_window(work: Work, now: datetime) -> None:
    """Raise RefusedError if a window has closed since the checklist, or closes before the release could be put back.

    Of a gate that only warns, it is said.
    """
    needed = surely_needed(work)
    for gate in work.runbook.gates_of(work.release.environment):
        if gate.window is None or (found := fits(gate.window, now, needed)).open:
            continue
        if gate.on_fail == "warn":
            work.say(f"{gate.id}: {found.reason}", level="warning")
            continue
        raise RefusedError(
            f"It is too late for this release: the window of the gate {gate.id} {found.reason}.",
            state="Nothing was changed.",
            next="Deploy again when the window opens; what was built is kept, so that it begins sooner.",
        )


def surely_needed(work: Work) -> float:
    """Return for how many seconds the release may change what users reach: until it is verified, and the way back.

    How long its backup, migrations and start take is not known, and during the watch it may be put back at any time.
    """
    return work.runbook.verify.deadline + work.runbook.rollback.target
