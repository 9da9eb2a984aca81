"""What probes of a release can ask of a system besides its addresses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from runwright.databases.shape import Database
from runwright.probes.asking import ask
from runwright.probes.values import Values
from runwright.release import inside
from runwright.release.work import Work
from runwright.runbook.probes import Probe
from runwright.testing.direct import Direct
from tests.unit.release.conftest import Opener


class Older(Database):
    """One that somebody has written before databases were asked anything."""


@pytest.mark.parametrize(
    ("database", "reason"),
    [(Older, "This kind of database cannot be asked."), (lambda: None, "This environment has no database")],
)
def test_a_database_that_cannot_be_asked_is_blind(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, database: Any, reason: str
) -> None:
    """It says nothing about the release."""
    work = opened()
    monkeypatch.setattr(Work, "database", database())
    probe = Probe.model_validate({"id": "items", "sql": "SELECT 1"})
    found = ask(Direct(), probe, Values({}), lambda: datetime.now(UTC), world=inside.world(work, ""))
    assert found.state == "blind" and found.reason.startswith(reason)
