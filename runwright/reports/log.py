"""The deployment log that is kept of every deployment, filled in: who, what, when, how it was verified, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from runwright.reports.markdown import bullets, code, facts, parts, text, when

Times = Literal["start", "code", "built", "migrated", "restarted", "verified", "end"]
TIMES: Mapping[Times, str] = {
    "start": "Start time",
    "code": "Code updated",
    "built": "Images built",
    "migrated": "Migrations run",
    "restarted": "Services restarted",
    "verified": "Verification complete",
    "end": "End time",
}
CHECKS: Mapping[str, str] = {"ci": "CI passing", "backup": "Backup taken", "notified": "Team notified"}
RESULTS: Mapping[str, str] = {
    "health": "Health check",
    "readiness": "Readiness check",
    "smoke": "Smoke tests",
    "services": "Service status",
    "staying": "Services that stay",
}


@dataclass(frozen=True)
class Entry:
    """One deployment. checks: (done, evidence) by name, None where nobody knows. times: when each step was over, None
    if it did not happen. results: what each verification found; what was not asked is missing. health_log: what the healthchecks said last."""

    date: datetime
    deployer: str
    environment: str
    commit: str
    tag: str = ""
    checks: Mapping[str, tuple[bool | None, str]] = field(default_factory=dict)
    times: Mapping[Times, datetime | None] = field(default_factory=dict)
    results: Mapping[str, str] = field(default_factory=dict)
    health_log: Sequence[str] = ()
    issues: Sequence[str] = ()
    rolled_back: bool = False
    rollback_reason: str = ""


def log(entry: Entry) -> str:
    """Return the log as Markdown: the template's lines, in its order."""
    lines = [
        ("Date", when(entry.date)),
        ("Deployer", text(entry.deployer or "unknown")),
        ("Environment", text(entry.environment)),
        ("Git commit", code(entry.commit or "unknown")),
        ("Git tag", code(entry.tag) if entry.tag else "none"),
    ]
    return parts(
        "# Deployment log",
        facts(lines),
        "## Pre-deployment checks\n\n" + bullets(_check(entry, name) for name in CHECKS),
        "## Deployment steps (UTC)\n\n" + bullets(_time(entry, name) for name in TIMES),
        "## Verification results\n\n"
        + bullets(f"{label}: {text(entry.results.get(name, 'not asked'))}" for name, label in RESULTS.items()),
        "## Health log\n\n" + bullets(text(line) for line in entry.health_log) if entry.health_log else "",
        "## Issues and notes\n\n" + bullets([text(issue) for issue in entry.issues] or ["None."]),
        "## Rollback\n\n" + bullets(_rollback(entry)),
    )


def _check(entry: Entry, name: str) -> str:
    done, evidence = entry.checks.get(name, (None, "not asked"))
    mark = "[x]" if done else "[ ]"
    missing = "" if done else " **no**" if done is False else " unknown"
    return f"{mark} {CHECKS[name]}:{missing} {text(evidence)}".rstrip(": ")


def _time(entry: Entry, name: Times) -> str:
    moment = entry.times.get(name)
    if moment is None:
        return f"{TIMES[name]}: not done"
    utc = moment.astimezone(UTC)
    other_day = f"{utc:%Y-%m-%d} " if utc.date() != entry.date.astimezone(UTC).date() else ""
    return f"{TIMES[name]}: {other_day}{utc:%H:%M:%S}"


def _rollback(entry: Entry) -> list[str]:
    reason = text(entry.rollback_reason) if entry.rollback_reason else "none"
    return [f"Required: {'YES' if entry.rolled_back else 'NO'}", f"Reason: {reason}"]
