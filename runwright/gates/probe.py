"""The gate `probe`: a probe of the runbook is right of what runs now."""

from __future__ import annotations

from datetime import UTC, datetime

from runwright.gates.shape import Asking
from runwright.policy.gates import Answer, GateResult, GateState, ask
from runwright.probes.asking import ask as ask_probe
from runwright.runbook.gates import Gate

STATES = {"pass": GateState.PASS, "warn": GateState.WARN, "fail": GateState.FAIL, "blind": GateState.BLIND}


def answer(asking: Asking, gate: Gate) -> GateResult:
    """Return what the gate says. Before a first release nothing can be asked, and that is told."""

    def question() -> Answer:
        probe = next((p for p in asking.book.probes_of(asking.environment) if p.id == gate.probe), None)
        if probe is None:
            return GateState.BLIND, f"There is no probe {gate.probe} in {asking.environment}."
        if not asking.platform.observe(asking.do).running and not asking.released():
            return GateState.WARN, f"Nothing runs yet that {probe.id} could be asked of."
        found = ask_probe(asking.do, probe, asking.probing(), lambda: datetime.now(UTC), world=asking.world())
        return STATES[found.state], f"{probe.id}: {found.reason}"

    return ask(gate.id, asking.now, question)
