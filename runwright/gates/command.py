"""The gate `command`: whatever a command of one's own asks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from runwright.engine.actions import Command, Do
from runwright.gates.shape import Asking
from runwright.policy.gates import Answer, GateResult, GateState, ask
from runwright.runbook.gates import Gate, RunCommand

ANY_CODE: Final = frozenset(range(-64, 256))
SHOWN_CHARACTERS: Final = 200


def command_passes(
    do: Do,
    gate_id: str,
    spec: RunCommand,
    *,
    now: datetime,
    clean: Callable[[str], str],
    cwd: Path | None = None,
) -> GateResult:
    """Return whether a command exits 0 and prints what is expected. ``clean`` takes secrets out of what it printed.

    Blind if it cannot be started or takes too long.
    """

    def question() -> Answer:
        output = do(
            Command(
                says=f"run {spec.argv[0]}",
                argv=tuple(spec.argv),
                cwd=cwd,
                ok=ANY_CODE,
                deadline_seconds=spec.timeout,
                parse=lambda output: output,
            )
        )
        name = Path(spec.argv[0]).name
        if output.code != 0:
            said = _shown(clean, output.stderr.decode("utf-8", "replace") or output.text)
            return GateState.FAIL, f"{name} exited with {output.code}{f': {said}' if said else ''}."
        printed = output.text.strip()
        if spec.equals is not None and printed != spec.equals.strip():
            return (
                GateState.FAIL,
                f"{name} printed {_shown(clean, printed)!r} ({len(printed)} characters), not {spec.equals.strip()!r}.",
            )
        return GateState.PASS, f"{name} exited with 0" + (" and printed what is expected." if spec.equals else ".")

    return ask(gate_id, now, question)


def _shown(clean: Callable[[str], str], text: str) -> str:
    lines = [line.strip() for line in clean(text).splitlines() if line.strip()]
    return lines[-1][:SHOWN_CHARACTERS] if lines else ""


def answer(asking: Asking, gate: Gate) -> GateResult:
    """Return what the gate says."""
    assert gate.command is not None
    return command_passes(asking.do, gate.id, gate.command, now=asking.now, clean=asking.clean)
