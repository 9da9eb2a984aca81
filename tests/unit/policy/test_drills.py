"""Drills as values: whose turn it is, how one reads, when the next is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from runwright.policy.drilling import whose_turn
from runwright.policy.drills import Drill, DrillOutcome, due

NOW = datetime(2026, 11, 21, 7, 5, tzinfo=UTC)
DAY = 86400.0


def drill(
    by: str = "kill", outcome: str = "came_back", days_ago: float = 1.0, back_after: float | None = 14.0
) -> Drill:
    broken = NOW - timedelta(days=days_ago)
    back = None if back_after is None else broken + timedelta(seconds=back_after)
    noticed = broken + timedelta(seconds=6) if outcome == "came_back" else None
    return Drill("r1", "shop", "staging", by, broken, noticed, "down: 3 failures", back, outcome)


@pytest.mark.parametrize(
    ("allowed", "done", "wanted"),
    [
        ((), [], "kill"),
        ((), ["kill"], "errors"),
        ((), ["errors", "kill"], "latency"),
        ((), ["latency", "errors", "kill"], "kill"),
        ((), ["kill", "kill", "latency", "errors"], "errors"),
        (("latency", "errors"), ["kill"], "latency"),
        (("latency", "errors"), ["latency", "errors"], "errors"),
    ],
)
def test_the_way_that_was_not_tried_for_longest_is_next(allowed: tuple[str, ...], done: list[str], wanted: str) -> None:
    """Newest first; ways that the runbook does not allow are passed over."""
    assert whose_turn(allowed, [drill(by) for by in done]) == wanted  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("drills", "overdue", "newest"),
    [
        ([], True, ""),
        ([drill(days_ago=29)], False, "broken by kill, back after 14 s"),
        ([drill(days_ago=30)], True, "broken by kill, back after 14 s"),
        (
            [drill("errors", "unnoticed", 1), drill(days_ago=2)],
            False,
            "broken by errors, and the watch did not notice",
        ),
        (
            [drill("errors", "not_back", 1, None), drill(days_ago=40)],
            True,
            "broken by errors, and it did not come back by itself",
        ),
        (
            [drill("errors", "interrupted", 1)],
            True,
            "broken by errors, and put back before the watch had noticed",
        ),
    ],
)
def test_only_a_drill_that_came_back_puts_off_the_next(drills: list[Drill], overdue: bool, newest: str) -> None:
    """One that failed is shown, and counts for nothing."""
    found = due(drills, 30 * DAY, NOW)
    assert found.overdue is overdue
    assert (found.since is None) == (not any(drill.came_back for drill in drills))
    assert [str(drill) for drill in drills[:1]] == ([newest] if newest else [])


def test_how_long_it_took_counts_from_when_it_was_broken() -> None:
    """Until the watch noticed, and until users were served again; nothing of what did not happen."""
    good = drill()
    assert (good.seconds_until_noticed, good.seconds_until_back) == (6.0, 14.0)
    bad = drill(outcome=DrillOutcome.NOT_BACK, back_after=None)
    assert (bad.seconds_until_noticed, bad.seconds_until_back) == (None, None)
