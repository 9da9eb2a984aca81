"""Whether a rule is breached: a pure function of the rule and what was measured.

A sample is known (it has a value), or unknown: ``no_data`` (the source answered and had nothing, or too few requests to
judge) or ``blind`` (the source did not answer, or was not asked). Unknown samples are evidence of nothing.

What the samples say, from the newest backwards, and what that makes the rule (``for: 2m``, asked every 30 s;
``#`` over the limit, ``.`` under it, ``-`` no data, ``?`` blind):

| samples    | verdict | because                                                                                       |
|------------|---------|-----------------------------------------------------------------------------------------------|
| (none)     | blind   | nothing was measured; no samples are never a pass (no_data while it warms up)                 |
| .....      | pass    | the newest sample is under the limit                                                          |
| ..#..      | pass    | a spike that is over is no breach                                                             |
| ...##      | pass    | over, but not for two minutes yet; ``pending`` is set, and a watch does not end on it         |
| #####      | breach  | over from the first to the last sample, two minutes apart                                     |
| ##.###     | pass    | one sample under the limit begins the count anew (``pending``)                                |
| ##-##?#    | breach  | unknown samples neither break a streak nor lengthen it: it lasts from known to known sample   |
| ##----#    | pass    | two known samples more than three intervals apart: nobody knows what was between, count anew  |
| #####?     | breach  | it was breached, and what is unknown since is no better                                       |
| ...-       | no_data | the newest sample decides                                                                     |
| ...?       | blind   | the newest sample decides                                                                     |
| ... (old)  | blind   | the newest sample is older than three intervals                                               |

``failures`` counts the known failures in a row instead of time; everything else holds for it too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from runwright.plural import plural
from runwright.policy.wording import as_time, as_value, subject
from runwright.runbook.checks import Rule

State = Literal["pass", "breach", "no_data", "blind"]
SampleState = Literal["ok", "no_data", "blind"]

GAP_INTERVALS = 3
"""Known samples that are further apart than so many intervals are not one streak, and nothing newer than that is blind."""


class Measured(Protocol):
    """What a rule is judged by. ``runwright.metrics`` gives measurements of this shape; ``Sample`` is one as well."""

    @property
    def at(self) -> datetime: ...
    @property
    def value(self) -> float | None: ...
    @property
    def requests(self) -> float | None: ...
    @property
    def state(self) -> SampleState: ...
    @property
    def reason(self) -> str: ...


@dataclass(frozen=True)
class Sample:
    """One measurement of one rule. value: in the rule's own unit (seconds, a ratio, percent); of a rule that counts a
    probe's failures, 1 if it failed and 0 if not. requests: how many requests it rests on, None if that is not known."""

    at: datetime
    value: float | None
    requests: float | None = None
    state: SampleState = "ok"
    reason: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a rule is, why, and the samples that the reason rests on.

    pending: it passes, but is over its limit now and will be breached if that lasts.
    """

    rule: str
    state: State
    reason: str
    samples: tuple[Measured, ...] = ()
    pending: bool = False


def assess(
    rule: Rule, samples: Sequence[Measured], now: datetime, started_at: datetime, every_seconds: float
) -> Verdict:
    """Return the verdict on ``rule`` at ``now``. ``samples`` are in the order in which they were taken.

    Samples from before ``started_at`` and its warm-up, and from the future, do not count. ``every_seconds`` is how often
    the watch asks, in fact: a system that hangs is asked more slowly, for each answer is waited for. A rule that is to be
    asked more often than that is not; one that is to be asked less often has an interval of its own.
    """
    gap = GAP_INTERVALS * max(rule.every or 0.0, every_seconds)
    warm = rule.warmup - (now - started_at).total_seconds()
    counted = [s for s in samples if rule.warmup <= (s.at - started_at).total_seconds() and s.at <= now]
    if now < started_at:
        return Verdict(rule.id, "blind", "the clock was set back to before the watch began")
    if not counted:
        if warm > 0:
            return Verdict(rule.id, "no_data", f"warming up, {as_time(warm)} left")
        return Verdict(rule.id, "blind", "nothing was measured")
    judged = [_Judged(s, *_known(rule, s)) for s in counted]
    newest = judged[-1]
    streak = _streak(judged, gap)
    held = (streak[-1].sample.at - streak[0].sample.at).total_seconds() if streak else 0.0
    current = bool(streak) and (now - streak[-1].sample.at).total_seconds() <= gap
    if current and _lasted(rule, len(streak), held):
        evidence = tuple(j.sample for j in streak)
        return Verdict(rule.id, "breach", _over(rule, streak, held), evidence)
    if (age := (now - newest.sample.at).total_seconds()) > gap:
        return Verdict(rule.id, "blind", f"nothing was measured for {as_time(age)}", (newest.sample,))
    if newest.state != "ok":
        return Verdict(rule.id, newest.state, newest.reason, (newest.sample,))
    if streak:
        evidence = tuple(j.sample for j in streak)
        return Verdict(rule.id, "pass", f"{_over(rule, streak, held)}; {_wanted(rule)}", evidence, pending=True)
    return Verdict(rule.id, "pass", _under(rule, newest.sample), (newest.sample,))


class Asked(Protocol):
    """What came of asking a probe, as far as a rule looks at it. ``runwright.probes`` gives results of this shape."""

    @property
    def state(self) -> Literal["pass", "warn", "fail", "blind"]: ...
    @property
    def seconds(self) -> float | None: ...
    @property
    def reason(self) -> str: ...
    @property
    def numbers(self) -> Mapping[str, float]: ...
    @property
    def missing(self) -> Mapping[str, str]: ...
    @property
    def phases(self) -> Mapping[str, float]: ...


def from_probe(rule: Rule, at: datetime, asked: Asked) -> Sample:
    """Return the sample of a rule that looks at a probe, given what came of asking it.

    The time of an answer that was wrong says nothing: a quick 503 is not quick. A number says what it says also there.
    """
    if asked.state == "blind":
        return Sample(at, None, None, "blind", asked.reason)
    if rule.failures is not None:
        return Sample(at, float(asked.state == "fail"), None, "ok", asked.reason)
    if rule.number is not None:
        if (value := asked.numbers.get(rule.number)) is not None:
            return Sample(at, value, None, "ok", "")
        why = asked.missing.get(rule.number) or f"the probe failed: {asked.reason}"
        return Sample(at, None, None, "no_data", f"number {rule.number}: {why}")
    seconds = asked.seconds if rule.phase is None else asked.phases.get(rule.phase)
    if asked.state == "fail":
        return Sample(at, None, None, "no_data", f"the probe failed, its time says nothing: {asked.reason}")
    if seconds is None:
        return Sample(at, None, None, "no_data", f"there was no such part of the request ({rule.phase or 'total'})")
    return Sample(at, seconds, None, "ok", asked.reason)


@dataclass(frozen=True)
class _Judged:
    sample: Measured
    state: SampleState
    reason: str
    over: bool


def _known(rule: Rule, sample: Measured) -> tuple[SampleState, str, bool]:
    """Return (state, why it is unknown, whether it is over the limit)."""
    if sample.state != "ok":
        return sample.state, sample.reason or f"{subject(rule)}: no value", False
    if sample.value is None or not math.isfinite(sample.value):
        return "no_data", f"{subject(rule)} has no value", False
    if rule.min_requests and (sample.requests is None or not sample.requests >= rule.min_requests):
        seen = "an unknown number of requests" if sample.requests is None else plural(sample.requests, "request")
        return "no_data", f"{seen}, {plural(rule.min_requests, 'is', 'are')} needed to judge {subject(rule)}", False
    if rule.failures is not None:
        return "ok", "", sample.value > 0
    return "ok", "", sample.value < rule.limit if rule.below is not None else sample.value > rule.limit


def _streak(judged: Sequence[_Judged], gap: float) -> list[_Judged]:
    """Return the newest unbroken run of known samples over the limit, oldest first; empty if the newest known is under."""
    run: list[_Judged] = []
    for one in reversed(judged):
        if one.state != "ok":
            continue
        if not one.over:
            break
        apart = (run[-1].sample.at - one.sample.at).total_seconds() if run else 0.0
        if not 0 <= apart <= gap:  # below 0: the clock was set back, and how long it lasted is not known
            break
        run.append(one)
    return run[::-1]


def _lasted(rule: Rule, count: int, held: float) -> bool:
    return count >= (rule.failures or 1) and held >= rule.lasting


def _over(rule: Rule, streak: Sequence[_Judged], held: float) -> str:
    newest = streak[-1].sample
    lasting = f" for {as_time(held)}" if held > 0 else ""
    if rule.failures is not None:
        times = "once" if len(streak) == 1 else f"{len(streak)} times in a row"
        return f"{subject(rule)} failed {times}{lasting}" + (f": {newest.reason}" if newest.reason else "")
    sign = "<" if rule.below is not None else ">"
    value, limit = as_value(rule, newest.value), as_value(rule, rule.limit)
    if value == limit:  # "5 % > 5 %" explains nothing
        value, limit = f"{newest.value:.9g}", f"{rule.limit:.9g}"
    return f"{subject(rule)} {value} {sign} {limit}{lasting}{_rests_on(newest)}"


def _under(rule: Rule, sample: Measured) -> str:
    if rule.staying is not None:
        return f"{subject(rule)} are well"
    if rule.failures is not None:
        return f"{subject(rule)} passed"
    sign = "≥" if rule.below is not None else "≤"
    return f"{subject(rule)} {as_value(rule, sample.value)} {sign} {as_value(rule, rule.limit)}{_rests_on(sample)}"


def _wanted(rule: Rule) -> str:
    parts = []
    if rule.failures is not None and rule.failures > 1:
        parts.append(f"{rule.failures} in a row")
    if rule.lasting:
        parts.append(as_time(rule.lasting))
    return f"a breach after {' and '.join(parts)}"


def _rests_on(sample: Measured) -> str:
    return "" if sample.requests is None else f", {plural(sample.requests, 'request')}"
