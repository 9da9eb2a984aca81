"""A decision about the way back, with the evidence that it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from runwright.reports.markdown import block, bullets, cell, code, facts, parts, table, text, when
from runwright.reports.plan import LEVELS

Decided = Literal["put_back", "stop_new", "watch_on", "abandon", "freeze", "nothing"]
DECIDED = {
    "put_back": "↩️ **Put back**",
    "stop_new": "⏹️ **Stop the new version**",
    "watch_on": "👁 **Watch on**",
    "abandon": "✅ **Abandon**: nothing was changed",
    "freeze": "🧊 **Frozen**: a person must decide",
    "nothing": "✅ **Nothing to do**",
}


@dataclass(frozen=True)
class Evidence:
    """One thing that was seen: when, by what, and what it was."""

    at: datetime
    source: str
    what: str


@dataclass(frozen=True)
class Written:
    """Rows that were written since the release and that a restored backup would not have; None if it is not known."""

    table: str
    rows: int | None


@dataclass(frozen=True)
class Rollback:
    """All that a decision about the way back shows. done: what was done so far, as sentences. next: what a person does,
    as commands where there are any."""

    release: str
    failed: str
    back_to: str
    decided: Decided
    why: str
    level: str
    evidence: Sequence[Evidence] = ()
    done: Sequence[str] = ()
    written: Sequence[Written] = ()
    next: Sequence[str] = ()


def rollback(given: Rollback) -> str:
    """Return the decision as Markdown: what was decided and why, the evidence, what was done, and what comes next."""
    lines = [
        ("Release", code(given.release)),
        ("Failed version", text(given.failed)),
        ("Way back to", text(given.back_to or "nothing: there was no version before")),
        ("Level", f"**{text(given.level)}** {LEVELS.get(given.level, '')}"),
    ]
    seen = [(when(one.at), cell(one.source, 20), cell(one.what, 44)) for one in given.evidence]
    rows = [(code(one.table), "unknown" if one.rows is None else f"{one.rows:,}") for one in given.written]
    return parts(
        f"# Way back of {text(given.release)}",
        f"{DECIDED[given.decided]}: {text(given.why)}",
        facts(lines),
        "## Evidence\n\n" + table(["When", "Source", "What was seen"], seen) if seen else "",
        "## Written since the release\n\nA restored backup would not have these rows.\n\n" + table(["Table", "Rows"], rows)
        if rows
        else "",
        "## What was done\n\n" + "\n".join(f"{i}. {text(one)}" for i, one in enumerate(given.done, 1)) if given.done else "",
        "## What to do now\n\n" + _next(given.next) if given.next else "",
    )  # fmt: skip


def _next(steps: Sequence[str]) -> str:
    """Commands, which begin with "$ ", as blocks to copy; the rest as sentences."""
    return "\n\n".join(block(one[2:], "sh") if one.startswith("$ ") else bullets([text(one)]) for one in steps)
