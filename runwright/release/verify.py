"""Prove that a version does what its runbook says it must."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from runwright.engine.actions import Do
from runwright.errors import VerificationError
from runwright.ledger.states import ReleaseState
from runwright.loopback import is_loopback
from runwright.platforms.shape import Observed
from runwright.plural import plural
from runwright.probes.asking import ask, ask_until, cleanup
from runwright.probes.shape import ProbeResult
from runwright.probes.values import Values
from runwright.release import ahead, cutover, inside, staying
from runwright.release.downtime import SERVED, note_downtime
from runwright.release.work import Work
from runwright.runbook.base import references
from runwright.runbook.probes import Probe, texts_in
from runwright.versions import Version

LOGS = "its containers' or processes' log, or once it is put back the file that `runwright show` names"


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


LEFT = "left"
"""The fact with what smoke tests wrote and could not delete, a sentence each."""
READY = re.compile(r"\bread(y|iness)", re.IGNORECASE)
"""By its name or its path, a health probe that asks whether the system is ready, not only alive."""


def verify_staged(work: Work) -> str:
    """Ask the new version where it runs, before any user reaches it."""
    upstream = work.cutover.door(work.do, cutover.new_slot(work, work.do))
    if upstream is None:
        return "replaced in place: verified live"
    ahead_of_it = ahead.stays_ahead(work)
    results = prove(work, work.probing(upstream), key="deploy/staged", staged=True, schema_ahead=ahead_of_it)
    if not results:
        work.say("No probe leads to the new version before users reach it: it is healthy, and verified live.")
    return summary(results)


def verify_live(work: Work) -> str:
    """Ask the new version the way users do, and look at what really runs."""
    work.forward(ReleaseState.VERIFYING, "users reach the new version")
    runs_what_was_asked(work, work.version, work.do, cutover.new_slot(work, work.do))
    results: list[ProbeResult] = []
    until = time.monotonic() + work.runbook.verify.deadline
    stays = ""
    try:
        prove(
            work,
            work.probing(),
            key="deploy/live",
            staged=False,
            schema_ahead=ahead.stays_ahead(work),
            results=results,
            serves=lambda: _serves(work),
        )
        stays = staying.verify(work, until - time.monotonic())
    except VerificationError:
        staying.keep_health_log(work)
        raise
    finally:
        keep(work, results, stays)
    staying.keep_health_log(work)
    return summary(results)


def _serves(work: Work) -> None:
    note_downtime(work, "deploy", work.version.name)
    if work.fact(SERVED) is None:
        work.write_down(SERVED, now().isoformat())


def keep(work: Work, results: list[ProbeResult], stays: str = "") -> None:
    """Keep what was asked so far, right or wrong, for the deployment log."""
    health = {p.id for p in work.runbook.verify.health}
    ready = {p.id for p in work.runbook.verify.health if READY.search(f"{p.id} {p.get}")}
    asked = {
        "health": [r for r in results if r.id in health],
        "readiness": [r for r in results if r.id in ready],
        "smoke": [r for r in results if r.id not in health],
    }
    found = {kind: listed(some) for kind, some in asked.items() if some}
    if stays:
        found["staying"] = stays
    work.write_down("verification", {**found, "services": f"every service runs {work.version.name}"})


def prove(
    work: Work,
    values: Values,
    *,
    key: str,
    staged: bool,
    schema_ahead: bool = False,
    smoke: bool = True,
    results: list[ProbeResult] | None = None,
    serves: Callable[[], None] = lambda: None,
) -> list[ProbeResult]:
    """Ask every probe: health until it is right, then smoke once. Raise VerificationError if one is not right.

    ``schema_ahead``: the database is ahead of this version on purpose, and of probes that say so any answer will do.
    ``results``: a list that gets what each probe answered, also if one is not right. ``serves``: is told when health is
    right, before smoke, and at the end; it may be told twice.
    """
    # a login that was settled before is not sent again, and its token is not kept: every proof has keys of its own
    key = f"{key}/{1 + sum(e.key.startswith(key) for e in work.ledger.journal(work.id).entries())}"
    environment = work.release.environment
    deadline = work.runbook.verify.deadline
    results = [] if results is None else results
    world = inside.world(work, cutover.new_slot(work, work.do) if staged else None)
    probes = [p for p in work.runbook.probes_of(environment) if not staged or _of_candidate(work, p)]
    health = [p for p in probes if p in work.runbook.verify.health]
    started = now()
    asked: list[Probe] = []
    try:
        for probe in probes if smoke else health:
            if health and probe not in health:
                serves()
            asked.append(probe)
            left = max(1.0, deadline - (now() - started).total_seconds())
            # waiting makes one that is excused answer, and does not make it right
            enough = _answered if schema_ahead and probe.schema_ahead == "warn" else _good
            if (probe in health or probe.within) and not probe.changes:
                result = ask_until(work.do, probe, values, now, within_seconds=left, enough=enough, world=world)
            else:
                result = ask(work.do, probe, values, now, key=f"{key}/{probe.id}", world=world)
            values = values.with_saved(result.saved)
            results.append(result)
            work.say(f"{probe.id}: {result.state} - {result.reason}")
            if not enough(result):
                raise VerificationError(
                    f"Probe {probe.id}: {result.reason}.",
                    next=f"Look at what {'the new' if smoke else 'this'} version printed: {LOGS}.",
                )
    finally:
        for probe in asked:
            if probe.cleanup:
                _tidied(work, probe, cleanup(work.do, probe, values, key=f"{key}/cleanup/{probe.id}", world=world))
    serves()
    return results


def _tidied(work: Work, probe: Probe, gone: ProbeResult | None) -> None:
    """Tell, in the run and in the record, what a probe wrote and could not delete, with the marker that it can be found by."""
    if gone is None or gone.state == "pass":
        return
    marked = any(
        ("release", "id") in references(text) for text in texts_in([probe.body, probe.upload, probe.send_headers])
    )
    marker = f"; it carries the marker {work.id}" if marked else ""
    told = f"What the probe {probe.id} wrote may still be there{marker}: {gone.reason}"
    work.say(told, level="warning")
    work.write_down(LEFT, [*(work.fact(LEFT) or []), told])


def _of_candidate(work: Work, probe: Probe) -> bool:
    """Return whether a probe can be asked of a candidate: it has an address that means the candidate at its door, or it is
    asked from inside of the candidate, of itself."""
    if probe.inside is not None:
        slotted = {fact.service for fact in work.platform.observe(work.do).running if fact.slot}
        return probe.route != "live" and probe.inside in slotted and is_loopback(urlsplit(probe.url).hostname or "")
    texts = probe.command.env.values() if probe.command is not None else [probe.url]
    named = {name for text in texts for kind, name in references(text) if kind == "url"}
    return probe.route != "live" and bool(named & set(work.at_the_door))


def _good(result: ProbeResult) -> bool:
    return result.good


def _answered(result: ProbeResult) -> bool:
    return result.good or result.answered


def runs_what_was_asked(work: Work, version: Version, do: Do, slot: str) -> None:
    """Raise VerificationError unless every service runs the very artifact of ``version``, with nothing else mounted over it.

    slot: where it runs.
    """
    wanted = work.platform.expected(version)
    observed = work.platform.observe(do)
    running = observed.identities(slot)
    wrong = strange(work, version, observed, slot)
    missing = [f"{s} does not run" for s in wanted if s not in running and not slot]
    if wrong or missing or not running:
        raise VerificationError(
            f"What runs is not {version.name}: {'; '.join(wrong + missing) or 'nothing runs'}.",
            next="`runwright status` shows what runs.",
        )


def strange(work: Work, version: Version, observed: Observed, slot: str = "") -> list[str]:
    """Return, as phrases, what runs (in ``slot``, if one is given) and is not ``version``. What is stopped is none of it."""
    slotted = {fact.service for fact in observed.services if fact.slot}
    here = (f for f in observed.running if not slot or f.slot == slot or (not f.slot and f.service not in slotted))
    found = [phrase for fact in here for phrase in work.platform.strange(version, fact)]
    loose = [f.instance for f in observed.running if slot and not f.slot and f.service in slotted]
    return [*found, *(f"{name} runs beside it, and belongs to no colour" for name in loose)]


def listed(results: Iterable[ProbeResult]) -> str:
    """Return probe results for the deployment log."""
    return "; ".join(f"{r.id} {r.state} ({r.reason})" for r in results)


def summary(results: list[ProbeResult]) -> str:
    """Return one line for the run's page."""
    warned = [r.id for r in results if r.state == "warn"]
    return f"{plural(len(results), 'probe')} right" + (f", with a remark: {', '.join(warned)}" if warned else "")
