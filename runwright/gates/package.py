"""The gate `package`: one that a package of somebody else's brings."""

from __future__ import annotations

from runwright import registry
from runwright.errors import ObservationError, RunwrightError
from runwright.gates.shape import Asking
from runwright.policy.gates import Answer, GateResult, ask
from runwright.runbook.gates import Gate
from runwright.runbook.packaged import settings_of


def answer(asking: Asking, gate: Gate) -> GateResult:
    """Return what the gate says. One that cannot be asked, or has a fault, is blind."""
    assert gate.package is not None
    said, room = gate.package, registry.OTHER_GATES

    def question() -> Answer:
        settings = settings_of(room, said)
        try:
            state, reason = room.call(said.kind, asking, settings)
        except RunwrightError as error:  # what it says was made by somebody who is given the secrets
            raise ObservationError(asking.clean(error.what), state=error.state, next=error.next) from None
        return state, asking.clean(reason)

    return ask(gate.id, asking.now, question)
