"""What the clients found, as one row of the results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

QUICK = ("kept", "new")
LEAST_QUICK = 200
"""So many quick requests make a 99th percentile worth its name."""


@dataclass(frozen=True)
class Times:
    """When it was quiet, when the tool began and was done, and when it was told, or saw, that the version is bad (seconds
    since the epoch; None where it was not taken back)."""

    quiet: float
    began: float
    done: float
    verdict: float | None = None


def row(
    tool: str, router: str, strategy: str, found: Sequence[Sequence[Any]], times: Times, bad: str
) -> dict[str, Any]:
    """Return the counts and ratios of one change. bad: the version that was taken back.

    requests, failed and cut are of everything from the start of the change to the end; why: how it failed, and how often.
    """
    since = [one for one in found if one[1] + one[2] >= times.began]
    wrong = [one for one in since if one[3] != "ok"]
    after = times.verdict
    back = [one for one in wrong if after is not None and one[1] + one[2] >= after]
    return {
        "tool": tool,
        "router": router,
        "strategy": strategy,
        "requests": len(since),
        "failed": sum(one[3] == "failed" for one in since),
        "cut": sum(one[3] == "cut" for one in since),
        "seconds": round(times.done - times.began, 2),
        "p99_ratio": ratio(found, times),
        "back_seconds": None if after is None else round(last_on(bad, since, after), 3),
        "of it on the way back": {"failed": _of(back, "failed"), "cut": _of(back, "cut")},
        "why": _why(wrong),
    }


def last_on(version: str, found: Iterable[Sequence[Any]], since: float) -> float:
    """Return how long after ``since`` the last new request was sent that ``version`` answered, 0 if none was."""
    return max((one[1] - since for one in found if one[4] == version and one[1] >= since), default=0.0)


def ratio(found: Iterable[Sequence[Any]], times: Times) -> float | None:
    """Return the 99th percentile of quick requests during the change as a multiple of the one before it."""
    quick = [one for one in found if one[0] in QUICK and one[3] == "ok"]
    before = p99([one[2] for one in quick if times.quiet <= one[1] < times.began])
    during = p99([one[2] for one in quick if times.began <= one[1] < times.done])
    return round(during / before, 2) if before and during else None


def p99(seconds: Sequence[float]) -> float | None:
    """Return the 99th percentile, None of too few."""
    return sorted(seconds)[int(len(seconds) * 0.99)] if len(seconds) >= LEAST_QUICK else None


def _of(some: Iterable[Sequence[Any]], how: str) -> int:
    return sum(one[3] == how for one in some)


def _why(wrong: Iterable[Sequence[Any]]) -> dict[str, int]:
    told: dict[str, int] = {}
    for kind, _, _, how, _, why in wrong:
        text = f"{kind} {how}: {why}"[:100]
        told[text] = told.get(text, 0) + 1
    return dict(sorted(told.items(), key=lambda one: -one[1])[:8])
