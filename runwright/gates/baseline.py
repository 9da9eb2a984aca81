"""The gate `baseline`: what runs now is healthy, so that a failure afterwards means something."""

from __future__ import annotations

from datetime import UTC, datetime

from runwright.gates.shape import Asking
from runwright.policy.gates import GateResult, GateState, ask
from runwright.probes.asking import ask as ask_probe
from runwright.runbook.gates import Gate


def answer(asking: Asking, gate: Gate) -> GateResult:
    """Return what the gate says."""

    def question() -> tuple[GateState, str]:
        seen = asking.platform.observe(asking.do)
        still = sorted({f.service for f in seen.services} - {f.service for f in seen.running})
        if not seen.running:
            if asking.released():
                return (
                    GateState.WARN,
                    "Nothing runs, although a version was released here: it was stopped, or it ended.",
                )
            if still:
                return GateState.WARN, f"Nothing runs ({', '.join(still)} ended or keeps being restarted): no way back."
            if others := asking.platform.others(asking.do):
                running = f"of its project there runs {', '.join(others)}"
                return (
                    GateState.PASS,
                    f"None of the services of this runbook runs yet ({running}): this is its first release.",
                )
            return GateState.PASS, "Nothing runs yet: this is the first release."
        health = [p for p in asking.book.verify.health if p in asking.book.probes_of(asking.environment)]
        results = [
            ask_probe(asking.do, p, asking.probing(), lambda: datetime.now(UTC), world=asking.world())
            for p in health
            if not p.changes
        ]
        if not results:
            return GateState.BLIND, "The runbook has no health probe to judge by."
        wrong = [f"{r.id}: {r.reason}" for r in results if not r.good]
        may_warn = {p.id for p in health if p.schema_ahead == "warn"}
        excused = {r.id for r in results if r.answered} & may_warn
        if wrong and excused.issuperset(r.id for r in results if not r.good) and asking.ahead():
            said = "the database is ahead of what runs, since a release was taken back"
            return GateState.WARN, f"As expected, {said}: {'; '.join(wrong)}"
        if wrong and (frozen := asking.frozen()):
            return GateState.WARN, f"As was to be expected, since {frozen} is frozen: {'; '.join(wrong)}"
        if wrong:
            return (
                GateState.FAIL,
                f"What runs now is not healthy, so a failure afterwards would prove nothing: {'; '.join(wrong)}",
            )
        healthy = f"What runs now is healthy: {', '.join(r.id for r in results)}."
        if still and not asking.beside():  # else one colour does not run, as it should be
            return (
                GateState.WARN,
                f"{healthy} But not everything runs: {', '.join(still)}. A way back would stop what did not.",
            )
        return GateState.PASS, healthy

    return ask(gate.id, asking.now, question)
