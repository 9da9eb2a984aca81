"""What a watch does at each step, and what a release is when the watch is over: pure functions.

At each step (``decide``):

| the rules say                               | step     | what follows                                                      |
|---------------------------------------------|----------|-------------------------------------------------------------------|
| a rollback rule is breached                 | breach   | the system is put back at once                                    |
| a rollback rule is blind, none is breached  | hold     | the interval does not count as watched; the old version stays warm |
| anything else                               | continue | the interval counts                                               |

A breach of a rule whose purpose is page or investigate is noted and changes nothing.

When so much was watched as was asked for (``conclude``), the first that is true:

| what was seen                                                      | the release is                                         |
|--------------------------------------------------------------------|--------------------------------------------------------|
| a rollback rule was breached                                       | breach                                                 |
| a rollback rule is blind, or over its limit but not yet for long enough; a probe fails now, or could not be asked | hold, until that has cost as long as the watch itself; then freeze |
| no rule could be judged and no probe was asked                     | freeze: no evidence is never a pass                    |
| a rule that requires traffic saw too little of it                  | freeze                                                 |
| none of these                                                      | proven; rules that saw too little, and what else was odd, are listed |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from runwright.plural import plural
from runwright.policy.rules import State, Verdict
from runwright.policy.wording import as_time
from runwright.runbook.checks import Rule
from runwright.runbook.probes import Probe

Step = Literal["continue", "breach", "hold"]
End = Literal["proven", "breach", "hold", "freeze"]

MIN_JUDGED_SHARE = 0.1
"""A rule that could be judged in less than a tenth of the checks saw too little: one lucky minute proves nothing."""

LONGEST_CREDIT_INTERVALS = 2
"""What one step may count for. Between two steps that are further apart, nobody was watching."""

IMPLIED_FAILURES = 3
"""A health probe without a rule of its own breaches after so many failures in a row: one or two may be a hiccup."""


class SteadyClock:
    """A clock for one watch that never jumps: it begins at ``wall`` and goes on as ``monotonic`` does.

    ``not_before`` is the newest sample of a watch that goes on, in case the machine's clock was set back meanwhile.
    """

    def __init__(self, wall: datetime, monotonic: Callable[[], float], not_before: datetime | None = None) -> None:
        self._begin = max(wall, not_before) if not_before else wall
        self._monotonic = monotonic
        self._zero = monotonic()

    def __call__(self) -> datetime:
        """Return the time of the watch."""
        return self._begin + timedelta(seconds=self._monotonic() - self._zero)


@dataclass(frozen=True)
class Progress:
    """How much of a watch is over: seconds that were really watched, not what a clock says has passed.

    The caller gives the seconds since the step before, taken from a SteadyClock: setting the machine's clock then
    neither ends nor lengthens a watch. A watch that goes on after a crash goes on with the time that was left.
    """

    duration_seconds: float
    every_seconds: float
    watched_seconds: float = 0.0
    held_seconds: float = 0.0

    def advance(self, seconds: float, *, counts: bool) -> Progress:
        """Return the progress after a step that came ``seconds`` after the one before it, watched or held."""
        credit = min(max(seconds, 0.0), LONGEST_CREDIT_INTERVALS * self.every_seconds)
        if counts and not self.finished:
            return replace(self, watched_seconds=self.watched_seconds + credit)
        return replace(self, held_seconds=self.held_seconds + credit)

    @property
    def left_seconds(self) -> float:
        """How much is still to be watched."""
        return max(0.0, self.duration_seconds - self.watched_seconds)

    @property
    def finished(self) -> bool:
        """Whether so much was watched as was asked for."""
        return self.left_seconds <= 1e-6

    @property
    def exhausted(self) -> bool:
        """Whether holding has cost as long as the watch itself: then a person decides."""
        return self.held_seconds >= self.duration_seconds


@dataclass(frozen=True)
class RuleRecord:
    """What became of one rule so far. judged: in how many of the ``asked`` checks there was evidence (pass or breach)."""

    rule: str
    asked: int = 0
    judged: int = 0
    state: State = "blind"
    reason: str = "never judged"
    pending: bool = False
    breached: str = ""

    def seen(self, verdict: Verdict) -> RuleRecord:
        """Return the record with one more verdict."""
        return RuleRecord(
            rule=self.rule,
            asked=self.asked + 1,
            judged=self.judged + (verdict.state in ("pass", "breach")),
            state=verdict.state,
            reason=verdict.reason,
            pending=verdict.pending,
            breached=self.breached or (verdict.reason if verdict.state == "breach" else ""),
        )


@dataclass(frozen=True)
class ProbeRecord:
    """What became of one probe so far. state: "" if it was never asked."""

    probe: str
    asked: int = 0
    failed: int = 0
    blind: int = 0
    state: Literal["", "pass", "warn", "fail", "blind"] = ""
    reason: str = ""

    def seen(self, state: Literal["pass", "warn", "fail", "blind"], reason: str) -> ProbeRecord:
        """Return the record with one more result."""
        return ProbeRecord(
            self.probe, self.asked + 1, self.failed + (state == "fail"), self.blind + (state == "blind"), state, reason
        )


@dataclass(frozen=True)
class Watching:
    """Everything that a watch must remember to go on after a crash: plain values, kept in the ledger after each step."""

    progress: Progress
    rules: Mapping[str, RuleRecord] = field(default_factory=dict)
    probes: Mapping[str, ProbeRecord] = field(default_factory=dict)

    def stepped(
        self,
        seconds: float,
        verdicts: Mapping[str, Verdict],
        probes: Mapping[str, tuple[Literal["pass", "warn", "fail", "blind"], str]],
        *,
        counts: bool,
    ) -> Watching:
        """Return what to remember after one step. ``probes`` are (state, reason) by id."""
        rules = {id: self.rules.get(id, RuleRecord(id)).seen(verdict) for id, verdict in verdicts.items()}
        asked = {id: self.probes.get(id, ProbeRecord(id)).seen(*result) for id, result in probes.items()}
        return Watching(
            self.progress.advance(seconds, counts=counts), {**self.rules, **rules}, {**self.probes, **asked}
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Watching:
        """Return what ``as_json`` gave."""
        return cls(
            Progress(**data["progress"]),
            {id: RuleRecord(**record) for id, record in data["rules"].items()},
            {id: ProbeRecord(**record) for id, record in data["probes"].items()},
        )


@dataclass(frozen=True)
class Decision:
    """What a watch does next. rule: the one that was breached or is blind. noted: breaches that only are remarked on."""

    step: Step
    reason: str
    rule: str | None = None
    noted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Conclusion:
    """What a release is when its watch is over, why, and what was odd besides."""

    state: End
    reason: str
    listed: tuple[str, ...] = ()


def with_probe_rules(rules: Sequence[Rule], health: Iterable[Probe]) -> list[Rule]:
    """Return the rules, and one for each health probe that no rollback rule counts the failures of.

    A release whose health probes fail three times in a row is put back, whether the runbook says so or not.
    """
    covered = {rule.probe for rule in rules if rule.failures is not None and rule.purpose == "rollback"}
    taken = {rule.id for rule in rules}
    implied = []
    for probe in health:
        if probe.id not in covered:
            name = f"{probe.id}-down"[:48]
            name = name if name not in taken else f"implied-{probe.id}"[:48]
            implied.append(Rule(id=name, probe=probe.id, failures=IMPLIED_FAILURES))
    return [*rules, *implied]


def with_staying_rule(rules: Sequence[Rule], services: Sequence[str]) -> list[Rule]:
    """Return the rules, and one for the ``services`` that stay, if there are any and no rule looks at them."""
    if not services or any(rule.staying is not None for rule in rules):
        return list(rules)
    name = next(n for n in ("staying", "implied-staying") if n not in {rule.id for rule in rules})
    return [*rules, Rule(id=name, staying=list(services), failures=IMPLIED_FAILURES)]


def decide(verdicts: Mapping[str, Verdict], rules: Sequence[Rule]) -> Decision:
    """Return what the watch does next, given the newest verdict on each rule."""
    noted = tuple(
        f"{rule.purpose}: {verdicts[rule.id].reason}"
        for rule in rules
        if rule.purpose != "rollback" and rule.id in verdicts and verdicts[rule.id].state == "breach"
    )
    serious = [rule for rule in rules if rule.purpose == "rollback"]
    for rule in serious:
        if rule.id in verdicts and verdicts[rule.id].state == "breach":
            return Decision("breach", f"rule {rule.id} is breached: {verdicts[rule.id].reason}", rule.id, noted)
    for rule in serious:
        if rule.id not in verdicts:
            return Decision("hold", f"rule {rule.id} was not judged", rule.id, noted)
        if verdicts[rule.id].state == "blind":
            return Decision("hold", f"rule {rule.id} is blind: {verdicts[rule.id].reason}", rule.id, noted)
    return Decision("continue", "no rollback rule is breached", None, noted)


def conclude(watching: Watching, rules: Sequence[Rule]) -> Conclusion:
    """Return what the release is, given everything that was seen of it. Call it when the progress is finished."""
    progress = watching.progress
    records = [(rule, watching.rules.get(rule.id, RuleRecord(rule.id))) for rule in rules]
    listed = _listed(records, watching.probes.values())
    for rule, record in records:
        if rule.purpose == "rollback" and record.breached:
            return Conclusion("breach", f"rule {rule.id} was breached: {record.breached}", listed)
    unclear = _unclear(records, watching.probes.values())
    if not progress.finished:
        unclear = [f"{as_time(progress.left_seconds)} are still to be watched", *unclear]
    if unclear and not progress.exhausted:
        return Conclusion("hold", "; ".join(unclear), listed)
    if unclear:
        reason = f"still not clear after {as_time(progress.held_seconds)} more: {'; '.join(unclear)}"
        return Conclusion("freeze", reason, listed)
    # how a database fares says nothing of what was released
    if not any(r.judged for rule, r in records if rule.staying is None) and not any(
        p.asked > p.blind for p in watching.probes.values()
    ):
        return Conclusion("freeze", "no rule could be judged and no probe was asked: there is no evidence", listed)
    for rule, record in records:
        if rule.requires_traffic and _too_little(record):
            return Conclusion("freeze", f"rule {rule.id} requires traffic and saw too little: {_share(record)}", listed)
    return Conclusion("proven", _proof(progress, records, list(watching.probes.values())), listed)


def _unclear(records: Sequence[tuple[Rule, RuleRecord]], probes: Iterable[ProbeRecord]) -> list[str]:
    unclear = []
    for rule, record in records:
        if rule.purpose == "rollback" and record.state == "blind":
            unclear.append(f"rule {rule.id} is blind: {record.reason}")
        elif rule.purpose == "rollback" and record.pending:
            unclear.append(f"rule {rule.id} is over its limit: {record.reason}")
    for probe in probes:
        if probe.state not in ("pass", "warn"):
            unclear.append(f"probe {probe.probe} {_now(probe)}")
    return unclear


def _now(probe: ProbeRecord) -> str:
    words = {"": "was never asked", "fail": f"fails: {probe.reason}", "blind": f"could not be asked: {probe.reason}"}
    return words.get(probe.state, probe.state)


def _listed(records: Sequence[tuple[Rule, RuleRecord]], probes: Iterable[ProbeRecord]) -> tuple[str, ...]:
    listed = []
    for rule, record in records:
        if record.breached and rule.purpose != "rollback":
            listed.append(f"rule {rule.id} ({rule.purpose}) was breached: {record.breached}")
        if _too_little(record):
            listed.append(f"rule {rule.id} saw too little to be judged: {_share(record)}")
    for probe in probes:
        if probe.failed or probe.blind:
            blind = f", could not be asked {plural(probe.blind, 'time')}" if probe.blind else ""
            listed.append(f"probe {probe.probe} failed {probe.failed} of {plural(probe.asked, 'time')}{blind}")
    return tuple(listed)


def _too_little(record: RuleRecord) -> bool:
    return record.judged == 0 or record.judged < MIN_JUDGED_SHARE * record.asked


def _share(record: RuleRecord) -> str:
    share = f"judged in {record.judged} of {plural(record.asked, 'check')}"
    return share if record.state in ("pass", "breach") else f"{share}; last: {record.reason}"


def _proof(progress: Progress, records: Sequence[tuple[Rule, RuleRecord]], probes: Sequence[ProbeRecord]) -> str:
    judged = sum(not _too_little(record) for _, record in records)
    asked = sum(probe.asked for probe in probes)
    rules = f"{judged} of {plural(len(records), 'rule')} judged, none for a way back breached"
    times = f"; {plural(len(probes), 'probe')} asked {plural(asked, 'time')}" if probes else ""
    return f"watched for {as_time(progress.watched_seconds)}: {rules}{times}"
