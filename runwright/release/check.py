"""The checklist before a release: every gate is asked, and all that failed are told at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from runwright import registry
from runwright.errors import ActionError, CancelledError, RefusedError
from runwright.gates.shape import Asking
from runwright.ledger.records import GateResult as Kept
from runwright.ledger.states import ReleaseState
from runwright.plural import plural
from runwright.policy.gates import Checklist, GateResult, GateState, also, decide
from runwright.release import drivers, inside, staying
from runwright.release.ahead import schema_left_ahead
from runwright.release.database_gate import database_answers
from runwright.release.pages import show_checklist
from runwright.release.work import Work
from runwright.runbook.gates import Gate

AT_ONCE = 8
CLAIMED = "in use elsewhere"
"""The line of the checklist that is there whenever somebody else has what the release would take."""
FOUND: Final = {"ok": GateState.PASS, "warn": GateState.WARN, "fail": GateState.FAIL}
"""What a line of the platform's own is on the checklist."""
ROUTER = "router"
"""The line that is there whenever a router of the team's own does not have what a release needs."""


def check(work: Work) -> str:
    """Ask every gate that needs no image. What is not proven blocks."""
    checklist = asked(work)
    staying.remember(work)
    inside.remember_log(work)
    rows = [(r.id, r.state.value, r.reason) for r in checklist.results]
    work.write_down("checklist", rows)
    work.ledger.records.add_gate_results(
        work.id, [Kept(r.id, r.state.value, r.reason, r.at) for r in checklist.results]
    )
    show_checklist(work)
    for result in checklist.results:
        work.say(f"{result.id}: {result.state.value} - {result.reason}")
    if not checklist.passed:
        lines = "\n".join(f"  {r.id}: {r.reason}" for r in checklist.blocking)
        raise RefusedError(
            f"{len(checklist.blocking)} of {plural(len(checklist.results), 'gate')} "
            f"{'stops' if len(checklist.blocking) == 1 else 'stop'} the release:\n{lines}",
            state="Nothing was changed.",
            next="See to each of them, then deploy again.",
        )
    return f"{plural(len(checklist.results), 'gate')}, {len(checklist.warnings)} with a remark"


def asked(work: Work) -> Checklist:
    """Ask all gates of the environment at the same time, and who else has what the release would take."""
    gates = work.runbook.gates_of(work.release.environment)
    asking = asking_of(work)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        # each in a context of its own: it asks where the system runs
        futures = [pool.submit(copy_context().run, _asked, asking, gate) for gate in gates]
        results = [future.result() for future in futures]
    given = work.release.parameters.get("attestations") or {}
    for gate, result in zip(gates, results, strict=True):
        if gate.attest is not None and gate.id in given and result.state is GateState.PASS:
            work.ledger.records.add_approval(work.id, gate.id, name=str(given[gate.id]), text=gate.attest)
    checklist = decide(results, gates)
    if claimed := work.platform.claims(work.do):
        state = GateState.FAIL if any(claim.stops for claim in claimed) else GateState.WARN
        reason = " ".join(part for claim in claimed for part in (claim.says, claim.next))
        checklist = also(checklist, GateResult(CLAIMED, state, reason, datetime.now(UTC)))
    for found in work.platform.answers(work.do):
        reason = ". ".join(part.rstrip(".") for part in (found.text, found.next) if part)
        checklist = also(checklist, GateResult(found.about, FOUND[found.state], reason, datetime.now(UTC)))
    if lacking := _router_lacks(work):
        checklist = also(checklist, GateResult(ROUTER, GateState.FAIL, lacking, datetime.now(UTC)))
    return checklist


def _router_lacks(work: Work) -> str:
    """Return what the router does not have that a release needs of it, and what to do; "" if nothing."""
    router = work.router if work.cutover.stages else None
    if router is None:
        return ""
    try:
        router.require(work.do)
    except CancelledError:
        raise
    except (ActionError, RefusedError) as error:
        return " ".join(part for part in (error.what, error.next) if part)
    return ""


def _asked(asking: Asking, gate: Gate) -> GateResult:
    result: GateResult = registry.gate(gate.kind)(replace(asking, now=datetime.now(UTC)), gate)
    return result


def asking_of(work: Work) -> Asking:
    """Return what the gates of a release may ask."""
    release, records, releases = work.release, work.ledger.records, work.ledger.releases

    def proven_backup() -> datetime | None:
        last = records.last_backup(release.system, release.environment)
        return last.created_at if last is not None and last.proven_at is not None else None

    return Asking(
        do=work.do,
        now=datetime.now(UTC),
        book=work.runbook,
        environment=release.environment,
        commit=lambda: work.version.commit,
        platform=work.platform,
        secrets=work.secrets,
        application_secrets=drivers.application_secrets(work.secrets),
        fill=lambda text: work.values().fill(text),
        clean=work.performer.clean_printed,
        probing=work.probing,
        world=lambda: inside.world(work),
        env_file=lambda: drivers.kind(work.site).env_file(work.site),
        metrics=lambda: drivers.metrics(work.site, work.values().fill, lambda: datetime.now(UTC)),
        proven_backup=proven_backup,
        database=lambda: database_answers(work),
        released=lambda: releases.live(release.system, release.environment) is not None,
        frozen=lambda: _frozen(work),
        ahead=lambda: schema_left_ahead(work, work.do),
        beside=lambda: work.cutover.stages,
        attestations=release.parameters.get("attestations") or {},
        is_drill=release.is_drill,
    )


def _frozen(work: Work) -> str:
    """Return the version whose release is frozen, "" if the newest that touched the target is not.

    What serves then is not well: a fixed version is the way out of it, and must not be refused for that.
    """
    ended = (ReleaseState.PROVEN, ReleaseState.ROLLED_BACK, ReleaseState.FROZEN)
    newest = work.ledger.releases.find(work.release.system, work.release.environment, limit=1, states=ended)
    return newest[0].ref if newest and newest[0].state is ReleaseState.FROZEN else ""
