"""Whatever a server or a program answers, it is read, or it is blind: nothing else happens. `make fuzz` looks longer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fixtures.properties import examples
from tests.fuzz.__main__ import NAMES as FUZZED
from tests.fuzz.seeds import NUMBERS, PAGES, SEEDS
from tests.fuzz.targets import TARGETS

odd: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(NUMBERS)
)
NAMES = ("data", "result", "value", "status", "metric", "total_count", "check_runs", "statuses", "name", "Server", "Client",
         "Version", "x", "CPUPerc", "MemPerc", "Name")  # fmt: skip
trees = st.recursive(
    odd,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=10,
)
answers = st.dictionaries(
    st.just("data"),
    st.fixed_dictionaries(
        {"result": st.lists(st.fixed_dictionaries({"value": st.tuples(odd, odd)}), max_size=2) | odd}
    ),
    min_size=1,
)
texts = st.lists(st.sampled_from([line for page in PAGES for line in page.decode().split("\n")]), max_size=12).map(
    "\n".join
)
given_bytes = st.one_of(
    (trees | answers).map(json.dumps).map(str.encode), texts.map(str.encode), st.text(max_size=40).map(str.encode), st.binary(max_size=60)
)  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
@given(data=given_bytes)
def test_whatever_is_answered_nothing_unexpected_happens(target: str, data: bytes) -> None:
    """JSON of any shape, pages with lines left out, text, and bytes that are none."""
    TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_what_has_gone_wrong_elsewhere_goes_well_here(target: str) -> None:
    """Depth, size, `le="abc"`, ratios below zero, `true`, infinity, redirects, HTML, control characters."""
    for seed in SEEDS:
        TARGETS[target](seed)


def test_every_parser_is_looked_at_for_longer_too() -> None:
    """`make fuzz` names its targets before it imports them, for Atheris to see the import."""
    assert set(FUZZED) == set(TARGETS)
