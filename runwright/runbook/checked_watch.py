"""Rules: each can be judged in every environment where it applies, and can be breached within the watch."""

from __future__ import annotations

from collections.abc import Iterator

from runwright.runbook.base import as_duration, references
from runwright.runbook.checks import Rule
from runwright.runbook.document import Mistake
from runwright.runbook.model import Runbook
from runwright.runbook.nearest import unknown
from runwright.runbook.probes import Probe, texts_in
from runwright.runbook.words import Path


def rule_mistakes(book: Runbook) -> Iterator[Mistake]:
    """Yield what is wrong with the rules of the watch."""
    for i, rule in enumerate(book.watch.rules):
        path: Path = ("watch", "rules", i)
        places = [n for n in book.environments if not rule.environments or n in rule.environments]
        yield from _probe(book, rule, path, places)
        yield from _metrics(book, rule, path, places)
        yield from _time(book, rule, path, places)
        for j, service in enumerate(rule.services):
            if service not in book.services():
                what = unknown("service", service, book.services())
                yield Mistake((*path, "services", j), what, needs=("components",))


def _probe(book: Runbook, rule: Rule, path: Path, places: list[str]) -> Iterator[Mistake]:
    if rule.probe is None:
        return
    known = {p.id: p for p in (*book.verify.health, *book.verify.smoke)}
    if rule.probe not in known:
        yield Mistake((*path, "probe"), unknown("probe", rule.probe, known), needs=("verify",))
        return
    if (left := next((p for p in _asked_with(rule.probe, list(known.values())) if p.cleanup), None)) is not None:
        what = f"`{left.id}` writes something that its `cleanup` deletes after verification; it cannot be asked again and again. Watch a probe that only reads."
        yield Mistake((*path, "probe"), what, needs=("verify",))
    numbers = known[rule.probe].numbers
    if rule.number is not None and rule.number not in numbers:
        what = f"{unknown('number', rule.number, numbers)} The probe `{rule.probe}` says which there are, in its `numbers`."
        yield Mistake(
            (*path, "number"), what, (f"numbers: {{{rule.number}: {{json: pool.checked_out}}}}",), needs=("verify",)
        )
    silent = [n for n in places if rule.probe not in [p.id for p in book.probes_of(n)]]
    if silent:
        what = f"the probe `{rule.probe}` is not asked in {', '.join(silent)}, where this rule applies. Limit the rule with `environments`."
        yield Mistake((*path, "probe"), what, (f"environments: [{', '.join(n for n in places if n not in silent)}]",))


def _asked_with(name: str, probes: list[Probe]) -> list[Probe]:
    """Return the probe ``name``, and those that are asked before it because they save what it needs."""
    at = next(i for i, probe in enumerate(probes) if probe.id == name)
    found = [probes[at]]
    for earlier in reversed(probes[:at]):
        texts = (text for probe in found for text in texts_in(probe))
        if {saved for text in texts for kind, saved in references(text) if kind == "saved"} & set(earlier.save):
            found.append(earlier)
    return found


def _metrics(book: Runbook, rule: Rule, path: Path, places: list[str]) -> Iterator[Mistake]:
    if rule.measure is None and rule.promql is None:
        return
    key = "measure" if rule.measure else "promql"
    blind = [n for n in places if book.environments[n].metrics is None]
    if blind:
        what = f"{', '.join(blind)} has no `metrics` that could answer this. Add them, or limit the rule with `environments`."
        example = ('metrics: {kind: scrape, url: "${url.api}/metrics"}',)
        yield Mistake((*path, key), what, example, needs=("environments",))
    sources = {n: source for n in places if (source := book.environments[n].metrics) and not source.answers_queries}
    if rule.promql and sources:
        source = next(iter(sources.values()))
        what = f"a query needs a Prometheus server; {', '.join(sources)} reads {source.title} (`kind: {source.kind}`). Use `measure`, or limit the rule with `environments`."
        yield Mistake((*path, key), what, ("measure: error_ratio",), needs=("environments",))


def _time(book: Runbook, rule: Rule, path: Path, places: list[str]) -> Iterator[Mistake]:
    every = rule.every or book.watch.every
    needed = rule.warmup + max(rule.lasting, every * ((rule.failures or 1) - 1))
    short = [n for n in places if needed >= book.watch_seconds(n) > 0]
    if short:
        what = f"this needs {as_duration(needed)} to be breached, and {short[0]} is watched for {as_duration(book.watch_seconds(short[0]))}: it could never be breached. Watch longer, or ask for less (`failures`, `for`)."
        yield Mistake(path, what, needs=("environments",))


def rule_warnings(book: Runbook) -> Iterator[str]:
    """Yield the rules that could put back a good release because of a few requests."""
    for rule in book.watch.rules:
        if rule.purpose != "rollback" or rule.measure in (None, "request_rate"):
            continue
        lacking = [key for key, value in (("for", rule.lasting), ("min_requests", rule.min_requests)) if not value]
        if lacking:
            yield (
                f"watch.rules `{rule.id}`: without {' and '.join(f'`{key}`' for key in lacking)} a few bad requests are enough to put a release back."
            )
