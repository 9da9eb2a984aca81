"""The probe `burst`: many requests at once, of which a limit must refuse a part. Never in production."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Final

from runwright.engine.actions import Action, Http, Read
from runwright.engine.effects import requests
from runwright.errors import ActionError, InputError, ObservationError
from runwright.plural import plural
from runwright.probes import http
from runwright.probes.judging import no_answer
from runwright.probes.shape import Answer, Asked
from runwright.runbook.questions import Burst

MARGIN_SECONDS: Final = 5.0
UNANSWERED: Final = 0


def question(asked: Asked, judge: Callable[[Answer], dict[str, Any]]) -> Action[dict[str, Any]]:
    """Return the burst. Raise InputError in production, whatever the runbook says."""
    probe, wanted = asked.probe, asked.probe.burst
    assert wanted is not None
    if asked.world.production:
        raise InputError("A burst is never sent to production.", next="Limit the probe with `environments`.")
    # without a key: it is one part of the change that the burst is
    one = http.question(Asked(probe, asked.values, asked.clock, asked.key or "burst", asked.world), judge)
    assert isinstance(one, Http)
    rounds = math.ceil(wanted.requests / wanted.at_once)
    return Read(
        says=f"ask {probe.id}: {asked.values.show(probe.what)}",
        function=lambda: judge(answer(_sent(one, wanted), wanted)),
        asks=True,
        key=one.key,
        repeatable=one.repeatable,
        deadline_seconds=rounds * probe.timeout + wanted.requests * wanted.every + MARGIN_SECONDS,
        assume=one.assume,
    )


def answer(statuses: Counter[int], wanted: Burst) -> Answer:
    """Return how often each status was answered, and what is wrong with that."""
    total, none = statuses.total(), statuses[UNANSWERED]
    told = ", ".join(f"{status} {count} times" for status, count in sorted(statuses.items()) if status != UNANSWERED)
    wrong = [f"{plural(none, 'request')} of {total} got no answer"] if none else []
    for form, part in wanted.answers.items():
        found = _of(statuses, form) / total
        if found < part:
            wrong.append(f"{found:.0%} of {total} answers are {form}, expected at least {part:.0%}")
    wrong += [f"{_of(statuses, form)} of {total} answers are {form}" for form in wanted.never if _of(statuses, form)]
    if wrong and told:
        wrong.append(f"it answered {told}")
    body = json.dumps({"answers": {str(status): count for status, count in statuses.items()}}).encode()
    return Answer(body, 0.0, wrong=tuple(wrong), heard=none < total)


def _of(statuses: Counter[int], form: str) -> int:
    return sum(count for status, count in statuses.items() if form in (str(status), f"{status // 100}xx"))


def _sent(one: Http[Any], wanted: Burst) -> Counter[int]:
    def send(number: int) -> int:
        time.sleep(max(0.0, begun + number * wanted.every - time.monotonic()))
        try:
            return requests.request(one).status
        except ActionError as error:
            ours, why = no_answer(error, one.deadline_seconds)
            if ours:  # it never left: that is no evidence
                raise ObservationError(f"Not all of {wanted.requests} requests could be sent: {why}") from None
            return UNANSWERED

    begun = time.monotonic()
    with ThreadPoolExecutor(wanted.at_once) as pool:
        # each in a context of its own: a loopback address is that of where things are done
        sent = [pool.submit(copy_context().run, send, number) for number in range(wanted.requests)]
    return Counter(one.result() for one in sent)
