"""The probe `sql`: a query of the environment's database that only reads; its rows are a JSON list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runwright.engine.actions import Action
from runwright.probes.shape import Answer, Asked, Told


def question(asked: Asked, judge: Callable[[Answer], dict[str, Any]]) -> Action[dict[str, Any]]:
    """Return the query. Raise ActionError if the environment has no database that can be asked."""
    assert asked.probe.sql is not None
    return asked.world.query(
        asked.probe.sql,
        asked.probe.timeout,
        f"ask {asked.probe.id}: {asked.probe.what}",
        lambda told: judge(answer(told)),
    )


def answer(told: Told) -> Answer:
    """Return the rows as JSON, or what the database has said against the query."""
    wrong = (f"the database refused it: {told.refused}",) if told.refused else ()
    return Answer(told.rows, told.seconds, wrong=wrong)
