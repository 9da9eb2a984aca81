"""The checklist before a release: every gate with its state and its evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from runwright.reports.markdown import cell, parts, state, table, text

GateState = Literal["pass", "warn", "fail", "blind", "attested", "pending"]


@dataclass(frozen=True)
class Line:
    """One gate. blocks: whether the release stops if it does not pass. evidence: what was seen, with its numbers."""

    gate: str
    asks: str
    state: GateState
    evidence: str
    blocks: bool = True


def checklist(title: str, lines: Sequence[Line]) -> str:
    """Return the checklist as Markdown, with what stops the release in the first sentence."""
    stops = [line for line in lines if line.blocks and line.state not in ("pass", "attested", "warn")]
    if not lines:
        first = "The runbook has no gates for this environment."
    elif stops:
        first = f"**The release stops:** {', '.join(text(line.gate) for line in stops)}."
    else:
        counts = Counter(line.state for line in lines)
        marks = counts["warn"] + sum(not line.blocks and line.state in ("fail", "blind", "pending") for line in lines)
        those = "The only gate lets" if len(lines) == 1 else f"All {len(lines)} gates let"
        first = f"{those} the release through" + (f", {marks} with a remark." if marks else ".")
    return parts(f"# {text(title)}", first, checklist_table(lines) if lines else "")


def checklist_table(lines: Sequence[Line]) -> str:
    """Return the gates as a table: gate (and what it asks, if that is a sentence which the evidence does not hold),
    state, evidence."""
    return table(
        ["Gate", "State", "Evidence"], [(_gate(line), _state(line), cell(line.evidence, 48)) for line in lines]
    )


def _gate(line: Line) -> str:
    told = " " not in line.asks or line.asks in line.evidence
    return text(line.gate) if told else f"{text(line.gate)}<br>{cell(line.asks, 24)}"


def _state(line: Line) -> str:
    return state(line.state) + ("" if line.blocks else "<br>(does not stop)")
