"""The end of a release in a few lines: what happened, why, how long each phase took, what serves now, what to do next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deployments.cli.exits import Exit, code_of
from deployments.cli.outcomes import CODES, Outcome, RunState
from deployments.cli.output import Output
from deployments.cli.wording import length, one_line
from runwright import errors
from runwright.ledger import Ledger, Release
from runwright.ledger.states import ENDED, ReleaseState
from runwright.policy.drills import Drill


@dataclass(frozen=True)
class Phase:
    """A state that a release was in, why, and for how long (seconds); None while it is in it."""

    state: str
    seconds: float | None
    because: str


@dataclass(frozen=True)
class Closing:
    """All that is said at the end."""

    outcome: Outcome
    code: Exit
    headline: str
    why: str
    phases: tuple[Phase, ...]
    serves: str
    state: str
    next: str
    gates: tuple[tuple[str, str, str], ...]
    printed: str = ""
    """Where the output of what failed is kept."""


def phases_of(ledger: Ledger, release_id: str) -> tuple[Phase, ...]:
    """Return the states that a release went through. A new reason for the same state is no new phase."""
    found: list[Phase] = []
    began: datetime | None = None
    for step in ledger.releases.transitions(release_id):
        if found and found[-1].state == str(step.after):
            found[-1] = Phase(found[-1].state, None, step.because)
            continue
        if found and began is not None:
            found[-1] = Phase(found[-1].state, max(0.0, (step.at - began).total_seconds()), found[-1].because)
        found.append(Phase(str(step.after), None, step.because))
        began = step.at
    return tuple(found)


def _told(phases: tuple[Phase, ...], outcome: Outcome) -> tuple[Phase, ...]:
    """Return the phases that belong to what was followed: of a way back that somebody asked for, the way back."""
    back = [i for i, phase in enumerate(phases) if phase.state == ReleaseState.ROLLING_BACK]
    return phases[back[-1] :] if back and outcome is Outcome.BACK else phases


def closing(ledger: Ledger, outcome: Outcome, release: Release | None, run: RunState | None) -> Closing:
    """Gather what is said at the end of a run, from the ledger."""
    if release is None:
        return _without_release(outcome, run)
    release = ledger.releases.get(release.id)
    error = _kept_error(ledger, release)
    drill = ledger.drills.of_release(release.id)
    if outcome is Outcome.CAME_BACK and not (drill and drill.came_back):
        outcome = Outcome.TAKEN_BACK  # it was put back, and not because the drill was noticed
    code = CODES[outcome]
    if outcome is Outcome.UNTOUCHED:
        code = _code_of_kept(error) or code
    return Closing(
        outcome=outcome,
        code=code,
        headline=_headline(outcome, release, drill),
        why=_why(outcome, release, run),
        phases=_told(phases_of(ledger, release.id), outcome),
        serves=serves(ledger, release.system, release.environment),
        state=error.get("state", "") if outcome is Outcome.UNTOUCHED else "",
        next=_next(ledger, outcome, release, error),
        gates=tuple((g.gate, g.state, g.reason) for g in _last_results(ledger, release) if g.state != "pass"),
        printed=" ".join(n.text for n in ledger.records.notes(release.id) if n.kind == "printed"),
    )


def _why(outcome: Outcome, release: Release, run: RunState | None) -> str:
    """Return why it ended so: a run that broke off says that itself, and the release only why that was begun."""
    said = _split(run.message, "")[0] if outcome is Outcome.UNSETTLED and run and run.type != "COMPLETED" else ""
    return said or release.because


def _last_results(ledger: Ledger, release: Release) -> list[Any]:
    return list({g.gate: g for g in ledger.records.gate_results(release.id)}.values())


def _kept_error(ledger: Ledger, release: Release) -> dict[str, str]:
    """Return the error that the run ended with, if it was kept with the release: its kind, what, state and next."""
    kept = ledger.releases.fact(release.id, "error")
    return {str(k): str(v) for k, v in kept.items()} if isinstance(kept, dict) else {}


def _code_of_kept(error: dict[str, str]) -> Exit | None:
    kind = getattr(errors, error.get("kind", ""), None)
    return code_of(kind) if isinstance(kind, type) and issubclass(kind, errors.RunwrightError) else None


def _without_release(outcome: Outcome, run: RunState | None) -> Closing:
    said = run.message if run else ""
    if outcome is Outcome.UNSEEN:
        headline = "The run completed."
        next_ = (
            "This ledger knows nothing of it: set RUNWRIGHT_HOME or RUNWRIGHT_LEDGER_URL as the worker has it "
            "to see what it did."
        )
    else:
        headline = f"The run ended {run.name if run else 'badly'} before there was a release: nothing was changed."
        next_ = "The run's log in the Prefect UI shows more."
    code, (said, next_) = _code_of_message(said) or CODES[outcome], _split(said, next_)
    return Closing(outcome, code, headline, said, (), "", "", next_, ())


_RAISED = re.compile(r"(?:^|exception: )(\w+Error): ")


def _code_of_message(said: str) -> Exit | None:
    """Return the exit code of the error that a run ended with, as Prefect's message of its state names it."""
    found = _RAISED.search(said)
    return _code_of_kept({"kind": found[1]}) if found else None


def _split(said: str, next_: str) -> tuple[str, str]:
    """Return what happened and what to do next, from the message of a state: an error of ours has a line for each."""
    lines = _RAISED.sub("", said.replace("Flow run encountered an ", ""), count=1).splitlines()
    if len(lines) < 2 or not _code_of_message(said):
        return said, next_
    return "\n".join(lines[:-1]), lines[-1]


def _headline(outcome: Outcome, release: Release, drill: Drill | None) -> str:
    where = f"{release.system}/{release.environment}"
    if release.is_drill and outcome in (Outcome.CAME_BACK, Outcome.TAKEN_BACK):
        good = "passed" if outcome is Outcome.CAME_BACK else "failed"
        return f"The drill of {where} {good}: {drill or 'it ended before anything was broken'}."
    return {
        Outcome.PROVEN: f"{release.ref} is released to {where}, and proven.",
        Outcome.BACK: f"{release.ref} was taken back from {where}.",
        Outcome.TAKEN_BACK: f"{release.ref} does not serve in {where}: it was taken back.",
        Outcome.UNTOUCHED: f"{release.ref} was not released to {where}: nothing was changed.",
        Outcome.NOTHING_TO_DO: f"{release.ref} had changed nothing in {where}: there was nothing to put back.",
        Outcome.FROZEN: f"{release.ref} in {where} is frozen: a person must decide.",
        Outcome.STILL_SERVES: f"{release.ref} still serves in {where}: it was not taken back.",
        Outcome.UNSETTLED: f"The run has ended, and {release.ref} in {where} has not: it is {release.state}.",
    }.get(outcome, f"{release.ref} in {where}: {outcome}.")


def _next(ledger: Ledger, outcome: Outcome, release: Release, error: dict[str, str]) -> str:
    if outcome is Outcome.FROZEN:
        return frozen_next(release, ledger.releases.fact(release.id, "decision"))
    if outcome in (Outcome.UNSETTLED, Outcome.STILL_SERVES):
        return (
            f"`runwright show {release.id}` tells what was done. "
            f"`runwright rollback {release.system}/{release.environment} --release {release.id} --yes` puts it back."
        )
    if outcome is Outcome.TAKEN_BACK and release.is_drill:
        return error.get("next") or f"`runwright show {release.id}` tells what was done, and why it was put back."
    if outcome is Outcome.TAKEN_BACK:
        if ledger.releases.quarantined(release.system, release.environment, release.commit) is None:
            return "Nothing spoke against the version itself: it may be released again."
        hint = f"{error['next']} " if error.get("next") else ""
        return (
            f"{hint}Release a fixed version. If this one is right after all: `runwright clear {release.id} --why TEXT`, "
            "then release it again."
        )
    return error.get("next", "") if outcome is Outcome.UNTOUCHED else ""


def frozen_next(release: Release, decision: Any) -> str:
    """Return what a person can do about a frozen release. decision: the fact of that name, None if there is none."""
    said = str(decision.get("next", "")) if isinstance(decision, dict) else ""
    accept = f"`runwright accept {release.id} --why TEXT --name NAME` calls it proven, " if not release.is_drill else ""
    ways = (
        f"`runwright rollback {release.system}/{release.environment} --release {release.id} --yes` takes it back, "
        f"{accept}"
        f"`runwright abandon {release.id} --why TEXT` closes it if nothing of it is left."
    )
    return f"{said}\n{ways}".strip()


def serves(ledger: Ledger, system: str, environment: str) -> str:
    """Return what serves there, as far as the ledger knows."""
    newest = ledger.releases.find(system, environment, limit=1)
    unsettled = [r for r in newest if r.state not in ENDED and r.state not in BEFORE_CHANGES]
    live = ledger.releases.live(system, environment)
    known = f"{live.whole} ({live.id})" if live else "nothing that the ledger knows of"
    return f"not settled: {unsettled[0].ref} is {unsettled[0].state}; before it, {known}" if unsettled else known


BEFORE_CHANGES = frozenset({ReleaseState.PREPARING, ReleaseState.PLANNED, ReleaseState.APPROVED})


def show_closing(out: Output, closed: Closing, release: Release | None, run_id: str | None) -> None:
    """Print the end: one JSON line for programs, a short table for people, in which a reason stands once."""
    if out.as_json:
        out.event(as_data(closed, release, run_id))
        return
    told = _plain(closed.why)
    out.line()
    out.line(closed.headline, style="ok" if closed.code is Exit.DONE else "fail")
    if closed.phases:
        out.line()
        rows = [
            (p.state, length(p.seconds), "" if p.because == closed.why else one_line(p.because, 100))
            for p in closed.phases
        ]
        out.table(("phase", "took", "why"), rows)
    gates = [(g, s, one_line(r)) for g, s, r in closed.gates if not (r and f"{g}: {_plain(r)}" in told)]
    if gates:
        out.line()
        out.table(("gate", "", "why"), gates, style_by=1)
    out.line()
    out.pairs(
        [
            ("why", closed.why),
            ("state", closed.state),
            ("serves now", closed.serves),
            ("output", closed.printed),
            ("next", closed.next),
        ]
    )


def _plain(reason: str) -> str:
    """Return a reason as it stands among others: on one line, without the full stop."""
    return one_line(reason).rstrip(".")


def as_data(closed: Closing, release: Release | None, run_id: str | None) -> dict[str, Any]:
    """Return the end as JSON values."""
    return {
        "event": "end",
        "outcome": closed.outcome,
        "exit_code": int(closed.code),
        "text": closed.headline,
        "run": run_id,
        "release": release.id if release else None,
        "why": closed.why,
        "serves": closed.serves,
        "state": closed.state,
        "next": closed.next,
        "printed": closed.printed,
        "gates": [{"gate": g, "state": s, "reason": r} for g, s, r in closed.gates],
        "phases": [{"state": p.state, "seconds": p.seconds, "because": p.because} for p in closed.phases],
    }
