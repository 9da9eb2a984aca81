"""The gate `database`: it answers, its revision is a known one, and nothing in its schema is unfinished."""

from __future__ import annotations

from runwright.gates.shape import Asking
from runwright.policy.gates import GateResult, ask
from runwright.runbook.gates import Gate


def answer(asking: Asking, gate: Gate) -> GateResult:
    """Return what the gate says."""
    return ask(gate.id, asking.now, asking.database)
