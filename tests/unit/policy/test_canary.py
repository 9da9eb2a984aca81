"""When the share of a canary grows: on tables of what a router counted."""

from __future__ import annotations

import pytest

from runwright.policy.canary import judge, measured, percentile, since
from runwright.runbook.canary import Canary
from runwright.traffic import Counted

WANTED = Canary()
FAST = {0.01: 90, 0.1: 100, 1.0: 100}


def counted(requests: int, errors: int = 0, slow: int = 0) -> Counted:
    """Return so many requests, so many failed; ``slow`` percent of them take a second."""
    return Counted(
        requests=requests,
        errors=errors,
        seconds={0.01: requests * (100 - slow) // 100, 0.5: requests * (100 - slow) // 100, 1.0: requests},
    )


@pytest.mark.parametrize(
    ("new", "old", "past", "held", "step", "said"),
    [
        (counted(60), counted(600), counted(9000), 61.0, "on", "0.0% of 60 of the new version's requests failed"),
        (counted(60), counted(600), counted(9000), 59.0, "hold", "held for 59 of 60 s"),
        (counted(49), counted(600), counted(9000), 300.0, "hold", "has answered 49 of 50 requests"),
        (counted(0), counted(0), Counted(), 300.0, "hold", "has answered 0 of 50 requests"),
        (counted(60, 1), counted(600), counted(9000), 5.0, "breach", "1.7% of 60 of the new version's requests failed"),
        (counted(60, 3), counted(600, 30), counted(9000, 450), 61.0, "on", "5.0% of 60"),
        (counted(49, 49), counted(600), counted(9000), 61.0, "hold", "49 of 50"),
        (counted(60), counted(600, 60), counted(9000, 9), 61.0, "breach", "10.0% of 600 of the old version's requests fail"),
        (counted(60), counted(600, 60), counted(10, 0), 61.0, "on", ""),
        (counted(100, 0, 10), counted(600), counted(9000), 61.0, "breach", "more than 1.5 times as long"),
        (counted(100, 0, 10), counted(600, 0, 10), counted(9000), 61.0, "on", ""),
    ],
)  # fmt: skip
def test_a_share_grows_only_on_evidence(
    new: Counted, old: Counted, past: Counted, held: float, step: str, said: str
) -> None:
    """Worse than the old version, or the old one worse than it was: back. Too few requests: held, however long."""
    judged = judge(new, old, past, WANTED, held)
    assert (judged.step, said in judged.reason) == (step, True), judged


def test_a_difference_that_nobody_notices_is_none() -> None:
    """Twice a millisecond is two milliseconds."""
    one, two = {0.001: 1000, 0.01: 1000}, {0.001: 500, 0.002: 1000, 0.01: 1000}
    new, old = Counted(requests=1000, seconds=two), Counted(requests=1000, seconds=one)
    assert judge(new, old, old, WANTED, 61.0).step == "on"


def test_what_was_counted_between_two_looks() -> None:
    """A router that was started anew counts from nothing: what it says then is all that there is."""
    then, now = Counted(0, 100, 5, seconds={1.0: 100}), Counted(2, 160, 6, seconds={1.0: 160})
    assert since(now, then) == Counted(2, 60, 1, seconds={1.0: 60})
    assert since(then, now) == then
    assert percentile(Counted(), 0.95) is None and percentile(
        Counted(requests=100, seconds=FAST), 0.5
    ) == pytest.approx(0.0056, abs=1e-3)
    assert (
        measured(counted(10), counted(90)) == "10% of 100 requests" and measured(Counted(), Counted()) == "no requests"
    )
