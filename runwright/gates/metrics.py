"""The gate `metrics`: what measures the system answers, and its newest sample is fresh."""

from __future__ import annotations

from runwright.gates.shape import Asking
from runwright.policy.gates import GateResult, GateState, ask
from runwright.runbook.gates import Gate


def answer(asking: Asking, gate: Gate) -> GateResult:
    """Return what the gate says."""

    def question() -> tuple[GateState, str]:
        source = asking.metrics()
        if source is None:
            return GateState.FAIL, "The environment has no source of metrics."
        fresh = source.fresh(asking.do)
        if fresh.state == "ok" and fresh.value is not None:
            limit = 4 * asking.book.watch.every
            state = GateState.PASS if fresh.value <= limit else GateState.FAIL
            return state, f"The newest sample is {fresh.value:.0f} s old; at most {limit:g} s are right."
        if fresh.state == "no_data" and not asking.platform.observe(asking.do).running:
            return GateState.PASS, "Nothing runs yet, so there is nothing to measure: this is the first release."
        if frozen := asking.frozen():
            return GateState.WARN, f"As was to be expected, since {frozen} is frozen: {fresh.reason}"
        return (GateState.BLIND if fresh.state == "blind" else GateState.FAIL), fresh.reason

    return ask(gate.id, asking.now, question)
