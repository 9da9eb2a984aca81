"""How often each environment has to be drilled, without reading a thousand runbooks of which few ask for drills."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from runwright.errors import RunwrightError

if TYPE_CHECKING:
    from deployments.cli.places import Place
    from runwright.ledger import Release
    from runwright.runbook.model import Runbook

_KEY = "drill"


class RequiredDrills:
    """What the runbooks ask for: as they are now or, where one cannot be read here, as it was at the last release."""

    def __init__(self) -> None:
        self._read: dict[str, Runbook | None] = {}

    def every(self, place: Place, live: Release | None) -> float | None:
        """Return how old the last good drill there may be, in seconds; None where the runbook asks for none."""
        try:
            book = self._now(place.system)
        except (RunwrightError, OSError, KeyError):
            book = _then(live)
        if book is None or book.drill is None or place.environment not in book.drilled():
            return None
        return book.drill.every

    @cached_property
    def _files(self) -> dict[str, Path]:
        from runwright.runbook.finding import find

        try:
            return find()
        except RunwrightError:
            return {}

    def _now(self, system: str) -> Runbook | None:
        if system not in self._read:
            file = self._files[system]
            self._read[system] = _loaded(file) if _KEY.encode() in file.read_bytes() else None
        return self._read[system]


def _loaded(file: Path) -> Runbook:
    from runwright.runbook.loader import load

    return load(file).runbook


def _then(live: Release | None) -> Runbook | None:
    if live is None or not live.runbook.get(_KEY):
        return None
    from runwright.runbook.snapshot import from_json

    try:
        return from_json(live.runbook)
    except RunwrightError:
        return None
