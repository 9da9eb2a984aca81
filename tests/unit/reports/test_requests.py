"""The requests by version over time: what was counted becomes rates, a picture with its phases, and a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from runwright.reports.requests import Look, Phase, Requests, png, rates, requests, svg

BEGIN = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def looks(*counted: tuple[float, float, float]) -> list[Look]:
    """Return looks of (seconds, requests, failed)."""
    return [Look(at(seconds), requests, errors) for seconds, requests, errors in counted]


def canary() -> Requests:
    """A canary of two shares that goes wrong: it gets a tenth, then half of 30 requests a second, and then none."""
    old = new = failed = 0.0
    olds, news = [], []
    for second in range(0, 125, 5):
        share = 0.0 if second <= 20 else 0.1 if second <= 60 else 0.5 if second <= 90 else 0.0
        old, new = old + 150 * (1 - share), new + 150 * share
        failed += 20 if share == 0.5 else 0
        olds.append((float(second), old, 0.0))
        news.append((float(second), new, failed))
    names = {5: "migrate", 10: "stage", 20: "10 %", 60: "50 %", 88: "breach", 89: "back", 91: "is back"}
    return Requests(("v2", looks(*news)), ("v1", looks(*olds)), [Phase(at(s), n) for s, n in names.items()])


@pytest.mark.parametrize(
    ("counted", "found"),
    [
        ([], []),
        ([(0, 100, 0)], []),
        ([(0, 100, 0), (2, 160, 4)], [(30, 2)]),
        ([(0, 100, 0), (2, 40, 2)], [(20, 1)]),
        ([(0, 100, 0), (0, 100, 0), (4, 100, 0)], [(0, 0)]),
    ],
)
def test_a_rate_is_what_came_between_two_looks(
    counted: list[tuple[float, float, float]], found: list[tuple[float, float]]
) -> None:
    """Of a router that was started anew in between, what it has counted since."""
    assert [(one.requests, one.errors) for one in rates(looks(*counted))] == found


def test_the_picture_names_versions_and_phases_and_the_failures() -> None:
    """As text, so that it can be searched; small enough for an artifact."""
    drawn = svg(canary()).decode()
    for word in ("v1", "v2", "failed requests", "migrate", "stage", "10 %", "50 %", "back", "requests / s"):
        assert f">{word}</text>" in drawn, word
    assert len(drawn) < 60_000
    assert png(canary())[:4] == b"\x89PNG"


def test_the_table_counts_what_each_version_got_in_each_phase() -> None:
    """Whoever cannot see the picture has the numbers: at half, both got the same."""
    page = requests("Requests: shop v2 to staging", canary())
    assert "data:image/svg+xml;base64," in page
    (half,) = [line for line in page.splitlines() if "50 %" in line]
    _, begin, _, old, new, failed, _ = (cell.strip() for cell in half.split("|"))
    assert (begin, old, new) == ("12:01:00", "420", "420") and int(failed) > 80
    (stage,) = [line for line in page.splitlines() if "| stage " in line]
    assert [cell.strip() for cell in stage.split("|")][3:6] == ["300", "0", "0"]


def test_a_version_that_was_never_counted_is_drawn_as_nothing() -> None:
    """A first release has no version before it."""
    only = Requests(("v1", looks((0, 0, 0), (10, 50, 0))), ("the version before", []), [Phase(at(0), "switch")])
    assert b">v1</text>" in svg(only)
    assert "| switch | 0 | 50 | 0 |" in requests("Requests", only)
