"""Measure a release for as long as its runbook says, and end at once when a rollback rule is breached."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, cast

from runwright.errors import (
    BreachError,
    CancelledError,
    FencedError,
    FrozenError,
    LedgerError,
    RefusedError,
    RunwrightError,
    VerificationError,
)
from runwright.ledger.records import Measurement
from runwright.ledger.states import ReleaseState
from runwright.metrics.scrape import ScrapeSource
from runwright.metrics.shape import Source
from runwright.policy import watch as policy
from runwright.policy.rollback import Serving, Way
from runwright.policy.rules import Sample, SampleState, Verdict, assess, from_probe
from runwright.probes.shape import ProbeResult
from runwright.release import drivers, staying
from runwright.release.again import Again
from runwright.release.ahead import stays_ahead
from runwright.release.decide import serving
from runwright.release.drill import noticed, unnoticed
from runwright.release.lease import renewed
from runwright.release.notify import notify
from runwright.release.pages import ShownWatch
from runwright.release.verify import strange
from runwright.release.work import Work, watch_rules, watch_seconds
from runwright.runbook.checks import Rule
from runwright.runbook.probes import Probe

PACED_BY = 10
"""How many rounds of asking say how often is asked."""
SLOWEST_SECONDS = 120.0
"""A round that took longer was no round of slow answers: this process was stopped. What was before is not one streak with
what comes after."""


def may_be_watched(work: Work) -> str:
    """Refuse to go on with a watch that never began, or of a version that does not serve: it would prove another one."""
    if work.release.is_drill:
        raise RefusedError(
            f"{work.id} is a drill: what it released was broken on purpose.",
            state="Nothing was changed.",
            next=f"`runwright rollback {work.release.system}/{work.release.environment} --release {work.id} --yes` takes it back.",
        )
    steps = work.ledger.releases.transitions(work.id)
    frozen_in_it = work.release.state is ReleaseState.FROZEN and steps[-1].before is ReleaseState.WATCHING
    if work.release.state is not ReleaseState.WATCHING and not frozen_in_it:
        raise RefusedError(
            f"{work.id} is {work.release.state.value}: there is no watch to go on with.",
            state="Nothing was changed.",
            next="`runwright status` shows what can be done about it.",
        )
    if (found := serving(work)) is not Serving.NEW:
        raise RefusedError(
            f"{work.release.ref} is not what users reach (that is {found.value}): nothing can be proven of it.",
            state="Nothing was changed.",
            next=f"`runwright rollback {work.release.system}/{work.release.environment} --release {work.id}` looks and decides.",
        )
    return f"{work.release.ref} serves, and its watch was interrupted"


def watch(work: Work) -> str:
    """Ask every rule at its interval until the watch is over. A watch that was interrupted goes on where it was."""
    if work.release.state is not ReleaseState.WATCHING:
        work.ledger.releases.advance(work.id, ReleaseState.WATCHING, "it does what its runbook says it must")
        work.refresh()
    return Watcher(work).run()


def watch_on(work: Work) -> str:
    """Go on with a watch whose run died, if that is what was decided; put the system back if it fails."""
    if (work.fact("decision") or {}).get("way") != Way.WATCH_ON.value:
        return "nothing to watch"
    from runwright.release.put_back import after_failure

    try:
        return Watcher(work).run()
    except BreachError as error:
        after_failure(work, error)
        return error.what


class Watcher:
    """One watch: the sources that are asked, the samples so far, and what is remembered after each step."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.every = work.runbook.watch.every
        self.rules = watch_rules(work)
        self.ahead = stays_ahead(work)
        self.samples: dict[str, list[Any]] = {rule.id: [] for rule in self.rules}
        self.due: dict[str, float] = {}
        self.paged: set[str] = set()
        self.rounds: deque[float] = deque(maxlen=PACED_BY)
        self.watching, began = self._remembered()
        newest = max((s.at for taken in self.samples.values() for s in taken), default=None)
        self.clock = policy.SteadyClock(datetime.now(UTC), time.monotonic, newest)
        self.started_at = began or self.clock()
        self.source: Source | None = drivers.metrics(
            work.site, work.values().fill, self.clock, work.fact("scrape") or ()
        )
        self.staying = staying.Watched(work)
        self.again = Again(work, self.clock)
        self.shown = ShownWatch(work, self.rules, self.started_at)

    def _health(self) -> list[Any]:
        probes = self.work.runbook.probes_of(self.work.release.environment)
        return [p for p in probes if p in self.work.runbook.verify.health]

    def _remembered(self) -> tuple[policy.Watching, datetime | None]:
        duration = watch_seconds(self.work)
        # an interval that is longer than the watch would judge nothing
        self.every = max(1.0, min(self.every, duration / 5)) if duration else self.every
        if kept := self.work.fact("watch"):
            started = datetime.fromisoformat(kept["started_at"])
            self._load_samples()
            return policy.Watching.from_json(kept["watching"]), started
        return policy.Watching(policy.Progress(duration, self.every)), None

    def _load_samples(self) -> None:
        for rule in self.rules:
            for m in self.work.ledger.records.measurements(self.work.id, rule.id):
                state = cast(SampleState, m.state)
                self.samples[rule.id].append(Sample(m.at, m.value, m.requests, state, m.reason))

    def run(self) -> str:
        """Watch to the end. Raise BreachError, or FrozenError where a person must judge."""
        work = self.work
        work.say(f"Watching for {self.watching.progress.left_seconds:.0f} s, every {self.every:g} s.")
        last = time.monotonic()
        while True:
            decision = self._step(last)
            last = time.monotonic()
            if decision.step == "breach":
                noticed(self.work, decision.reason)
                # shown once the old version serves again: drawing takes longer than switching
                raise BreachError(
                    f"While it was watched, {decision.reason}.",
                    state="The old version is put back now.",
                    next="The watch's artifact shows every measurement.",
                )
            if self.watching.progress.finished or self.watching.progress.exhausted:
                end = policy.conclude(self.watching, self.rules)
                if end.state != "hold" or self.watching.progress.exhausted:
                    return self._ended(end)
            left = self.watching.progress.left_seconds
            time.sleep(min(self.every, max(1.0, left)) if left else self.every)

    def _step(self, last: float) -> policy.Decision:
        # a watch changes nothing until it ends: nothing else would tell it that it lost the lease
        renewed(self.work.id)
        results = {probe.id: self._answer(probe) for probe in self._health()}
        for rule in self.rules:
            self._sample(rule, results)
        at = self.clock()
        first = not self.rounds
        pace = self._paced()
        verdicts = {r.id: assess(r, self.samples[r.id], at, self.started_at, pace) for r in self.rules}
        decision = policy.decide(verdicts, self.rules)
        self.watching = self.watching.stepped(
            0.0 if first else time.monotonic() - last,
            verdicts,
            {id: (r.state, r.reason) for id, r in results.items()},
            counts=decision.step != "hold",
        )
        for note in decision.noted:
            self.work.say(note, level="warning")
        self._page(verdicts)
        self.work.write_down("watch", {"started_at": self.started_at.isoformat(), "watching": self.watching.as_json()})
        if isinstance(self.source, ScrapeSource):
            self.work.write_down("scrape", self.source.as_json())
        self.shown.update(self.watching, self.samples)
        return decision

    def _paced(self) -> float:
        """Return how often the rules were really asked of late, in seconds: not more often than answers were waited for.

        By the interval alone, a system that hangs would seem to be measured too rarely to be judged.
        """
        self.rounds.append(time.monotonic())
        apart = [later - earlier for earlier, later in pairwise(self.rounds)]
        return max([self.every, *(seconds for seconds in apart if seconds <= SLOWEST_SECONDS)])

    def _page(self, verdicts: dict[str, Verdict]) -> None:
        """Tell people of a breach that puts nothing back, once for each rule."""
        for rule in self.rules:
            verdict = verdicts[rule.id]
            if rule.purpose == "page" and verdict.state == "breach" and rule.id not in self.paged:
                self.paged.add(rule.id)
                notify(self.work, f"{self.work.id}: rule {rule.id} is breached: {verdict.reason}")

    def _sample(self, rule: Rule, results: dict[str, ProbeResult]) -> None:
        every = rule.every or self.every
        if time.monotonic() < self.due.get(rule.id, 0.0):
            return
        self.due[rule.id] = time.monotonic() + every - 0.05
        sample = self._measured(rule, results)
        sample = replace(sample, reason=self.work.redaction.known()(sample.reason))
        self.samples[rule.id].append(sample)
        row = Measurement(rule.id, sample.at, sample.state, sample.value, sample.requests, sample.reason)
        self.work.ledger.records.add_measurements(self.work.id, [row])

    def _measured(self, rule: Rule, results: dict[str, ProbeResult]) -> Any:
        """Return a sample of ``rule``. What cannot be measured is blind: an outage of the monitoring is no breach."""
        try:
            return self._asked_for(rule, results)
        except (CancelledError, FencedError, LedgerError):
            raise
        except RunwrightError as error:
            return Sample(self.clock(), None, None, "blind", self.work.performer.clean_printed(error.what))

    def _asked_for(self, rule: Rule, results: dict[str, ProbeResult]) -> Any:
        do = self.work.do
        if rule.probe is not None:
            result = results.get(rule.probe) or self._asked(rule.probe)
            results[rule.probe] = result
            return from_probe(rule, self.clock(), result)
        if rule.staying is not None:
            return self.staying.sample(rule, self.clock())
        if rule.stats is not None:
            return drivers.stats(self.work.site, self.work.do, rule, self.clock())
        if self.source is None:
            return Sample(self.clock(), None, None, "blind", "the environment has no source of metrics")
        if rule.promql is not None:
            return self.source.query(do, rule.promql)
        assert rule.measure is not None
        return self.source.measure(do, rule.measure)

    def _asked(self, probe_id: str) -> ProbeResult:
        probe = next(p for p in self.work.runbook.probes_of(self.work.release.environment) if p.id == probe_id)
        return self._answer(probe)

    def _answer(self, probe: Probe) -> ProbeResult:
        """Ask a probe; where the schema is ahead on purpose, a wrong answer of one that compares revisions is a remark."""
        result = self.again.ask(probe)
        excused = self.ahead and probe.schema_ahead == "warn" and result.answered and not result.good
        return replace(result, state="warn") if excused else result

    def _require_released(self) -> None:
        """Raise VerificationError if what was watched is not what was released: then nothing was proven of that."""
        work = self.work
        slot = str(work.fact("slot") or "")
        if found := strange(work, work.version, work.platform.observe(work.do), slot):
            raise VerificationError(
                f"What runs is not {work.version.name} any more: {'; '.join(found)}. Nothing is proven of it.",
                next="Find out who changed it while it was watched. `runwright status` shows what runs.",
            )

    def _ended(self, end: policy.Conclusion) -> str:
        self.shown.show(self.watching, self.samples, end)
        if self.work.release.is_drill and end.state != "breach":
            raise unnoticed(self.work, end, self.watching.progress.watched_seconds)
        if end.state == "proven":
            self._require_released()
            self.work.write_down("listed", list(end.listed))
            self.work.ledger.releases.advance(self.work.id, ReleaseState.PROVEN, end.reason)
            return f"proven: {end.reason}"
        if end.state == "breach":
            noticed(self.work, end.reason)
            raise BreachError(f"While it was watched, {end.reason}.", state="The old version is put back now.")
        self.work.ledger.releases.advance(self.work.id, ReleaseState.FROZEN, end.reason)
        raise FrozenError(
            f"{self.work.id} is frozen: {end.reason}.",
            state="The new version serves; the old one is kept.",
            next="Judge it yourself: `runwright rollback` takes it back, `runwright accept` calls it proven. "
            "Without either, the next deploy has to say `--adopt`.",
        )
