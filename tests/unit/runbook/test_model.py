"""What a loaded runbook answers, and how the ledger keeps it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from runwright.errors import InputError, RunbookError
from runwright.runbook.base import as_duration, seconds
from runwright.runbook.checks import Rule
from runwright.runbook.environment import Environment
from runwright.runbook.finding import SHIPPED
from runwright.runbook.loader import load
from runwright.runbook.model import environment
from runwright.runbook.snapshot import from_json, to_json
from tests.unit.runbook.files import RIGHT, wrong

TARGET = {"platform": "compose", "project": "shop", "directory": "/opt/shop"}


@pytest.fixture
def book(tmp_path):
    file = tmp_path / "shop.yaml"
    file.write_text(RIGHT)
    return load(file).runbook


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_runbook_kept_as_json_is_read_back_exactly(file):
    """Through JSON text and back nothing changes: durations, aliases, nothing given, the order of services."""
    runbook = load(file).runbook
    again = from_json(json.loads(json.dumps(to_json(runbook))))
    assert again == runbook
    assert list(again.services()) == list(runbook.services())
    assert to_json(again) == to_json(runbook)


def test_a_kept_runbook_holds_every_default(book):
    """A later version's defaults do not change what was agreed for a release."""
    kept = to_json(book)
    assert kept["rollback"] == {"hold": "1d", "target": "5m"}
    assert kept["watch"]["rules"][1]["for"] == "2m"
    assert kept["environments"]["production"]["refs"] == "tag:*"


def test_a_runbook_of_another_version_is_refused(book):
    """A key that this version does not know is no reason to guess."""
    with pytest.raises(RunbookError, match="does not fit this version"):
        from_json({**to_json(book), "of_tomorrow": {}})


@given(st.floats(min_value=0, max_value=3e8, allow_nan=False))
def test_any_duration_is_written_so_that_it_is_read_as_the_same_number(value):
    """However many seconds: the text gives the very same float again."""
    assert seconds(as_duration(value)) == value


@pytest.mark.parametrize(
    "text, value",
    [
        ("500ms", 0.5),
        ("30s", 30.0),
        ("1.5h", 5400.0),
        ("5m", 300.0),
        ("24h", 86400.0),
        ("2w", 1209600.0),
        ("0s", 0.0),
        (" 5 m ", 300.0),
    ],
)
def test_a_duration_is_seconds(text, value):
    """Each unit, fractions, and spaces around."""
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "5", "5 minutes", "-5m", "5m30s", "m", "1e3s", "٣s", "9999w", None, 5, 5.0])
def test_what_is_no_duration_is_refused(text):
    """No unit, several units, a sign, digits of another script, or more than ten years."""
    with pytest.raises(ValueError, match="a duration"):
        seconds(text)


@pytest.mark.parametrize(
    "value, text",
    [
        (0.0, "0s"),
        (0.25, "250ms"),
        (1.0, "1s"),
        (90.0, "90s"),
        (60.0, "1m"),
        (86400.0, "1d"),
        (90000.0, "25h"),
        (1.5, "1.5s"),
    ],
)
def test_a_duration_is_written_in_the_largest_unit_without_a_fraction(value, text):
    """As a person would."""
    assert as_duration(value) == text


@pytest.mark.parametrize(
    "tier, refs", [("development", "any"), ("staging", "branch:main|tag:*"), ("production", "tag:*")]
)
def test_what_may_be_released_follows_from_the_tier(tier, refs):
    """Production is given tags, staging its branch as well, development anything."""
    assert Environment.model_validate({"tier": tier, "target": TARGET}).refs == refs
    assert Environment.model_validate({"tier": tier, "target": TARGET, "refs": "tag:v2"}).refs == "tag:v2"


@pytest.mark.parametrize(
    "refs, kind, name, permitted",
    [
        ("any", "branch", "feature/x", True),
        ("tag:*", "tag", "v1.0", True),
        ("tag:*", "branch", "v1.0", False),
        ("tag:v*", "tag", "1.0", False),
        ("branch:main|tag:v?.?", "tag", "v1.2", True),
        ("branch:main|tag:v?.?", "branch", "main", True),
        ("branch:main|tag:v?.?", "branch", "Main", False),
        ("branch:main", "branch", "main2", False),
        ("branch:hotfix/*", "branch", "hotfix/a/b", True),
    ],
)
def test_a_ref_is_permitted_by_kind_and_pattern(refs, kind, name, permitted):
    """A branch that is called like a tag is still a branch."""
    place = Environment.model_validate({"tier": "production", "target": TARGET, "refs": refs})
    assert place.permits(kind, name) is permitted


def test_what_applies_to_one_environment(book):
    """Gates, rules and probes of one environment are those that are not limited to others."""
    assert [g.id for g in book.gates_of("staging")] == ["ci"]
    assert [g.id for g in book.gates_of("production")] == ["ci", "env"]
    assert [r.id for r in book.rules_of("staging")] == ["down"]
    assert [p.id for p in book.probes_of("staging")] == ["ready", "docs"]
    assert book.services() == {"api": "api", "worker": "api", "web": "web"}
    assert book.block_of("staging") == "shop-staging"


def test_production_is_watched_for_thirty_minutes_whatever_is_said(book):
    """Also a runbook that did not come from a file cannot shorten it; other tiers can."""
    short = book.model_copy(update={"watch": book.watch.model_copy(update={"duration": 60.0})})
    assert short.watch_seconds("production") == 1800.0
    assert short.watch_seconds("staging") == 60.0


def test_an_environment_is_found_or_the_names_are_told(book):
    """A misspelt environment is answered with those that there are."""
    assert environment(book, "staging").tier == "staging"
    with pytest.raises(InputError, match=r"shop has no environment 'prodution'\. Did you mean production\?") as caught:
        environment(book, "prodution")
    assert "staging, production" in caught.value.next


@pytest.mark.parametrize("above, limit", [(0.05, 0.05), (2, 2.0), ("500ms", 0.5), ("2m", 120.0)])
def test_the_limit_of_a_rule_is_a_number_in_seconds(above, limit):
    """A duration and a number mean the same."""
    assert Rule.model_validate({"id": "slow", "measure": "latency_p95", "above": above}).limit == limit


def test_nothing_changes_after_loading(book):
    """Models are frozen."""
    with pytest.raises(ValidationError):
        book.system = "other"


def test_wrong_is_wrong_only_where_it_says_so():
    """The helper of these tests refuses a replacement that changes nothing."""
    with pytest.raises(AssertionError):
        wrong(("not there", ""))
