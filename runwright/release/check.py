"""The checklist before a release: every gate is asked, and all that failed are told at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from runwright.errors import RefusedError
from runwright.ledger.records import GateResult as Kept
from runwright.ledger.states import ReleaseState
from runwright.plural import plural
from runwright.policy.gates import Checklist, GateResult, GateState, also, ask, attested, decide
from runwright.policy.windows import open_now
from runwright.probes.ci import ci_passed
from runwright.probes.env_file import Seen, env_holds
from runwright.probes.http import ask as ask_probe
from runwright.probes.machine import command_passes, disk_free, tool_there
from runwright.probes.tls import tls_valid
from runwright.release import drivers
from runwright.release.ahead import schema_left_ahead
from runwright.release.database_gate import database_answers
from runwright.release.pages import show_checklist
from runwright.release.work import Work
from runwright.runbook.base import as_duration
from runwright.runbook.checks import Gate

AT_ONCE = 8
CLAIMED = "in use elsewhere"
"""The line of the checklist that is there whenever somebody else has what the release would take."""


def check(work: Work) -> str:
    """Ask every gate that needs no image. What is not proven blocks."""
    checklist = asked(work)
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
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(lambda gate: answer(work, gate), gates))
    given = work.release.parameters.get("attestations") or {}
    for gate, result in zip(gates, results, strict=True):
        if gate.attest is not None and gate.id in given and result.state is GateState.PASS:
            work.ledger.records.add_approval(work.id, gate.id, name=str(given[gate.id]), text=gate.attest)
    checklist = decide(results, gates)
    claimed = work.platform.claims(work.do)
    if not claimed:
        return checklist
    state = GateState.FAIL if any(claim.stops for claim in claimed) else GateState.WARN
    reason = " ".join(part for claim in claimed for part in (claim.says, claim.next))
    return also(checklist, GateResult(CLAIMED, state, reason, datetime.now(UTC)))


def answer(work: Work, gate: Gate) -> GateResult:
    """Return what one gate says."""
    return GATES[gate.kind](work, gate, datetime.now(UTC))


def _ci(work: Work, gate: Gate, now: datetime) -> GateResult:
    assert gate.ci is not None
    token = work.values().fill(gate.ci.token) if gate.ci.token else work.secrets.get("github_token")
    source = work.runbook.source.repo
    return ci_passed(work.do, gate.id, gate.ci, source=source, commit=work.version.commit, token=token, now=now)


def _env(work: Work, gate: Gate, now: datetime) -> GateResult:
    secrets = drivers.application_secrets(work.secrets)

    def seen(service: str) -> list[Seen]:
        return [(found.names, found.since) for found in work.platform.keys_seen(work.do, service)]

    config, path = work.place.config, drivers.kind(work.site).env_file(work.site)
    return env_holds(work.do, gate.id, config, path=path, secrets=secrets, now=now, seen=seen)


def _disk(work: Work, gate: Gate, now: datetime) -> GateResult:
    assert gate.disk is not None
    return disk_free(work.do, gate.id, gate.disk, now=now)


def _tool(work: Work, gate: Gate, now: datetime) -> GateResult:
    assert gate.tool is not None
    return tool_there(work.do, gate.id, gate.tool, now=now)


def _database(work: Work, gate: Gate, now: datetime) -> GateResult:
    return ask(gate.id, now, lambda: database_answers(work))


def _backup(work: Work, gate: Gate, now: datetime) -> GateResult:
    def question() -> tuple[GateState, str]:
        assert gate.backup is not None
        last = work.ledger.records.last_backup(work.release.system, work.release.environment)
        limit = as_duration(gate.backup.at_most)
        if last is None or last.proven_at is None:
            return GateState.FAIL, f"There is no proven backup; one of the last {limit} is asked for."
        age = (now - last.created_at).total_seconds()
        state = GateState.PASS if age <= gate.backup.at_most else GateState.FAIL
        return state, f"The last proven backup is {as_duration(round(age))} old; at most {limit} are asked for."

    return ask(gate.id, now, question)


def _tls(work: Work, gate: Gate, now: datetime) -> GateResult:
    assert gate.tls is not None
    return tls_valid(work.do, gate.id, gate.tls, url=work.values().fill(gate.tls.url), now=now)


def _baseline(work: Work, gate: Gate, now: datetime) -> GateResult:
    def question() -> tuple[GateState, str]:
        seen = work.platform.observe(work.do)
        still = sorted({f.service for f in seen.services} - {f.service for f in seen.running})
        if not seen.running:
            if work.ledger.releases.live(work.release.system, work.release.environment) is not None:
                return (
                    GateState.WARN,
                    "Nothing runs, although a version was released here: it was stopped, or it ended.",
                )
            if still:
                return GateState.WARN, f"Nothing runs ({', '.join(still)} ended or keeps being restarted): no way back."
            if others := work.platform.others(work.do):
                running = f"of its project there runs {', '.join(others)}"
                return (
                    GateState.PASS,
                    f"None of the services of this runbook runs yet ({running}): this is its first release.",
                )
            return GateState.PASS, "Nothing runs yet: this is the first release."
        health = [p for p in work.runbook.verify.health if p in work.runbook.probes_of(work.release.environment)]
        results = [
            ask_probe(work.do, p, work.probing(), lambda: datetime.now(UTC)) for p in health if p.method != "POST"
        ]
        if not results:
            return GateState.BLIND, "The runbook has no health probe to judge by."
        wrong = [f"{r.id}: {r.reason}" for r in results if not r.good]
        may_warn = {p.id for p in health if p.schema_ahead == "warn"}
        excused = {r.id for r in results if r.answered} & may_warn
        if wrong and excused.issuperset(r.id for r in results if not r.good) and schema_left_ahead(work, work.do):
            said = "the database is ahead of what runs, since a release was taken back"
            return GateState.WARN, f"As expected, {said}: {'; '.join(wrong)}"
        if wrong and (frozen := _frozen(work)):
            return GateState.WARN, f"As was to be expected, since {frozen} is frozen: {'; '.join(wrong)}"
        if wrong:
            return (
                GateState.FAIL,
                f"What runs now is not healthy, so a failure afterwards would prove nothing: {'; '.join(wrong)}",
            )
        healthy = f"What runs now is healthy: {', '.join(r.id for r in results)}."
        if still and not work.cutover.stages:  # else one colour does not run, as it should be
            return (
                GateState.WARN,
                f"{healthy} But not everything runs: {', '.join(still)}. A way back would stop what did not.",
            )
        return GateState.PASS, healthy

    return ask(gate.id, now, question)


def _frozen(work: Work) -> str:
    """Return the version whose release is frozen, "" if the newest that touched the target is not.

    What serves then is not well: a fixed version is the way out of it, and must not be refused for that.
    """
    ended = (ReleaseState.PROVEN, ReleaseState.ROLLED_BACK, ReleaseState.FROZEN)
    newest = work.ledger.releases.find(work.release.system, work.release.environment, limit=1, states=ended)
    return newest[0].ref if newest and newest[0].state is ReleaseState.FROZEN else ""


def _metrics(work: Work, gate: Gate, now: datetime) -> GateResult:
    def question() -> tuple[GateState, str]:
        source = drivers.metrics(work.site, work.values().fill, lambda: datetime.now(UTC))
        if source is None:
            return GateState.FAIL, "The environment has no source of metrics."
        fresh = source.fresh(work.do)
        if fresh.state == "ok" and fresh.value is not None:
            limit = 4 * work.runbook.watch.every
            state = GateState.PASS if fresh.value <= limit else GateState.FAIL
            return state, f"The newest sample is {fresh.value:.0f} s old; at most {limit:g} s are right."
        if fresh.state == "no_data" and not work.platform.observe(work.do).running:
            return GateState.PASS, "Nothing runs yet, so there is nothing to measure: this is the first release."
        if frozen := _frozen(work):
            return GateState.WARN, f"As was to be expected, since {frozen} is frozen: {fresh.reason}"
        return (GateState.BLIND if fresh.state == "blind" else GateState.FAIL), fresh.reason

    return ask(gate.id, now, question)


def _window(_: Work, gate: Gate, now: datetime) -> GateResult:
    assert gate.window is not None
    found = open_now(gate.window, now)
    return GateResult(gate.id, GateState.PASS if found.open else GateState.FAIL, found.reason, now)


def _command(work: Work, gate: Gate, now: datetime) -> GateResult:
    assert gate.command is not None
    return command_passes(work.do, gate.id, gate.command, now=now, clean=work.performer.clean_printed)


def _attest(work: Work, gate: Gate, now: datetime) -> GateResult:
    if work.release.is_drill:
        # nobody decides for a version that serves already, and a drill that waits for a person is never done
        return GateResult(gate.id, GateState.PASS, "Not asked of a drill.", now)
    return attested(gate, work.release.parameters.get("attestations") or {}, now)


GATES: dict[str, Callable[[Work, Gate, datetime], GateResult]] = {
    "ci": _ci,
    "env": _env,
    "disk": _disk,
    "tool": _tool,
    "database": _database,
    "backup": _backup,
    "tls": _tls,
    "baseline": _baseline,
    "metrics": _metrics,
    "window": _window,
    "command": _command,
    "attest": _attest,
}
