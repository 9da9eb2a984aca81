"""The services that stay (database, cache, proxy): looked at before a release, verified with it, and watched."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime

from runwright.engine.visible import visible
from runwright.errors import CancelledError, FencedError, LedgerError, RunwrightError, VerificationError
from runwright.platforms.shape import ServiceFact
from runwright.policy.rules import Sample
from runwright.policy.staying import Look, Stays, ill, judged, restarted
from runwright.release.work import STAYING, Work
from runwright.runbook.checks import Rule

HEALTH_LOG = "health-log"
LOOK_AGAIN_SECONDS = 2.0
KEPT_LOOKS = 5
"""How many of the last runs of a healthcheck are kept as evidence, and how much of what each has printed."""
KEPT_CHARACTERS = 200


def remember(work: Work) -> None:
    """Write down how the services that stay fare before anything is changed. Once: what a release broke is no baseline."""
    if work.fact(STAYING) is None:
        work.write_down(STAYING, {name: stays.as_json() for name, stays in look(work).items()})


def look(work: Work) -> Look:
    """Return how each service that stays fares now."""
    by_service: dict[str, list[ServiceFact]] = {}
    for fact in work.platform.staying(work.do):
        by_service.setdefault(fact.service, []).append(fact)
    return {name: _seen(name, facts) for name, facts in by_service.items()}


def before(work: Work) -> Look:
    """Return how they fared before the release."""
    return {name: Stays.from_json(name, data) for name, data in (work.fact(STAYING) or {}).items()}


def verify(work: Work, within_seconds: float) -> str:
    """Wait until the services that stay run and are healthy, as they were before, and return what is to be said of them.

    One that was restarted since before the release is told, and no failure: that it goes on is for the watch to see. Raise
    VerificationError if one does not get well in time.
    """
    earlier, until = before(work), time.monotonic() + within_seconds
    services = judged(earlier, work.runbook.verify.staying)
    if not services:
        return ""
    while wrong := ill(now := look(work), services):
        if time.monotonic() + LOOK_AGAIN_SECONDS > until:
            raise VerificationError(
                f"What this release does not replace is not well: {'; '.join(wrong)}.",
                next="Look at what it printed. A service that is nothing to this release can be left out in `verify.staying`.",
            )
        time.sleep(LOOK_AGAIN_SECONDS)
    again = restarted(earlier, now, services)
    well = f"{', '.join(services)} {'runs' if len(services) == 1 else 'run'}, and none is unhealthy"
    return f"{well}; since the release began {' and '.join(again)}" if again else well


class Watched:
    """The services that stay, looked at by a watch: what restarts between two looks fails, and what goes on to, breaches."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._before: Look = before(work)
        self._last: Look | None = None

    def sample(self, rule: Rule, at: datetime) -> Sample:
        """Return how those that ``rule`` names fare now. Raise RunwrightError if nobody can tell."""
        assert rule.staying is not None
        now = look(self._work)
        services = judged(self._before, rule.staying)
        wrong = [*ill(now, services), *restarted(self._last or now, now, services)]
        self._last = now
        if not services:
            return Sample(at, None, None, "no_data", "there is no service that stays")
        return Sample(at, float(bool(wrong)), None, "ok", "; ".join(wrong))


def keep_health_log(work: Work) -> None:
    """Keep what the last runs of each healthcheck said, of the release's services and of those that stay, as evidence.

    It judges nothing: that it cannot be read is a remark.
    """
    try:
        _keep_health_log(work)
    except (CancelledError, FencedError, LedgerError):
        raise
    except RunwrightError as error:
        work.say(f"What the healthchecks said last is not kept: {error.what}", level="warning")


def _keep_health_log(work: Work) -> None:
    facts = [*work.platform.observe(work.do).running, *work.platform.staying(work.do)]
    logs = work.platform.health_log(work.do, [fact.instance for fact in facts if fact.healthy is not None])
    clean = work.redaction.known()
    kept = {
        instance: [
            [one.at, one.code, visible(clean(one.said).strip())[:KEPT_CHARACTERS]] for one in entries[-KEPT_LOOKS:]
        ]
        for instance, entries in logs.items()
    }
    if kept:
        work.write_down(HEALTH_LOG, kept)


def _seen(service: str, facts: Iterable[ServiceFact]) -> Stays:
    running = [fact for fact in facts if fact.running]
    known = [fact.healthy for fact in running if fact.healthy is not None]
    return Stays(
        service, bool(running), all(known) if known else None, {fact.instance: fact.restarts for fact in running}
    )
