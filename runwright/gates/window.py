"""The gate `window`: now is a time for releases."""

from __future__ import annotations

from runwright.gates.shape import Asking
from runwright.policy.gates import GateResult, GateState
from runwright.policy.windows import open_now
from runwright.runbook.gates import Gate


def answer(asking: Asking, gate: Gate) -> GateResult:
    """Return what the gate says."""
    assert gate.window is not None
    found = open_now(gate.window, asking.now)
    return GateResult(gate.id, GateState.PASS if found.open else GateState.FAIL, found.reason, asking.now)
