"""The services that a release does not replace: which are judged, and when one is not well."""

from __future__ import annotations

from typing import Any

import pytest

from runwright.policy.staying import Stays, ill, judged, restarted


def seen(*, running: bool = True, healthy: bool | None = None, **restarts: int) -> Stays:
    return Stays("db", running, healthy, restarts)


def test_all_that_ran_and_were_not_ill_before_are_judged_unless_some_are_named() -> None:
    """What did not run before a release is none of its business; what somebody names is judged whatever it was."""
    before = {"db": seen(healthy=True), "redis": seen(), "old": seen(running=False), "ill": seen(healthy=False)}
    assert judged(before, "all") == ["db", "redis"]
    assert judged(before, ["old", "new"]) == ["old", "new"] and judged(before, []) == [] and judged({}, "all") == []


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"db": seen(healthy=True)}, []),
        ({"db": seen(healthy=None)}, []),
        ({"db": seen(healthy=False)}, ["db is not healthy"]),
        ({"db": seen(running=False)}, ["db does not run"]),
        ({}, ["db does not run"]),
    ],
)
def test_a_service_is_ill_if_it_does_not_run_or_its_healthcheck_fails(now: dict[str, Stays], said: list[str]) -> None:
    """One without a healthcheck is well as long as it runs."""
    assert ill(now, ["db"]) == said


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (seen(a=2), seen(a=2), []),
        (seen(a=2), seen(a=3), ["db was restarted 1 time"]),
        (seen(a=0, b=1), seen(a=2, b=2), ["db was restarted 3 times"]),
        (seen(a=5), seen(a=0), []),
        (seen(a=5), seen(b=1), []),
    ],
)
def test_restarts_are_counted_between_looks(before: Stays, now: Stays, said: list[str]) -> None:
    """One that was made anew counts from nothing, and was restarted by nobody."""
    assert restarted({"db": before}, {"db": now}, ["db"]) == said
    assert restarted({}, {"db": now}, ["db"]) == []


def test_it_is_kept_with_the_release_as_it_was() -> None:
    """What is written down before a release is what it is compared with after a crash."""
    kept: dict[str, Any] = seen(healthy=True, a=1).as_json()
    assert Stays.from_json("db", kept) == seen(healthy=True, a=1)
