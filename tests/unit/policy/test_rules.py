"""When a rule is breached: the table of the module, and laws that hold for whatever was measured."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.policy.rules import GAP_INTERVALS, Sample, Verdict, assess, from_probe
from runwright.policy.wording import as_time
from runwright.probes.shape import ProbeResult
from runwright.runbook.checks import Rule

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EVERY = 30.0


def rule(**given: Any) -> Rule:
    source = {} if {"promql", "probe", "stats", "measure"} & set(given) else {"measure": "error_ratio"}
    limit = {} if {"above", "below", "failures"} & set(given) else {"above": 0.05}
    return Rule.model_validate({"id": "errors", **source, **limit, **given})


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def drawn(picture: str, over: float = 0.071, under: float = 0.01, requests: float | None = 3412) -> list[Sample]:
    """Samples every 30 s: # over, . under, - no data, ? blind, and nothing at all for a space."""
    kinds = {
        "#": lambda t: Sample(t, over, requests),
        ".": lambda t: Sample(t, under, requests),
        "-": lambda t: Sample(t, None, 0, "no_data", "no requests"),
        "?": lambda t: Sample(t, None, None, "blind", "Prometheus refused the connection"),
    }
    return [kinds[c](at(EVERY * i)) for i, c in enumerate(picture) if c != " "]


def verdict(one: Rule, picture: str, later: float = 0.0) -> Verdict:
    samples = drawn(picture)
    return assess(one, samples, at(max(0, EVERY * (len(picture) - 1)) + later), START, EVERY)


@pytest.mark.parametrize(
    ("picture", "state", "pending"),
    [
        ("", "blind", False),
        (".....", "pass", False),
        ("..#..", "pass", False),
        ("...##", "pass", True),
        ("#####", "breach", False),
        ("##.###", "pass", True),
        ("##.#####", "breach", False),
        ("##-##?#", "breach", False),
        ("#-?-#", "pass", True),  # four intervals apart: not one streak
        ("##----#", "pass", True),
        ("## ## #", "breach", False),  # an interval that was skipped
        ("#####?", "breach", False),
        ("#####---", "breach", False),
        ("#####----", "no_data", False),
        ("#####????", "blind", False),
        ("...-", "no_data", False),
        ("...?", "blind", False),
        ("...    ", "blind", False),
        ("#####.", "pass", False),
        ("----", "no_data", False),
        ("????", "blind", False),
    ],
)
def test_the_table(picture: str, state: str, pending: bool) -> None:
    """The table of the module, and more of its kind; the rule has `for: 2m` and is asked every 30 s."""
    found = verdict(rule(**{"for": "2m"}), picture)
    assert (found.state, found.pending) == (state, pending), found.reason


@pytest.mark.parametrize("given", [{}, {"every": "1s"}, {"every": "5s"}])
@pytest.mark.parametrize(("pace", "state"), [(2.0, "blind"), (17.0, "breach")])
def test_a_system_that_hangs_is_judged_by_the_pace_at_which_it_can_be_asked(
    given: dict[str, str], pace: float, state: str
) -> None:
    """Asked every two seconds, each answer waited for in vain: three failures seventeen seconds apart are in a row."""
    samples = [Sample(at(17.0 * i), 1.0, reason="no answer within 5s") for i in range(3)]
    found = assess(rule(probe="ready", failures=3, **given), samples, at(50), START, pace)
    assert found.state == state, found.reason


@pytest.mark.parametrize(
    ("picture", "state"), [("#", "breach"), (".#", "breach"), ("#.", "pass"), ("#-", "breach"), ("#?", "breach")]
)
def test_without_a_duration_one_sample_is_enough(picture: str, state: str) -> None:
    """A rule without `for` is breached by its newest known sample alone."""
    assert verdict(rule(), picture).state == state


@pytest.mark.parametrize(
    ("given", "samples", "reason"),
    [
        ({"for": "2m"}, drawn("#####"), "error ratio 7.1 % > 5 % for 2m, 3,412 requests"),
        ({}, drawn("#"), "error ratio 7.1 % > 5 %, 3,412 requests"),
        ({"for": "2m"}, drawn(".##"), "error ratio 7.1 % > 5 % for 30s, 3,412 requests; a breach after 2m"),
        ({}, drawn("."), "error ratio 1 % ≤ 5 %, 3,412 requests"),
        ({"above": 0.05}, [Sample(at(0), 0.05001)], "error ratio 0.05001 > 0.05"),
        ({"measure": "latency_p95", "above": "500ms"}, [Sample(at(0), 0.812, 90)], "p95 latency 812 ms > 500 ms, 90 requests"),
        ({"measure": "latency_p99", "above": 10}, [Sample(at(0), 12.25)], "p99 latency 12.2 s > 10 s"),
        ({"measure": "request_rate", "below": 1}, [Sample(at(0), 0.2)], "request rate 0.2/s < 1/s"),
        ({"measure": "request_rate", "below": 1}, [Sample(at(0), 0.0)], "request rate 0/s < 1/s"),
        ({"stats": "memory_percent", "above": 90}, [Sample(at(0), 91.0)], "memory 91 % > 90 %"),
        ({"stats": "restarts", "above": 0}, [Sample(at(0), 3.0)], "restarts 3 > 0"),
        ({"id": "pool", "promql": "x", "above": 0.8}, [Sample(at(0), 0.93)], "pool 0.93 > 0.8"),
        ({"probe": "ready", "above": "500ms"}, [Sample(at(0), 0.7)], "time of probe ready 700 ms > 500 ms"),
        ({"promql": "x"}, [Sample(at(0), math.inf)], "errors has no value"),
        ({"min_requests": 50}, [Sample(at(0), 1.0, 12)], "12 requests, 50 are needed to judge error ratio"),
        ({"min_requests": 2}, [Sample(at(0), 1.0, 1)], "1 request, 2 are needed to judge error ratio"),
        ({"min_requests": 50}, [Sample(at(0), 1.0)], "an unknown number of requests, 50 are needed to judge error ratio"),
        ({"warmup": "30s"}, drawn("#"), "warming up, 30s left"),
        ({"probe": "ready", "failures": 3}, [Sample(at(0), 1, reason="answered 503, expected 200")],
         "probe ready failed once: answered 503, expected 200; a breach after 3 in a row"),
        ({"probe": "ready", "failures": 2}, [Sample(at(0), 1), Sample(at(30), 1, reason="answered 503, expected 200")],
         "probe ready failed 2 times in a row for 30s: answered 503, expected 200"),
    ],
)  # fmt: skip
def test_the_reason_holds_the_numbers(given: dict[str, Any], samples: list[Sample], reason: str) -> None:
    """A reason says what was measured, its limit, for how long, and on how many requests it rests."""
    assert assess(rule(**given), samples, samples[-1].at, START, EVERY).reason == reason


def test_a_ratio_of_few_requests_is_no_evidence() -> None:
    """One failed request of twelve is no error ratio of 8 %, and neither a pass nor a breach."""
    one = rule(min_requests=50)
    assert assess(one, [Sample(at(0), 0.08, 12)], at(0), START, EVERY).state == "no_data"
    assert assess(one, [Sample(at(0), 0.0, 12)], at(0), START, EVERY).state == "no_data"
    assert assess(one, [Sample(at(0), 0.08, 50)], at(0), START, EVERY).state == "breach"


def asked(state: Any, seconds: float | None = None, **more: Any) -> ProbeResult:
    return ProbeResult("ready", state, "it said so", seconds, **more)


def test_failures_are_counted_in_a_row() -> None:
    """A probe's rule counts failures that follow each other; an answer that is right begins anew, a blind one does not."""
    one = rule(probe="ready", failures=3)

    def state(results: str) -> str:
        kinds = {"x": "fail", ".": "pass", "w": "warn", "?": "blind"}
        samples = [from_probe(one, at(EVERY * i), asked(kinds[c], 0.1)) for i, c in enumerate(results)]
        return assess(one, samples, samples[-1].at, START, EVERY).state

    assert [state(r) for r in ("xx", "xxx", "xx.x", "xx?x", "xxx.", "xxw", "x??xx", "x???xx", "???")] == [
        "pass", "breach", "pass", "breach", "pass", "pass", "breach", "pass", "blind",
    ]  # fmt: skip


def test_failures_can_be_asked_to_last_as_well() -> None:
    """With `failures` and `for`, both must be true."""
    one = rule(probe="ready", failures=2, **{"for": "2m"})
    samples = [from_probe(one, at(EVERY * i), asked("fail")) for i in range(5)]
    states = [assess(one, samples[: i + 1], samples[i].at, START, EVERY).state for i in range(5)]
    assert states == ["pass"] * 4 + ["breach"]


def test_the_time_of_a_wrong_answer_says_nothing() -> None:
    """A quick 503 is not quick, and a slow one is counted by the rule on failures."""
    one = rule(probe="ready", above="500ms")
    assert from_probe(one, START, asked("fail", 0.002)).state == "no_data"
    assert from_probe(one, START, asked("pass", 0.7)).value == 0.7
    assert from_probe(one, START, asked("blind")).state == "blind"


def test_a_number_of_an_answer_counts_also_where_the_answer_was_wrong() -> None:
    """A pool that is full is what a readiness of 503 says; a number that is not there is no data, and never a breach."""
    one = rule(probe="ready", number="pool", above="80 %", **{"for": "2m"})
    full = asked("fail", 0.1, numbers={"pool": 0.93})
    samples = [from_probe(one, at(EVERY * i), full) for i in range(5)]
    verdict = assess(one, samples, samples[-1].at, START, EVERY)
    assert (verdict.state, verdict.reason) == ("breach", "pool of probe ready 93 % > 80 % for 2m")
    gone = from_probe(one, START, asked("pass", 0.1, missing={"pool": "pool.size is missing"}))
    assert (gone.state, gone.reason) == ("no_data", "number pool: pool.size is missing")
    assert from_probe(one, START, asked("fail")).state == "no_data"
    assert from_probe(one, START, asked("blind", numbers={"pool": 1.0})).state == "blind"


def test_a_phase_of_a_request_is_a_time_of_its_own() -> None:
    """A look-up that hangs is told from a server that is slow; a phase that there was not is no data."""
    one = rule(probe="ready", phase="dns", above="100ms")
    sample = from_probe(one, START, asked("pass", 0.9, phases={"dns": 0.4, "total": 0.9}))
    assert assess(one, [sample], START, START, EVERY).reason == "finding the address of probe ready 400 ms > 100 ms"
    assert from_probe(one, START, asked("pass", 0.9, phases={"total": 0.9})).state == "no_data"


def test_the_warm_up_does_not_count() -> None:
    """What is over the limit while the service warms up is no breach, and no beginning of one."""
    one = rule(warmup="2m", **{"for": "1m"})
    samples = drawn("########")
    states = [assess(one, samples[: i + 1], samples[i].at, START, EVERY).state for i in range(8)]
    assert states == ["no_data"] * 4 + ["pass", "pass", "breach", "breach"]


def test_a_clock_that_is_set_back_never_makes_a_breach() -> None:
    """Samples that go back in time are not one streak: how long it lasted is not known."""
    samples = [Sample(at(s), 1.0) for s in (300, 330, 10, 40)]
    assert assess(rule(**{"for": "2m"}), samples, at(400), START, EVERY).state != "breach"


def test_a_clock_from_before_the_watch_is_blindness() -> None:
    """A clock that is set back behind the start of the watch holds it; it does not look like a warm-up."""
    found = assess(rule(warmup="30s"), [Sample(at(-3600), 1.0)], at(-3500), START, EVERY)
    assert (found.state, found.reason) == ("blind", "the clock was set back to before the watch began")


def test_a_rule_with_its_own_interval_has_its_own_patience() -> None:
    """A rule that is asked every five minutes is not blind after two."""
    samples = [Sample(at(0), 0.01)]
    assert assess(rule(every="5m"), samples, at(600), START, EVERY).state == "pass"
    assert assess(rule(), samples, at(600), START, EVERY).state == "blind"


values = st.one_of(st.floats(0, 1), st.just(math.nan), st.just(math.inf))
samples_of = st.lists(
    st.builds(
        lambda value, requests, state: (value, requests, state),
        values,
        st.one_of(st.none(), st.integers(0, 200)),
        st.sampled_from(["ok", "ok", "ok", "no_data", "blind"]),
    ),
    max_size=25,
)
rules = st.builds(
    lambda lasting, warmup, least, below: rule(
        **{"for": f"{lasting}s", "warmup": f"{warmup}s", "min_requests": least, ("below" if below else "above"): 0.5}
    ),
    st.sampled_from([0, 30, 60, 300]),
    st.sampled_from([0, 45]),
    st.sampled_from([0, 50]),
    st.booleans(),
)
steps = st.lists(st.sampled_from([1, 30, 30, 30, 89, 90, 91, 400]), min_size=25, max_size=25)


def built(kinds: list[Any], gaps: list[int]) -> list[Sample]:
    clock, samples = 0, []
    for (value, requests, state), gap in zip(kinds, gaps, strict=False):
        clock += gap
        samples.append(Sample(at(clock), value if state == "ok" else None, requests, state))
    return samples


def is_over(one: Rule, sample: Sample) -> bool:
    if sample.state != "ok" or sample.value is None or not math.isfinite(sample.value):
        return False
    if one.min_requests and (sample.requests or 0) < one.min_requests:
        return False
    return sample.value < one.limit if one.below is not None else sample.value > one.limit


@given(rules, samples_of, steps, st.integers(0, 500))
def test_a_breach_rests_on_samples_over_the_limit(one: Rule, kinds: Any, gaps: Any, later: int) -> None:
    """Every sample that a breach shows is over the limit, they span the time asked for, and none are too far apart."""
    samples = built(kinds, gaps)
    now = (samples[-1].at if samples else START) + timedelta(seconds=later)
    found = assess(one, samples, now, START, EVERY)
    if found.state == "breach":
        assert found.samples and all(is_over(one, s) for s in found.samples)  # type: ignore[arg-type]
        times = [s.at for s in found.samples]
        assert (times[-1] - times[0]).total_seconds() >= one.lasting
        assert all((b - a).total_seconds() <= GAP_INTERVALS * EVERY for a, b in pairwise(times))
        assert min(times) >= at(one.warmup)


@given(rules, samples_of, steps, st.integers(0, 500))
def test_a_pass_rests_on_a_fresh_known_sample(one: Rule, kinds: Any, gaps: Any, later: int) -> None:
    """Nothing passes without a known sample that is recent; no samples never pass."""
    samples = built(kinds, gaps)
    now = (samples[-1].at if samples else START) + timedelta(seconds=later)
    found = assess(one, samples, now, START, EVERY)
    if found.state == "pass":
        newest = found.samples[-1]
        assert newest.state == "ok" and newest.value is not None and not math.isnan(newest.value)
        assert (now - newest.at).total_seconds() <= GAP_INTERVALS * EVERY
        assert found.pending or not is_over(one, newest)  # type: ignore[arg-type]
    assert assess(one, [], now, START, EVERY).state in ("blind", "no_data")


@given(rules, samples_of, steps, st.integers(0, 24))
def test_worse_values_never_turn_a_breach_into_anything_else(one: Rule, kinds: Any, gaps: Any, which: int) -> None:
    """Monotone: if a known value gets worse, a breach stays a breach."""
    samples = built(kinds, gaps)
    if not samples:
        return
    now = samples[-1].at
    worse = 0.0 if one.below is not None else 1.0
    changed = [
        replace(s, value=worse) if i == which and s.state == "ok" and not math.isnan(s.value or 0.0) else s
        for i, s in enumerate(samples)
    ]
    if assess(one, samples, now, START, EVERY).state == "breach":
        assert assess(one, changed, now, START, EVERY).state == "breach"


@given(rules, samples_of, steps)
def test_unknown_samples_change_no_streak(one: Rule, kinds: Any, gaps: Any) -> None:
    """A breach that is there with blind samples in between is there without them."""
    samples = built(kinds, gaps)
    if not samples:
        return
    found = assess(one, samples, samples[-1].at, START, EVERY)
    known = [s for s in samples if s.state == "ok"]
    if found.state == "breach":
        assert assess(one, known, samples[-1].at, START, EVERY).state == "breach"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.5, "0.5s"), (45, "45s"), (59.7, "1m"), (60, "1m"), (130, "2m10s"), (1800, "30m"), (3599.6, "1h"),
     (3900, "1h05m"), (7199, "2h"), (86400, "1d"), (90000, "1d01h")],
)  # fmt: skip
def test_a_length_of_time_reads_in_two_units(seconds: float, text: str) -> None:
    """Times read the way people write them."""
    assert as_time(seconds) == text
