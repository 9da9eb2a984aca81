"""Paths and matchers, as tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from runwright.probes.matchers import find, mismatch

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BODY = {
    "status": "healthy",
    "ok": True,
    "count": 1,
    "none": None,
    "checks": [{"name": "db", "ok": True}, {"name": "jobs", "ok": False}],
    "database": {"status": "connected", "latency_ms": 12.5},
    "a.b": {"c": "dotted"},
    "beat": "2026-03-01T11:58:00Z",
    "token": "aa.bb.cc",
    "empty": [],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("status", [("status", "healthy")]),
        ("database.status", [("database.status", "connected")]),
        ("checks[1].ok", [("checks[1].ok", False)]),
        ("checks[*].name", [("checks[0].name", "db"), ("checks[1].name", "jobs")]),
        ('["a.b"].c', [("a.b.c", "dotted")]),
        ("$", [("", BODY)]),
        ("$.ok", [("ok", True)]),
        ("checks[name=jobs].ok", [("checks[1].ok", False)]),
        ("checks[name=cache].ok", []),
        ("checks[7].ok", []),
        ("status.deeper", []),
        ("none.deeper", []),
        ("empty[*]", []),
    ],
)
def test_a_path_leads_to_what_is_there(path: str, found: list[tuple[str, object]]) -> None:
    """A path leads to every value that it names, each with its exact location; to nothing if it is not there."""
    assert find(BODY, path) == found


def test_a_list_may_be_the_whole_answer() -> None:
    """An answer that is a list is reached by a path that begins with a bracket."""
    assert find([{"x": 1}, {"x": 2}], "[*].x") == [("[0].x", 1), ("[1].x", 2)]


@pytest.mark.parametrize(
    ("path", "matcher"),
    [
        ("status", "healthy"),
        ("ok", True),
        ("count", 1),
        ("count", 1.0),
        ("none", None),
        ("status", {"in": ["healthy", "alive"]}),
        ("count", {"gt": 0, "lt": 2}),
        ("database.latency_ms", {"lt": 13}),
        ("none", {"exists": True}),
        ("missing", {"exists": False}),
        ("status", {"exists": True, "matches": "^heal"}),
        ("token", {"matches": r"^[^.]+\.[^.]+\.[^.]+$"}),
        ("checks[*].name", "jobs"),
        ("checks[*].name", {"all": {"in": ["db", "jobs"]}}),
        ("beat", {"age_lt": "3m"}),
        ("empty", []),
        ("database", {"status": "connected", "latency_ms": 12.5}),
    ],
)
def test_what_is_right_matches(path: str, matcher: object) -> None:
    """A right answer has no mismatch."""
    assert mismatch(BODY, path, matcher, NOW) is None


@pytest.mark.parametrize(
    ("path", "matcher", "why"),
    [
        ("status", "alive", 'status is "healthy", expected "alive"'),
        ("ok", 1, "ok is true, expected 1"),
        ("count", True, "count is 1, expected true"),
        ("missing", True, "missing is missing, expected true"),
        ("missing", None, "missing is missing, expected null"),
        ("missing", {"lt": 3}, "missing is missing, expected below 3"),
        ("missing", {"exists": True}, "missing is missing, expected it"),
        ("status", {"exists": False}, "status is there, expected none"),
        ("checks[1].ok", True, "checks[1].ok is false, expected true"),
        ("checks[*].ok", {"all": True}, "checks[1].ok is false, expected true"),
        ("empty[*].ok", {"all": True}, "empty[*].ok is missing, expected all of them true"),
        ("checks[*].name", "redis", 'none of the 2 values at checks[*].name is "redis"'),
        ("ok", {"gt": 0}, "ok is true, expected above 0"),
        ("status", {"lt": 5}, 'status is "healthy", expected below 5'),
        ("count", {"gt": 1}, "count is 1, expected above 1"),
        ("count", {"matches": "1"}, 'count is 1, expected text like "1"'),
        ("beat", {"age_lt": "2m"}, 'beat is "2026-03-01T11:58:00Z", expected a time within the last 2m'),
        ("status", {"age_lt": "2m"}, 'status is "healthy", expected a time within the last 2m'),
        ("status", {"in": ["a", 1]}, 'status is "healthy", expected one of "a", 1'),
        ("count", {"lt": 5, "gte": 1}, 'count is 1, expected {"lt": 5, "gte": 1}'),
    ],
)
def test_what_is_wrong_says_what_it_is_and_what_it_should_be(path: str, matcher: object, why: str) -> None:
    """A mismatch names the location, the value and what was expected. A misspelled matcher never matches."""
    assert mismatch(BODY, path, matcher, NOW) == why


@pytest.mark.parametrize(
    ("age_seconds", "right"), [(0, True), (179, True), (180, False), (-30, True), (-61, False), (-86400, False)]
)
@pytest.mark.parametrize("form", ["iso", "naive", "epoch"])
def test_a_time_is_young_if_it_is_within_the_limit_and_not_in_the_future(
    age_seconds: int, right: bool, form: str
) -> None:
    """ISO times with and without a zone and seconds since 1970 all count; the future counts only within clock skew."""
    then = NOW - timedelta(seconds=age_seconds)
    value = {"iso": then.isoformat(), "naive": then.replace(tzinfo=None).isoformat(), "epoch": then.timestamp()}[form]
    assert (mismatch({"t": value}, "t", {"age_lt": "3m"}, NOW) is None) is right


@pytest.mark.parametrize(("path", "matcher"), [("a[", 1), ("a[x]", 1), ("status", {"matches": "("}), ("$$[", 1)])
def test_a_mistake_in_the_runbook_never_matches(path: str, matcher: object) -> None:
    """A path or an expression that cannot be understood is a mismatch that says so, not an error."""
    assert mismatch({"status": "x", "a": [1]}, path, matcher, NOW)


def test_a_long_value_is_shown_short() -> None:
    """A reason is one line, however long the value is."""
    why = mismatch({"x": "y" * 10_000}, "x", "z", NOW)
    assert why is not None and len(why) < 120
