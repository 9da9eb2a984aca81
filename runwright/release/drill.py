"""A drill: what was released is broken on purpose, and what came of it is kept."""

from __future__ import annotations

from datetime import UTC, datetime

from runwright.errors import BreachError, VerificationError
from runwright.ledger.states import ENDED, ReleaseState
from runwright.policy.drilling import checked_way
from runwright.policy.drills import Drill, DrillOutcome
from runwright.policy.watch import Conclusion
from runwright.release import cutover, drivers
from runwright.release.work import BREAK_KEY, Work, watch_seconds
from runwright.runbook.drill import Break

MARGIN_SECONDS = 600.0
"""How much longer than its watch what is broken stays so at most, where it ends by itself."""


def break_it(work: Work) -> str:
    """Break on purpose what was released and verified, once. From here on the watch has to notice."""
    by = way_of(work)
    if broken(work):
        return f"broken by {by} before"
    slot = cutover.new_slot(work, work.do)
    work.write_down("drill", {"by": by, "broken_at": datetime.now(UTC).isoformat()})
    drivers.inject(work.site, work.do, slot, by, watch_seconds(work) + MARGIN_SECONDS, work.do.token, BREAK_KEY)
    work.say(f"Broken on purpose, by {by}. The watch has {watch_seconds(work):.0f} s to notice.", level="warning")
    return f"broken by {by}"


def broken(work: Work) -> bool:
    """Return whether anything was broken, as the journal has it."""
    entries = work.ledger.journal(work.id).entries()
    return any(entry.state == "done" and entry.key.startswith(f"{BREAK_KEY}/") for entry in entries)


def way_of(work: Work) -> Break:
    """Return how a drill breaks what it released."""
    return checked_way(str(work.release.parameters["drill"]))


def noticed(work: Work, reason: str) -> None:
    """Remember that the watch noticed what a drill had broken."""
    if work.release.is_drill and (kept := work.fact("drill")):
        work.write_down("drill", {**kept, "noticed": reason})


def unnoticed(work: Work, end: Conclusion, watched_seconds: float) -> BreachError:
    """Return the error for a drill whose watch ended otherwise, which is put back all the same, and remember how."""
    by, kept = way_of(work), work.fact("drill") or {}
    if end.state != "proven":
        work.write_down("drill", {**kept, "unclear": end.reason})
        return BreachError(
            f"The watch could not judge what was broken by {by}, and would have frozen a release: {end.reason}.",
            state="It is put back now.",
        )
    work.write_down("drill", {**kept, "unnoticed": True})
    return BreachError(
        f"The watch did not notice within {watched_seconds:.0f} s that it was broken by {by}.",
        state="It is put back now.",
    )


SEEN_BY = {
    "kill": "that nothing answers (a probe with `failures`)",
    "errors": "errors of users (a probe of the front door, or `measure: error_ratio`)",
    "latency": "slow answers (a probe with `above` or a `timeout`, or `measure: latency_p95`)",
}


def advice(drill: Drill | None) -> str:
    """Return what has to be done about a drill that failed, "" if that depends on what happened."""
    if drill is not None and drill.outcome == DrillOutcome.UNNOTICED:
        seen = SEEN_BY[drill.broken_by]
        return f"A release that breaks like this would be called proven: give the watch a rule that sees {seen}."
    if drill is not None and drill.outcome == DrillOutcome.UNCLEAR:
        return "A person would have been asked about such a release: see that its rules can be judged."
    return ""


def keep_drill(work: Work) -> Drill | None:
    """Keep how a drill ended, once its release has; return it, None if it broke nothing (or is no drill)."""
    kept, state = work.fact("drill"), work.release.state
    ended = state in ENDED or state is ReleaseState.FROZEN
    if not work.release.is_drill or not kept or not ended or not broken(work):
        return None
    began = datetime.fromisoformat(kept["broken_at"])
    steps = [t for t in work.ledger.releases.transitions(work.id) if t.at >= began]
    failed = next((t.at for t in steps if t.after in (ReleaseState.FAILING, ReleaseState.ROLLING_BACK)), None)
    back = next((t.at for t in steps if t.after is ReleaseState.ROLLED_BACK), None)
    if back is None:
        outcome = DrillOutcome.NOT_BACK
    elif kept.get("noticed"):
        outcome = DrillOutcome.CAME_BACK
    elif kept.get("unclear"):
        outcome = DrillOutcome.UNCLEAR
    else:
        outcome = DrillOutcome.UNNOTICED if kept.get("unnoticed") else DrillOutcome.INTERRUPTED
    drill = Drill(
        release_id=work.id,
        system=work.release.system,
        environment=work.release.environment,
        broken_by=kept["by"],
        broken_at=began,
        noticed_at=failed if kept.get("noticed") else None,
        noticed_by=str(kept.get("noticed") or ""),
        back_at=back,
        outcome=outcome.value,
    )
    work.ledger.drills.keep(drill)
    work.say(f"Kept: {drill}.")
    return drill


def came_back(work: Work) -> str:
    """Say how the drill ended. Raise VerificationError if what was broken did not come back by itself, as it should."""
    drill, release = work.ledger.drills.of_release(work.id), work.release
    if drill is None or not drill.came_back:
        put_back = release.state in ENDED or release.state is ReleaseState.FROZEN
        why = f"{drill}" if drill else "it ended before anything was broken" if put_back else "it is not put back yet"
        raise VerificationError(
            f"The drill failed: {why}.",
            state=f"{release.id} is {release.state.value}: {release.because}",
            next=f"{advice(drill)} `runwright show {release.id}` tells what was done.".strip(),
        )
    noticed, back = drill.seconds_until_noticed or 0.0, drill.seconds_until_back or 0.0
    return f"Broken by {drill.broken_by}, noticed after {noticed:.0f} s, back after {back:.0f} s."
