"""The watch of a release: the verdicts with their numbers, the charts, and what it all came to."""

from __future__ import annotations

from collections.abc import Sequence

from runwright.policy.rules import Measured
from runwright.policy.watch import Conclusion, ProbeRecord, RuleRecord, Watching
from runwright.policy.wording import as_time, subject, unit
from runwright.reports.charts import Panel
from runwright.reports.markdown import bullets, cell, code, image, parts, state, table, text
from runwright.runbook.checks import Rule

ENDS = {
    "proven": "✅ **Proven**",
    "breach": "❌ **Breached**",
    "hold": "⏳ **Holding**",
    "freeze": "🧊 **Frozen**: a person must decide",
}


def watch(
    title: str,
    rules: Sequence[Rule],
    watching: Watching,
    conclusion: Conclusion | None = None,
    chart_uri: str = "",
) -> str:
    """Return the watch as Markdown. Without a conclusion it is still running."""
    progress = watching.progress
    if conclusion is None:
        held = f", held for {as_time(progress.held_seconds)}" if progress.held_seconds else ""
        watched = f"{as_time(progress.watched_seconds)} of {as_time(progress.duration_seconds)}"
        first = f"👁 **Watching**: {watched}, {as_time(progress.left_seconds)} left{held}."
    else:
        first = f"{ENDS[conclusion.state]}: {text(conclusion.reason)}."
    odd = conclusion.listed if conclusion else ()
    return parts(
        f"# {text(title)}",
        first,
        "## Remarks\n\n" + bullets(text(line) for line in odd) if odd else "",
        "## Rules\n\n" + _rules(rules, watching) if rules else "",
        image("What was measured since the switch", chart_uri) if chart_uri else "",
        "## Probes\n\n" + _probes(list(watching.probes.values())) if watching.probes else "",
    )


def panel(
    rule: Rule, samples: Sequence[Measured], started_at: float, breached: Sequence[tuple[float, float]] = ()
) -> Panel:
    """Return the chart's panel of one rule. ``started_at``: the switch, in seconds since 1970."""
    points = [(s.at.timestamp() - started_at, s.value if s.state == "ok" else None) for s in samples]
    limit = None if rule.failures is not None else rule.limit
    name = subject(rule)
    title = f"{name[0].upper()}{name[1:]}" + (f" ({rule.id})" if rule.id != name else "")
    return Panel(title, unit(rule), points, limit, rule.below is not None, breached)


def _rules(rules: Sequence[Rule], watching: Watching) -> str:
    rows = []
    for rule in rules:
        record = watching.rules.get(rule.id, RuleRecord(rule.id))
        name = "breach" if record.breached else "pending" if record.pending else record.state
        reason = record.breached or record.reason
        rows.append((code(rule.id), rule.purpose, state(name), cell(reason, 48), f"{record.judged} of {record.asked}"))
    return table(["Rule", "On a breach", "Verdict", "Evidence", "Judged"], rows)


def _probes(probes: Sequence[ProbeRecord]) -> str:
    rows = [
        (code(one.probe), state(one.state) if one.state else "never asked", cell(one.reason, 48),
         f"{one.asked:,}", f"{one.failed:,}", f"{one.blind:,}")
        for one in probes
    ]  # fmt: skip
    return table(["Probe", "Now", "Last answer", "Asked", "Failed", "Blind"], rows)
