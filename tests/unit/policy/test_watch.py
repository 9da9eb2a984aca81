"""What a watch does at each step and what it ends with."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.policy.rules import Verdict
from runwright.policy.watch import (
    ProbeRecord,
    Progress,
    RuleRecord,
    SteadyClock,
    Watching,
    conclude,
    decide,
    with_probe_rules,
    with_staying_rule,
)
from runwright.runbook.checks import Rule
from runwright.runbook.probes import Probe


def rule(id: str = "errors", **given: Any) -> Rule:
    return Rule.model_validate({"id": id, "measure": "error_ratio", "above": 0.05, **given})


def verdict(id: str, state: str, reason: str = "because") -> Verdict:
    return Verdict(id, state, reason)  # type: ignore[arg-type]


OVER = Progress(1800, 30, watched_seconds=1800)
GOOD = RuleRecord("errors", 60, 60, "pass", "error ratio 1 % ≤ 5 %")
READY = ProbeRecord("ready", 60, 0, 0, "pass", "answered 200")


@pytest.mark.parametrize(
    ("states", "step", "which"),
    [
        ({"errors": "pass", "slow": "pass"}, "continue", None),
        ({"errors": "no_data", "slow": "pass"}, "continue", None),
        ({"errors": "blind", "slow": "pass"}, "hold", "errors"),
        ({"errors": "blind", "slow": "breach"}, "breach", "slow"),
        ({"errors": "pass"}, "hold", "slow"),
        ({"errors": "pass", "slow": "pass", "cpu": "breach"}, "continue", None),
        ({"errors": "pass", "slow": "pass", "cpu": "blind"}, "continue", None),
    ],
)
def test_only_rollback_rules_decide_a_step(states: dict[str, str], step: str, which: str | None) -> None:
    """A breach wins over blindness, blindness holds, and rules that page or investigate decide nothing."""
    rules = [rule("errors"), rule("slow"), rule("cpu", purpose="page")]
    found = decide({id: verdict(id, state) for id, state in states.items()}, rules)
    assert (found.step, found.rule) == (step, which)
    assert found.noted == (("page: because",) if states.get("cpu") == "breach" else ())


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({}, "proven", "watched for 30m: 1 of 1 rule judged"),
        ({"rules": {"errors": RuleRecord("errors", 60, 60, "pass", "now fine", breached="error ratio 7.1 % > 5 %")}},
         "breach", "rule errors was breached: error ratio 7.1 % > 5 %"),
        ({"rules": {"errors": RuleRecord("errors", 60, 59, "blind", "no answer")}}, "hold", "rule errors is blind"),
        ({"rules": {}}, "hold", "rule errors is blind: never judged"),
        ({"rules": {"errors": RuleRecord("errors", 60, 60, "pass", "7 % > 5 % for 30s", pending=True)}},
         "hold", "rule errors is over its limit"),
        ({"probes": {"ready": ProbeRecord("ready", 60, 1, 0, "fail", "answered 503")}}, "hold", "probe ready fails: answered 503"),
        ({"probes": {"ready": ProbeRecord("ready", 60, 0, 1, "blind", "no network")}}, "hold", "could not be asked"),
        ({"probes": {"ready": ProbeRecord("ready")}}, "hold", "was never asked"),
        ({"probes": {"ready": ProbeRecord("ready", 60, 2, 0, "pass", "answered 200")}}, "proven", "watched"),
        ({"progress": Progress(1800, 30, 1700)}, "hold", "1m40s are still to be watched"),
        ({"progress": Progress(1800, 30, 1800, 1800), "rules": {"errors": RuleRecord("errors", 90, 0, "blind", "away")}},
         "freeze", "still not clear after 30m more: rule errors is blind: away"),
        ({"rules": {"errors": RuleRecord("errors", 60, 0, "no_data", "12 requests")}, "probes": {}}, "freeze", "no evidence"),
        ({"rules": {"errors": RuleRecord("errors", 60, 0, "no_data", "12 requests")}}, "proven", "0 of 1 rule"),
    ],
)  # fmt: skip
def test_what_a_release_is_when_its_watch_is_over(changes: dict[str, Any], state: str, words: str) -> None:
    """The table of the module."""
    seen = {"progress": OVER, "rules": {"errors": GOOD}, "probes": {"ready": READY}, **changes}
    found = conclude(Watching(**seen), [rule()])
    assert found.state == state
    assert words in found.reason


@pytest.mark.parametrize(("judged", "state"), [(0, "freeze"), (5, "freeze"), (6, "proven"), (60, "proven")])
def test_a_rule_that_requires_traffic_freezes_without_it(judged: int, state: str) -> None:
    """Judged in under a tenth of the checks is too little."""
    record = RuleRecord("errors", 60, judged, "no_data", "12 requests, 50 are needed")
    watching = Watching(OVER, {"errors": record}, {"ready": READY})
    found = conclude(watching, [rule(requires_traffic=True)])
    assert found.state == state
    assert any("saw too little" in line for line in found.listed) is (state == "freeze")


def test_what_was_odd_is_listed() -> None:
    """A proven release still tells which rules saw too little, which paged, and how often a probe failed."""
    rules = [rule("errors"), rule("cpu", purpose="page"), rule("slow", purpose="investigate")]
    records = {
        "errors": RuleRecord("errors", 60, 0, "no_data", "no requests"),
        "cpu": RuleRecord("cpu", 60, 60, "pass", "fine", breached="CPU 91 % > 80 %"),
        "slow": RuleRecord("slow", 60, 0, "blind", "away"),
    }
    found = conclude(Watching(OVER, records, {"ready": ProbeRecord("ready", 60, 2, 1, "pass", "")}), rules)
    assert found.state == "proven"
    assert found.listed == (
        "rule errors saw too little to be judged: judged in 0 of 60 checks; last: no requests",
        "rule cpu (page) was breached: CPU 91 % > 80 %",
        "rule slow saw too little to be judged: judged in 0 of 60 checks; last: away",
        "probe ready failed 2 of 60 times, could not be asked 1 time",
    )


def test_a_watch_goes_on_where_it_was() -> None:
    """What a watch remembers survives the ledger as plain JSON, and goes on with the time that was left."""
    watching = Watching(Progress(1800, 30))
    for _ in range(20):
        watching = watching.stepped(30, {"errors": verdict("errors", "pass")}, {"ready": ("pass", "ok")}, counts=True)
    again = Watching.from_json(json.loads(json.dumps(watching.as_json())))
    assert again == watching
    assert again.progress.left_seconds == 1200
    assert again.rules["errors"].judged == 20


def test_time_that_was_held_does_not_count_as_watched() -> None:
    """While a rollback rule is blind the watch does not get shorter, and what it costs is counted apart."""
    progress = Progress(1800, 30).advance(30, counts=True).advance(30, counts=False).advance(30, counts=False)
    assert (progress.watched_seconds, progress.held_seconds, progress.left_seconds) == (30, 60, 1770)


@given(st.lists(st.tuples(st.floats(-1e7, 1e7), st.booleans()), max_size=200))
def test_no_step_ends_a_watch(steps: list[tuple[float, bool]]) -> None:
    """However far a clock jumps, a step counts for two intervals at most and for nothing at least."""
    progress = Progress(1800, 30)
    for seconds, counts in steps:
        after = progress.advance(seconds, counts=counts)
        assert 0 <= after.watched_seconds - progress.watched_seconds <= 60 + 1e-6
        assert 0 <= after.held_seconds - progress.held_seconds <= 60 + 1e-6
        progress = after
    assert not progress.finished or len(steps) >= 30


@given(st.lists(st.sampled_from(["pass", "no_data", "blind", "breach"]), min_size=1, max_size=80), st.booleans())
def test_a_breach_or_blindness_at_the_end_is_never_proven(states: list[str], requires_traffic: bool) -> None:
    """Whatever came before: a rollback rule that was ever breached, or is blind now, is no proof; nor is no evidence."""
    watching = Watching(OVER)
    for state in states:
        watching = watching.stepped(30, {"errors": verdict("errors", state)}, {}, counts=True)
    found = conclude(watching, [rule(requires_traffic=requires_traffic)])
    if found.state == "proven":
        assert "breach" not in states and states[-1] != "blind" and "pass" in states
    if "breach" in states:
        assert found.state == "breach"


def test_a_watch_that_holds_ends_in_a_decision_for_a_person() -> None:
    """A monitoring outage that does not end freezes the release after as long again as the watch; it never ends proven."""
    watching, blind, ends = Watching(Progress(600, 30)), {"errors": verdict("errors", "blind", "away")}, []
    for _ in range(60):
        step = decide(blind, [rule()])
        watching = watching.stepped(30, blind, {}, counts=step.step == "continue")
        ends.append(conclude(watching, [rule()]).state)
    assert ends[:19] == ["hold"] * 19 and set(ends[19:]) == {"freeze"}


def test_the_clock_of_a_watch_never_jumps() -> None:
    """It starts at the wall clock, or at the newest sample if the wall clock was set back, and only goes forward."""
    ticks = iter([100.0, 100.0, 130.0])
    wall = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    clock = SteadyClock(wall, lambda: next(ticks), not_before=wall + timedelta(hours=1))
    assert [clock(), clock()] == [wall + timedelta(hours=1), wall + timedelta(hours=1, seconds=30)]


def test_a_health_probe_without_a_rule_gets_one() -> None:
    """A release whose health probes fail in a row is put back even if no rule says so; a rule that says so is kept."""
    health = [Probe(id="ready", get="http://x"), Probe(id="web", get="http://y")]
    rules = [rule(), Rule(id="down", probe="ready", failures=5), Rule(id="web-down", probe="web", above=1.0)]
    found = with_probe_rules(rules, health)
    assert [(r.id, r.probe, r.failures) for r in found[3:]] == [("implied-web", "web", 3)]
    assert found[:3] == rules


def test_how_the_database_fares_is_no_evidence_for_a_release() -> None:
    """A watch in which nothing of the release was looked at proves nothing, however well the services are that stay."""
    rules = with_staying_rule([], ["db"])
    watching = Watching(Progress(60.0, 30.0, watched_seconds=60.0))
    watching = watching.stepped(30.0, {"staying": Verdict("staying", "pass", "well")}, {}, counts=True)
    assert conclude(watching, rules).state == "freeze"
    assert [rule.id for rule in with_staying_rule(rules, ["db"])] == ["staying"] and with_staying_rule([], []) == []
