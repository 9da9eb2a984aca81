"""Charts: small, self-contained, whatever was measured, and nothing of importance is thinned out."""

from __future__ import annotations

import base64
import math
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runwright.policy.rules import Sample
from runwright.reports.charts import MAX_PANELS, MAX_POINTS, Panel, data_uri, svg, thinned
from runwright.reports.watch import panel
from runwright.runbook.checks import Rule
from tests.fixtures.properties import examples

LIMIT_BYTES = 60_000


def words(image: bytes) -> str:
    return " ".join("".join(node.itertext()) for node in ET.fromstring(image).iter("{http://www.w3.org/2000/svg}text"))


def wave(count: int, base: float = 0.01) -> list[tuple[float, float | None]]:
    return [(i * 1800 / count, base * (1.5 + math.sin(i))) for i in range(count)]


def test_a_chart_says_what_it_shows_in_which_units() -> None:
    """Title, axes with units, and the limit with its unit are text in the image."""
    image = svg(
        [Panel("Error ratio", "ratio", wave(60), 0.05), Panel("p95", "seconds", wave(60, 0.2), 0.5)], until_seconds=1800
    )
    found = words(image)
    for wanted in ("Error ratio", "limit 5 %", "limit 500 ms", "minutes since the switch", "%", "ms", "30"):
        assert wanted in found


def test_the_largest_chart_is_small() -> None:
    """As many panels as there can be, with a whole night of samples each, stay under 60 kB as an image."""
    panels = [Panel(f"Rule {i}", "ratio", wave(5000), 0.02, breached=[(100, 500)]) for i in range(MAX_PANELS + 3)]
    assert len(data_uri(panels, until_seconds=1800)) < LIMIT_BYTES


def test_a_data_uri_is_a_whole_image() -> None:
    """It is SVG, has no scripts, and loads nothing from anywhere."""
    uri = data_uri([Panel("Error <ratio> & more", "ratio", wave(10), 0.05)])
    head, _, content = uri.partition(",")
    image = base64.b64decode(content).decode()
    assert head == "data:image/svg+xml;base64"
    assert "<script" not in image and "Error <ratio> & more" in words(image.encode())
    assert 'href="http' not in image.replace('href="http://www.w3.org', "")


def test_numbers_that_people_read_are_not_shortened() -> None:
    """Only coordinates are rounded to save bytes; a limit is shown as it is."""
    assert "limit 0.01234" in words(svg([Panel("pool 0.98765", "", wave(10), 0.01234)]))
    assert "pool 0.98765" in words(svg([Panel("pool 0.98765", "", wave(10), 0.01234)]))


def test_the_same_samples_are_the_same_image() -> None:
    """Nothing in it depends on when it was drawn."""
    one = [Panel("x", "ratio", wave(20), 0.05)]
    assert svg(one) == svg(one)


@pytest.mark.parametrize(
    "points",
    [[], [(0.0, None)], [(0.0, 1.0)], [(0.0, 0.0), (30.0, 0.0)], [(0.0, math.inf), (30.0, 1e12)], [(5.0, -3.0)]],
)
@pytest.mark.parametrize("unit", ["ratio", "seconds", "per second", "percent", "failures", ""])
def test_whatever_was_measured_can_be_drawn(points: list[tuple[float, float | None]], unit: str) -> None:
    """Nothing, one point, gaps, zeros, huge and negative values."""
    assert ET.fromstring(svg([Panel("x", unit, points, 0.5)]))


points_of = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=2000).map(
    lambda values: [(30.0 * i, value) for i, value in enumerate(values)]
)


@settings(max_examples=examples(50))
@given(points_of)
def test_thinning_keeps_the_extremes_and_the_order(points: list[tuple[float, float | None]]) -> None:
    """A spike is never thinned out, points stay in order, and there are never too many."""
    kept = thinned(points)
    assert len(kept) <= max(MAX_POINTS, 0) + 2
    assert [at for at, _ in kept] == sorted(at for at, _ in kept)
    assert set(kept) <= set(points)
    known = [value for _, value in points if value is not None]
    if known:
        left = [value for _, value in kept if value is not None]
        assert (min(left), max(left)) == (min(known), max(known))


def test_a_panel_is_made_of_a_rule_and_its_samples() -> None:
    """Its name, unit and limit are the rule's; unknown samples are gaps."""
    start = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    rule = Rule.model_validate({"id": "errors", "measure": "error_ratio", "above": 0.05})
    samples = [Sample(start, 0.01), Sample(start + timedelta(seconds=30), None, None, "blind")]
    found = panel(rule, samples, start.timestamp())
    assert (found.title, found.unit, found.limit) == ("Error ratio (errors)", "ratio", 0.05)
    assert found.points == [(0.0, 0.01), (30.0, None)]
