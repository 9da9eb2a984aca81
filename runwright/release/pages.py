"""What people look at: the pages of a release, one key for each environment and kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from runwright import source
from runwright.engine.planning import Step
from runwright.errors import ActionError
from runwright.migrators.shape import MigrationPlan
from runwright.policy.levels import Level
from runwright.policy.rollback import Decision, Situation, Way
from runwright.policy.rules import Sample, SampleState
from runwright.policy.watch import Conclusion, Watching
from runwright.release import requests, two_live
from runwright.release.downtime import downtimes
from runwright.release.staying import HEALTH_LOG
from runwright.release.work import Work, watch_seconds
from runwright.reports import charts
from runwright.reports import checklist as checklists
from runwright.reports import log as logs
from runwright.reports import plan as plans
from runwright.reports import requests as pictures
from runwright.reports import rollback as rollbacks
from runwright.reports import watch as watches
from runwright.runbook.base import as_duration
from runwright.runbook.checks import Rule

SHOWN_EVERY_SECONDS = 60.0
"""How often the watch's table is shown anew: each time is kept as a version of the artifact."""

SHOWN_COMMITS = 50

STATES: dict[str, checklists.GateState] = {"needs_person": "pending"}


NOTIFIED = re.compile(r"\b(team|notified|informed)\b", re.IGNORECASE)
"""The log's template has a line for the team alone, and a runbook says only in words which of its statements that is."""


def show(work: Work, kind: str, markdown: str, description: str) -> None:
    """Show ``markdown`` as the artifact of this kind; the newest one of an environment is found under one key."""
    key = f"{kind}-{work.release.system}-{work.release.environment}"
    work.run.show(key, work.performer.clean(markdown), f"{description} of {work.id}")


def lines(work: Work) -> list[checklists.Line]:
    """Return the checklist as it was answered."""
    gates = {gate.id: gate for gate in work.runbook.gates_of(work.release.environment)}
    found = []
    for name, state, reason in work.fact("checklist") or []:
        gate, shown = gates.get(name), STATES.get(state, cast(checklists.GateState, state))
        if gate is None:  # nobody wrote it into the runbook: it is looked at in every release
            found.append(checklists.Line(name, "always", shown, reason, state != "warn"))
            continue
        if gate.attest is not None and state == "pass" and not work.release.is_drill:  # there nobody was asked
            shown = "attested"
        found.append(checklists.Line(name, gate.attest or gate.kind, shown, reason, gate.on_fail == "block"))
    return found


def show_checklist(work: Work) -> None:
    """Show the checklist."""
    title = f"Checklist: {work.runbook.system} {work.release.ref} to {work.release.environment}"
    show(work, "checklist", checklists.checklist(title, lines(work)), "The checklist")


def show_plan(
    work: Work, made: Mapping[str, Any], migrations: MigrationPlan | None, level: Level, steps: list[Step]
) -> None:
    """Show the plan."""
    previous = work.previous
    pending = migrations.pending if migrations else ()
    given = plans.Plan(
        system=work.runbook.system,
        environment=work.release.environment,
        goes_from=previous.name if previous else "",
        goes_to=work.version.name,
        hash=str(made["hash"]),
        commits=commits(work),
        images=[plans.Image(a.component, a.reference, a.identity) for a in work.version.artifacts],
        migrations=[
            plans.Migration(m.revision, "; ".join(m.operations), m.level.name, "; ".join(m.reasons)) for m in pending
        ],
        level=level.name,
        way_back=level.meaning,
        gates=lines(work),
        downtime=str(made.get("dark") or "")
        or work.cutover.downtime(needs_stop=two_live.goes_dark(work, migrations), first=previous is None),
        watch=f"{as_duration(watch_seconds(work))}, every {as_duration(work.runbook.watch.every)}",
        steps=steps,
        depends_on=str(made["depends"]),
        notes=made["notes"],
    )
    show(work, "plan", plans.plan(given), "The plan")


def commits(work: Work) -> list[plans.Commit]:
    """Return the commits that the release brings, newest first; only its own if the one before is not known."""
    own = plans.Commit(work.version.commit, str(work.fact("subject") or ""))
    before = work.previous.commit if work.previous else ""
    if not before or before == own.id:
        return [own]
    try:
        found = source.log_between(work.do, work.folders.mirror, before, own.id, at_most=SHOWN_COMMITS)
    except ActionError:
        return [own]  # what ran before came from somewhere else
    return [plans.Commit(commit, subject) for commit, subject in found] or [own]


DECIDED: dict[Way, rollbacks.Decided] = {
    Way.NOTHING: "nothing",
    Way.ABANDON: "abandon",
    Way.WATCH_ON: "watch_on",
    Way.PUT_BACK: "put_back",
    Way.STOP_NEW: "stop_new",
    Way.FREEZE: "freeze",
}


def show_decision(work: Work, now: Situation, decision: Decision) -> None:
    """Show what is done about a release that did not end well, with everything that it was decided from."""
    at = datetime.now(UTC)
    said = f": {now.breach}" if now.breach and not now.watching else ""
    seen = {
        "the run": f"it {now.cause.value}{said}" if now.cause.value != "asked" else "a person asks for the way back",
        "the journal": "changes were begun that users could notice" if now.changed else "nothing was changed",
        "the router and the platform": f"users reach: {now.serving.value}",
        "the database": f"migrations: {now.migration.value}",
        "the watch": (now.breach or "no rule was breached") if now.watching else "it was not watched",
    }
    given = rollbacks.Rollback(
        release=work.id,
        failed=work.version.name if work.release.version else work.release.ref,
        back_to=now.previous,
        decided=DECIDED[decision.way],
        why=decision.because,
        level=now.level.name,
        evidence=[rollbacks.Evidence(at, source, what) for source, what in seen.items()],
        done=done(work),
        next=[decision.next] if decision.next else [],
    )
    show(work, "rollback", rollbacks.rollback(given), "What is done about the end")


def done(work: Work) -> list[str]:
    """Return what was changed while the environment was held, in order: by the release, and by the way back so far."""
    changes = [e for e in work.ledger.journal(work.id).entries() if e.token is not None]
    return [e.says if e.state == "done" else f"{e.says}: {e.state}" for e in changes]


def show_log(work: Work) -> None:
    """Show the deployment log, in the template of the runbooks."""
    release = work.release
    at = {t.after.value: t.at for t in work.ledger.releases.transitions(work.id)}
    resolved, switched = work.fact("resolved_at"), work.fact("switched_at")
    backup = work.fact("backup")
    approvals = work.ledger.records.approvals(work.id)
    stated = [f"{a.name}: {a.text}" for a in approvals]
    told = [line for a, line in zip(approvals, stated, strict=True) if NOTIFIED.search(a.text)]
    times: dict[logs.Times, datetime | None] = {
        "start": release.created_at,
        "code": datetime.fromisoformat(resolved) if resolved else None,
        "built": at.get("planned"),
        "migrated": at.get("staging") or at.get("switching") if "migrating" in at else None,
        "restarted": datetime.fromisoformat(switched) if switched else None,
        "verified": at.get("watching"),
        "end": max(at.values()),
    }
    ci = [(state == "pass", reason) for name, state, reason in work.fact("checklist") or [] if name == "ci"]
    entry = logs.Entry(
        date=release.created_at,
        deployer=release.deployer,
        environment=release.environment,
        commit=release.commit or "",
        tag=release.whole,
        checks={
            "ci": ci[0] if ci else (None, "not asked"),
            "backup": (True, f"{backup['location']}; {backup['proof']}") if backup else (None, "none was taken"),
            "notified": (True, "; ".join(told)) if told else (None, "not asked"),
        },
        times=times,
        results=work.fact("verification") or {},
        health_log=[
            f"{name}: {at}, exit code {code}{f', {said}' if said else ''}"
            for name, runs in (work.fact(HEALTH_LOG) or {}).items()
            for at, code, said in runs[-1:]
        ],
        issues=[
            *(work.fact("listed") or []),
            *(work.fact("left") or []),
            *downtimes(work),
            *([str(work.fact("breach"))] if work.fact("breach") else []),
            *(f"Stated by {line}" for line in stated if line not in told),
        ],
        rolled_back=release.state.value == "rolled_back",
        rollback_reason=str((work.fact("decision") or {}).get("because", "")),
    )
    show(work, "log", logs.log(entry), "The deployment log")


def show_requests(work: Work) -> None:
    """Show the requests that each version got, over time, if they were counted."""
    if not work.run.shows or (found := requests.requests(work)) is None:
        return
    title = f"Requests: {work.runbook.system} {work.release.ref} to {work.release.environment}"
    show(work, "requests", pictures.requests(title, found), "The requests by version")


class ShownWatch:
    """A watch as people see it: a progress bar, and a table with charts beside it."""

    def __init__(self, work: Work, rules: Sequence[Rule], started_at: datetime, *, bar: bool = True) -> None:
        self._work = work
        self._rules = rules
        self._started_at = started_at
        self._shown_at = -SHOWN_EVERY_SECONDS
        self._move: Callable[[float], None] = lambda _: None
        if bar:
            name = f"progress-{work.release.system}-{work.release.environment}"
            self._move = work.run.progress(name, f"The watch of {work.id}")

    def update(self, watching: Watching, samples: Mapping[str, Sequence[Any]]) -> None:
        """Move the bar; show the table again if the last one is old enough."""
        progress = watching.progress
        share = 100.0 * progress.watched_seconds / progress.duration_seconds if progress.duration_seconds else 100.0
        self._move(round(min(100.0, share), 1))
        if progress.watched_seconds - self._shown_at >= SHOWN_EVERY_SECONDS:
            self._shown_at = progress.watched_seconds
            self.show(watching, samples)
            show_requests(self._work)

    def show(
        self, watching: Watching, samples: Mapping[str, Sequence[Any]], conclusion: Conclusion | None = None
    ) -> None:
        """Show the table and the charts as they are now."""
        if not self._work.run.shows:
            return
        begin = self._started_at.timestamp()
        panels = [watches.panel(rule, samples[rule.id], begin) for rule in self._rules if samples[rule.id]]
        uri = charts.data_uri(panels) if panels else ""
        title = f"Watch: {self._work.runbook.system} {self._work.release.ref} in {self._work.release.environment}"
        show(self._work, "watch", watches.watch(title, self._rules, watching, conclusion, uri), "The watch")


def show_breached_watch(work: Work, rules: Sequence[Rule]) -> None:
    """Show a watch that ended with a breach, from what was kept of it."""
    kept = work.fact("watch")
    if not kept or not work.run.shows:
        return
    samples: dict[str, list[Any]] = {rule.id: [] for rule in rules}
    for m in work.ledger.records.measurements(work.id):
        if m.rule in samples:
            samples[m.rule].append(Sample(m.at, m.value, m.requests, cast(SampleState, m.state), m.reason))
    end = Conclusion("breach", str(work.fact("breach") or "a rule was breached").rstrip("."))
    shown = ShownWatch(work, rules, datetime.fromisoformat(kept["started_at"]), bar=False)
    shown.show(Watching.from_json(kept["watching"]), samples, end)
