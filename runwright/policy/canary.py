"""Whether a part of the users may become a larger one: what the new version did beside the old one, and that beside its own past.

Pure functions of what the router counted. Few requests prove nothing, and hold the share where it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from runwright.metrics.buckets import quantile
from runwright.runbook.canary import Canary
from runwright.traffic import Counted

Step = Literal["on", "hold", "breach"]
NOTICEABLE_SECONDS = 0.02
"""A difference that nobody notices is none, however many times it is."""
FEW = 20
"""With fewer requests than these a share of errors says nothing about the old version either."""
MANY = 100
"""With fewer answers than these one slow one makes the 95th percentile: it says nothing about a version."""


@dataclass(frozen=True)
class Judged:
    """What is right on this rung now, with the numbers."""

    step: Step
    reason: str


def since(now: Counted, then: Counted) -> Counted:
    """Return what was counted between two looks. A router that was started anew between them counts from nothing."""
    if now.requests < then.requests:
        return now
    return Counted(
        now.in_flight,
        now.requests - then.requests,
        max(0, now.errors - then.errors),
        now.streams,
        {bound: count - then.seconds.get(bound, 0) for bound, count in now.seconds.items()},
        max(0, now.fresh - then.fresh),
    )


def judge(new: Counted, old: Counted, past: Counted, wanted: Canary, held_seconds: float) -> Judged:
    """Return whether the share may grow. new, old: counted on this rung. past: of the old version before the release, which it
    is compared with as well: what the new version breaks for it (sessions, messages) shows nowhere else."""
    shown = f"{_ratio(new)} of the new version's requests failed, {_ratio(old)} of the old one's"
    if new.requests >= wanted.min_requests and _errors(new) > _errors(old) + wanted.errors:
        return Judged("breach", f"{shown}: more than {wanted.errors:.1%} above")
    if min(old.requests, past.requests) >= FEW and _errors(old) > _errors(past) + wanted.errors:
        reason = f"since users share them, {_ratio(old)} of the old version's requests fail; before the release it was {_ratio(past)}"
        return Judged("breach", reason)
    slow, usual = percentile(new, 0.95), percentile(old, 0.95)
    enough = min(new.requests, old.requests) >= max(wanted.min_requests, MANY)
    if (
        enough
        and slow is not None
        and usual is not None
        and slow > max(usual * wanted.slower, usual + NOTICEABLE_SECONDS)
    ):
        reason = f"95 % of the new version's answers take {slow:.3g} s or less, of the old one's {usual:.3g} s: more than {wanted.slower:g} times as long"
        return Judged("breach", reason)
    if new.requests < wanted.min_requests:
        return Judged("hold", f"the new version has answered {new.requests} of {wanted.min_requests} requests")
    if held_seconds < wanted.hold:
        return Judged("hold", f"{shown}; held for {held_seconds:.0f} of {wanted.hold:.0f} s")
    return Judged("on", shown)


def percentile(counted: Counted, q: float) -> float | None:
    """Return within how many seconds the part ``q`` of the answers came; None if there were none."""
    total = max(counted.seconds.values(), default=0)
    found = quantile(q, {**counted.seconds, math.inf: total})
    return found if math.isfinite(found) else None


def measured(new: Counted, old: Counted) -> str:
    """Return which part of the requests the new version really had, as a phrase; where users are kept by a cookie, also of the
    users who came without one: with the others the share of the requests is what it was before."""
    both, came = new.requests + old.requests, new.fresh + old.fresh
    users = f", and {new.fresh / came:.0%} of {came:,} users who came without a cookie" if came else ""
    return f"{new.requests / both:.0%} of {both:,} requests{users}" if both else "no requests"


def _errors(counted: Counted) -> float:
    return counted.errors / counted.requests if counted.requests else 0.0


def _ratio(counted: Counted) -> str:
    return f"{_errors(counted):.1%} of {counted.requests:,}" if counted.requests else "none"
