"""The gate `disk`: there is room on a disk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from runwright.engine.actions import Do, Read
from runwright.engine.there.paths import Path
from runwright.errors import ObservationError
from runwright.gates.shape import Asking
from runwright.policy.gates import Answer, GateResult, GateState, ask
from runwright.runbook.gates import DiskFree, Gate

GIGABYTE: Final = 10**9


def disk_free(do: Do, gate_id: str, spec: DiskFree, *, now: datetime) -> GateResult:
    """Return whether the disk that holds ``spec.path`` has ``spec.gigabytes`` (10^9 bytes) free for us.

    A folder that is not there yet is judged by the one that it will be made in.
    """

    def question() -> Answer:
        place, free = do(Read(says=f"look at how much is free on the disk of {spec.path}", function=_free(spec.path)))
        where = spec.path if str(place) == spec.path else f"{spec.path} (not there yet; it will be in {place})"
        gigabytes = free / GIGABYTE
        if gigabytes < spec.gigabytes:
            return GateState.FAIL, f"{gigabytes:.1f} GB are free on the disk of {where}, fewer than {spec.gigabytes:g}."
        return GateState.PASS, f"{gigabytes:.1f} GB are free on the disk of {where}, at least {spec.gigabytes:g}."

    return ask(gate_id, now, question)


def _free(path: str) -> Callable[[], tuple[Path, int]]:
    def read() -> tuple[Path, int]:
        place = Path(path)
        try:
            while not place.exists() and place != place.parent:
                place = place.parent
            return place, place.free_bytes()
        except OSError as error:
            raise ObservationError(
                f"The disk of {path} cannot be looked at: {error.strerror}.",
                next="Name a folder on the same disk that the user that runs Runwright may see.",
            ) from error

    return read


def answer(asking: Asking, gate: Gate) -> GateResult:
    """Return what the gate says."""
    assert gate.disk is not None
    return disk_free(asking.do, gate.id, gate.disk, now=asking.now)
