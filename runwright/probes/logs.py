"""The probe `logs`: lines that services printed since users reach the version, and whether they are more than before."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from runwright import patterns
from runwright.engine.actions import Action
from runwright.engine.visible import visible
from runwright.plural import plural
from runwright.policy.wording import as_time
from runwright.probes.shape import Answer, Asked, Logged
from runwright.runbook.questions import LogsQuestion

SHOWN_CHARACTERS: Final = 160
LEAST_MINUTES: Final = 1.0
"""One line in the first second is not sixty a minute."""


def question(asked: Asked, judge: Callable[[Answer], dict[str, Any]]) -> Action[dict[str, Any]]:
    """Return what reads the lines. Raise ActionError if it is not known where they are."""
    probe, wanted = asked.probe, asked.probe.logs
    assert wanted is not None
    before = asked.world.before.get(probe.id)
    return asked.world.log(
        wanted.services, f"ask {probe.id}: {probe.what}", lambda logged: judge(answer(logged, wanted, before))
    )


def answer(logged: Logged, wanted: LogsQuestion, before: float | None) -> Answer:
    """Return how many lines match, and what is wrong if they are too many. before: how many a minute it was, if that is known."""
    matching = matches(logged.lines, wanted)
    rate = per_minute(len(matching), logged.seconds)
    told = {"matching": len(matching), "lines": len(logged.lines), "per_minute": rate, "before_per_minute": before}
    body = json.dumps({name: value for name, value in told.items() if value is not None}).encode()
    usual = wanted.over_before is not None and before is not None and rate <= wanted.over_before * before
    if len(matching) <= wanted.at_most or usual:
        return Answer(body, 0.0)
    least = "at least " if logged.cut else ""
    said = f"{least}{plural(len(matching), 'line')} of {len(logged.lines):,} {'match' if len(matching) > 1 else 'matches'} within {as_time(logged.seconds)}, expected at most {wanted.at_most}"
    if wanted.over_before is not None:
        known = (
            "of the version before nothing is known"
            if before is None
            else f"before the release it was {before:.3g} a minute"
        )
        said += f" or {wanted.over_before:g} times what it was; now it is {rate:.3g} a minute, {known}"
    return Answer(body, 0.0, wrong=(f"{said}: {visible(matching[0])[:SHOWN_CHARACTERS]}",))


def matches(lines: Sequence[str], wanted: LogsQuestion) -> list[str]:
    """Return the lines that match and are not to be ignored. Of a line that is too long for that, its beginning counts."""

    def any_of(expressions: Sequence[str], line: str) -> bool:
        return any(patterns.found(one, line) for one in expressions)

    short = (line[: patterns.LONGEST_TEXT] for line in lines)
    return [line for line in short if any_of(wanted.match, line) and not any_of(wanted.ignore, line)]


def per_minute(count: int, seconds: float) -> float:
    """Return how many a minute that is."""
    return round(count / max(LEAST_MINUTES, seconds / 60), 4)
