"""The gate `attest`: a person states something, with a name."""

from __future__ import annotations

from runwright.gates.shape import Asking
from runwright.policy.gates import GateResult, GateState, attested
from runwright.runbook.gates import Gate


def answer(asking: Asking, gate: Gate) -> GateResult:
    """Return what the gate says."""
    if asking.is_drill:
        # nobody decides for a version that serves already, and a drill that waits for a person is never done
        return GateResult(gate.id, GateState.PASS, "Not asked of a drill.", asking.now)
    return attested(gate, asking.attestations, asking.now)
