"""The gate `backup`: the last proven one is young enough."""

from __future__ import annotations

from runwright.gates.shape import Asking
from runwright.policy.gates import GateResult, GateState, ask
from runwright.runbook.base import as_duration
from runwright.runbook.gates import Gate


def answer(asking: Asking, gate: Gate) -> GateResult:
    """Return what the gate says."""

    def question() -> tuple[GateState, str]:
        assert gate.backup is not None
        taken, limit = asking.proven_backup(), as_duration(gate.backup.at_most)
        if taken is None:
            return GateState.FAIL, f"There is no proven backup; one of the last {limit} is asked for."
        age = (asking.now - taken).total_seconds()
        state = GateState.PASS if age <= gate.backup.at_most else GateState.FAIL
        return state, f"The last proven backup is {as_duration(round(age))} old; at most {limit} are asked for."

    return ask(gate.id, asking.now, question)
