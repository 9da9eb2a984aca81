"""Numbers in an answer: where they are, what is none, and what they may be."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runwright.engine.actions import Reply
from runwright.probes.asking import ask
from runwright.probes.numbers import numbers_in
from runwright.probes.shape import ProbeResult
from runwright.runbook.numbers import Number
from runwright.testing.replies import Replies
from tests.fixtures.properties import examples
from tests.unit.probes.test_http import VALUES, clock, probe, reply

POOL = {"json": "pool.checked_out", "of": ["pool.size", "pool.overflow"]}
PAGE = b"# HELP response_time_avg in ms\nresponse_time_avg 812.5\nother 3\n"


def number(given: dict[str, Any], answer: Any) -> ProbeResult:
    content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return ask(Replies({"readyz": reply(200, content)}), probe(numbers={"n": given}), VALUES, clock)


@pytest.mark.parametrize(
    ("given", "answer", "value"),
    [
        (POOL, {"pool": {"checked_out": 12, "size": 5, "overflow": 10}}, 0.8),
        ({"json": "pool.checked_out", "of": ["pool.size", 10]}, {"pool": {"checked_out": 3, "size": 5}}, 0.2),
        ({"json": "$"}, 7, 7.0),
        ({"json": "disks[*].used", "of": "disks[*].size"}, {"disks": [{"used": 1, "size": 4}, {"used": 2, "size": 4}]}, 0.375),
        ({"json": "data.result[0].value[1]"}, {"data": {"result": [{"value": [1700000000, "0.42"]}]}}, 0.42),
        ({"json": ["queue.dead", "queue.late"]}, {"queue": {"dead": 2, "late": 3}}, 5.0),
        ({"text": "^response_time_avg ([0-9.]+)"}, PAGE, 812.5),
    ],
)  # fmt: skip
def test_a_number_is_at_a_path_in_the_text_or_a_part_of_others(
    given: dict[str, Any], answer: Any, value: float
) -> None:
    """What several paths, or [*], lead to is added; Prometheus writes its numbers as text."""
    assert number(given, answer).numbers == {"n": pytest.approx(value)}


@pytest.mark.parametrize(
    ("given", "answer", "why"),
    [
        ({"json": "used"}, {"used": True}, "used is true, which is no number"),
        ({"json": "used"}, {"used": None}, "used is null, which is no number"),
        ({"json": "used"}, {"used": "NaN"}, 'used is "NaN", which is no number'),
        ({"json": "used"}, {"used": math.inf}, "it is inf, which is no measurement"),
        ({"json": "used"}, b'{"used": 1e999}', "it is inf, which is no measurement"),
        ({"json": "used"}, {"used": 10**400}, "used is too large a number"),
        ({"json": "used"}, {"used": "1_000"}, 'used is "1_000", which is no number'),
        ({"json": "used"}, {}, "used is missing"),
        ({"json": "used"}, b"<html>", "not JSON (no content-type, 6 bytes)"),
        ({"json": "used", "of": "size"}, {"used": 1, "size": 0}, "it is a part of 0"),
        ({"json": "used", "of": "size"}, {"used": 1, "size": -5}, "it is a part of -5"),
        ({"json": "used", "of": "size"}, {"used": 1e308, "size": 1e-308}, "it is inf, which is no measurement"),
        ({"text": "avg ([0-9.]+)"}, b"nothing", "it is not in the answer's text"),
        ({"text": "avg (.*)"}, b"avg inf", 'the text is "inf", which is no number'),
        ({"text": "avg ([0-9]+)?"}, b"avg", "it is not in the answer's text"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_none_and_says_why(given: dict[str, Any], answer: Any, why: str) -> None:
    """Without a limit that is no failure; with one it is: no evidence is never a pass."""
    found = number(given, answer)
    assert (found.state, dict(found.numbers), found.missing) == ("pass", {}, {"n": why})
    judged = number({**given, "at_most": "80 %"}, answer)
    assert (judged.state, judged.reason) == ("fail", f"answered 200; number n: {why}")


def test_a_number_that_is_judged_says_how_far_off_it_is() -> None:
    """Above what it may be at most, below what it must be at least."""
    pool = {"pool": {"checked_out": 14, "size": 5, "overflow": 10}}
    assert number({**POOL, "at_most": "80 %"}, pool).reason == "answered 200; number n is 0.9333, expected at most 0.8"
    assert number({**POOL, "at_most": 0.95}, pool).state == "pass"
    assert number({"json": "$", "at_least": 3}, 2).reason == "answered 200; number n is 2, expected at least 3"


def test_numbers_are_told_of_an_answer_that_was_wrong_too() -> None:
    """A pool that is full is often why a readiness fails."""
    answer = reply(503, {"pool": {"checked_out": 15, "size": 5, "overflow": 10}})
    found = ask(Replies({"readyz": answer}), probe(numbers={"pool": POOL}), VALUES, clock)
    assert (found.state, found.numbers) == ("fail", {"pool": 1.0})


def test_each_phase_of_a_request_can_be_judged() -> None:
    """A phase that there was not (no TLS) took no time; phases that were not measured are no evidence."""
    phases = {"dns": 0.3, "connect": 0.01, "first_byte": 0.2, "total": 0.51}
    wanted = probe(phases={"dns": "100ms", "tls": "100ms", "total": "1s"})
    found = ask(Replies({"readyz": Reply(200, {}, b"", 0.51, phases)}), wanted, VALUES, clock)
    assert found.reason == "answered 200; finding the address took 300 ms, expected at most 100ms"
    assert found.phases == phases
    assert ask(Replies({"readyz": reply()}), wanted, VALUES, clock).state == "fail"


odd = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
)


@settings(max_examples=examples(60))
@given(body=st.dictionaries(st.sampled_from(["a", "b", "c"]), odd | st.dictionaries(st.sampled_from(["a", "b"]), odd)))
def test_whatever_is_there_a_number_is_finite_or_missing(body: dict[str, Any]) -> None:
    """Never NaN, never endless, and a reason wherever there is none."""
    wanted = {
        "one": Number.model_validate({"json": "a"}),
        "part": Number.model_validate({"json": ["a.a", "b"], "of": ["c", "a"]}),
        "text": Number.model_validate({"text": "(.*)"}),
    }
    found = numbers_in(wanted, json.dumps(body), body, "")
    assert all(math.isfinite(value) for value in found.numbers.values())
    assert set(found.numbers) | set(found.missing) == set(wanted) and not set(found.numbers) & set(found.missing)
    assert all(found.missing.values())
