"""The probe `command`: a program of one's own, here or inside of a service; what it prints is the answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from runwright.engine.actions import Action, Command, Output
from runwright.engine.visible import visible
from runwright.errors import ObservationError
from runwright.probes.shape import ANY_CODE, PLANNED_FACT, Answer, Asked

CANNOT_TELL: Final = 75
"""EX_TEMPFAIL of sysexits.h: the program could not find out, which says nothing of the system."""
NOT_RUN: Final = frozenset({125, 126, 127})
"""What `docker exec`, and a shell, exit with if there is no such program, or no such place."""
SHOWN_CHARACTERS: Final = 200


def question(asked: Asked, judge: Callable[[Answer], dict[str, Any]]) -> Action[dict[str, Any]]:
    """Return the run of the program. Raise InputError if a variable is not set, ActionError if there is no way in."""
    probe, program = asked.probe, asked.probe.command
    assert program is not None
    into = asked.world.entering(probe.inside) if probe.inside is not None else ()
    return Command(
        says=f"ask {probe.id}: {probe.what}",
        argv=(*into, *program.argv),
        env={name: asked.values.fill(value) for name, value in program.env.items()},
        cwd=Path("/") if into else None,
        ok=ANY_CODE,
        parse=lambda output: judge(answer(output)),
        deadline_seconds=probe.timeout,
        assume=PLANNED_FACT,
    )


def answer(output: Output) -> Answer:
    """Return what a program has printed, and what is wrong if it exits with something. Raise ObservationError if it did not
    run, or says that it could not tell."""
    if output.code == CANNOT_TELL or output.code in NOT_RUN:
        why = "it says that it could not tell" if output.code == CANNOT_TELL else "it could not be run"
        raise ObservationError(f"{why} (exit code {output.code}){_last(output)}", state="Nothing was decided from it.")
    ended = f"killed by signal {-output.code}" if output.code < 0 else f"exit code {output.code}"
    return Answer(output.stdout, output.seconds, wrong=(f"{ended}{_last(output)}",) if output.code else ())


def _last(output: Output) -> str:
    printed = (output.stderr.strip() or output.stdout.strip())[-4 * SHOWN_CHARACTERS :].decode("utf-8", "replace")
    lines = printed.splitlines()
    return f": {visible(lines[-1])[:SHOWN_CHARACTERS]}" if lines else ""
