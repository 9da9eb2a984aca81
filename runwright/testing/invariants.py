"""The independent checker: whatever happened, is the system in a state that a person may rely on?

Five promises. Each is checked against the target first (``truth``), then against what the ledger says of it:
traffic is on a version that was verified; the database is at a revision that this version accepts; the ledger says what
is true; one procedure at a time; nothing of a release still runs that should not. A release that is frozen, with its
reason, is excused from the first two: a person has been told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from runwright.ledger import Ledger, Release
from runwright.ledger.states import ENDED, ReleaseState
from runwright.ledger.tables import journal, leases, releases
from runwright.policy.levels import Level
from runwright.runbook.snapshot import from_json
from runwright.testing.truth import Truth, look

_UNTOUCHED = frozenset({ReleaseState.PREPARING, ReleaseState.PLANNED})
"""A run in these holds no lease: only who started it knows whether it lives."""


@dataclass(frozen=True)
class Known:
    """What the ledger says of an environment. ``newest``: its releases, newest first. ``held``: by a live lease."""

    newest: tuple[Release, ...]
    live: Release | None
    held: str
    facts: dict[str, dict[str, Any]]

    @property
    def frozen(self) -> Release | None:
        """The release that waits for a person, if no later one has put things right."""
        last = next((r for r in self.newest if r.state is not ReleaseState.ABANDONED), None)
        return last if last is not None and last.state is ReleaseState.FROZEN else None

    def of(self, commit: str) -> list[Release]:
        """Return the releases of a commit."""
        return [r for r in self.newest if commit and r.commit == commit]


def violations(ledger: Ledger, system: str, environment: str, *, working: Iterable[str] = ()) -> list[str]:
    """Return what is not as it was promised, a sentence each; [] if every promise is kept.

    ``working``: ids of releases that a live run prepares at this moment (it holds no lease yet).
    Raise LedgerError if the ledger cannot be read, InputError if it knows no release of this environment's runbook.
    """
    known = _known(ledger, system, environment)
    if not known.newest:
        return []
    book = from_json(known.newest[0].runbook)
    truth = look(book, environment, frozenset(r.id for r in known.newest))
    found = [*_states(known, frozenset(working)), *_one_at_a_time(ledger, system, environment)]
    if not known.held:
        found += [*_traffic(known, truth), *_database(known, truth), *_said(known, truth), *_leftovers(known, truth)]
    return found


def _known(ledger: Ledger, system: str, environment: str) -> Known:
    newest = tuple(ledger.releases.find(system, environment, limit=100))
    holder = ledger.leases.holder(system, environment)
    live = ledger.releases.live(system, environment)
    return Known(
        newest, live, (holder.release_id or "?") if holder else "", {r.id: ledger.releases.facts(r.id) for r in newest}
    )


# ------------------------------------------------------------------------------------ traffic is on a verified version


def _traffic(known: Known, truth: Truth) -> Iterator[str]:
    if known.frozen is not None:
        return
    expected = known.live is not None or any(r.state is ReleaseState.WATCHING for r in known.newest)
    if truth.status is None:
        if expected and truth.front:
            yield f"Nothing answers at the front door {truth.front}, and {_name(known.live)} should."
        return
    if truth.status >= 500 and expected:
        yield f"The front door {truth.front} answers {truth.status}, and {_name(known.live)} should serve."
    if truth.commit and not _verified(known, truth.commit):
        states = ", ".join(f"{r.id} is {r.state}" for r in known.of(truth.commit)) or "no release has it"
        yield f"Users reach commit {truth.commit[:8]}, which was never verified: {states}."
    if truth.written and truth.says and truth.behind != truth.says:
        yield (
            f"The router serves commit {truth.says[:8]}, but would come back with {truth.written}, where "
            f"{truth.behind[:8] or 'nothing'} runs."
        )


def _verified(known: Known, commit: str) -> bool:
    """Whether a commit is one that was proven, is watched after it was verified, or is the way back of the live one."""
    good = {ReleaseState.PROVEN, ReleaseState.WATCHING}
    return any(r.state in good for r in known.of(commit)) or (known.live is not None and known.live.commit == commit)


def _name(release: Release | None) -> str:
    return f"{release.id} ({release.ref})" if release is not None else "no release"


# -------------------------------------------------------------------------- the database is where this version accepts


def _database(known: Known, truth: Truth) -> Iterator[str]:
    serving = known.of(truth.commit)
    if known.frozen is not None or truth.revisions is None or not serving:
        return
    heads = {h for release in serving if (h := _heads(known, release))}
    if not heads or any(_reached(known, start, frozenset(truth.revisions)) for start in heads):
        return
    wanted = " or ".join(sorted(", ".join(sorted(h)) for h in heads))
    yield (
        f"The database is at {', '.join(truth.revisions) or 'no revision'}, and the version that serves "
        f"({serving[0].ref}) expects {wanted}; no additive migrations lead from there to here."
    )


def _heads(known: Known, release: Release) -> frozenset[str]:
    """Return the revisions that a release's code expects; of one that was adopted: those that it was found with."""
    if found := known.facts[release.id].get("migrations"):
        return frozenset(found["heads"])
    after = [r for r in known.newest if r.previous_id == release.id and known.facts[r.id].get("migrations")]
    return frozenset(known.facts[after[-1].id]["migrations"]["current"]) if after else frozenset()


def _reached(known: Known, start: frozenset[str], there: frozenset[str]) -> bool:
    """Whether additive migrations of our releases lead from the revisions ``start`` to ``there``."""
    plans = [facts["migrations"] for facts in known.facts.values() if facts.get("migrations")]
    steps = [
        (frozenset(plan["current"]), frozenset(plan["heads"]))
        for plan in plans
        if all(Level(m["level"]) in (Level.L0, Level.L1) for m in plan["pending"])
    ]
    seen, new = {start}, {start}
    while new:
        new = {after for before, after in steps if before in new} - seen
        seen |= new
    return there in seen


# ------------------------------------------------------------------------------------------ the ledger says what is true


def _states(known: Known, working: frozenset[str]) -> Iterator[str]:
    for release in known.newest:
        if release.state in ENDED or release.id in (known.held, *working):
            continue
        if release.state is not ReleaseState.FROZEN:
            untouched = " (no run of it is known to live)" if release.state in _UNTOUCHED else ""
            yield f"{release.id} is {release.state}, and nobody works on it{untouched}."
            continue
        decision = known.facts[release.id].get("decision") or {}
        if not release.because:
            yield f"{release.id} is frozen without a reason."
        if decision.get("way") == "freeze" and not decision.get("next"):
            yield f"{release.id} is frozen, and nobody is told what to do next."


def _said(known: Known, truth: Truth) -> Iterator[str]:
    if known.frozen is not None or not truth.commit:
        return
    watched = [r for r in known.newest if r.state is ReleaseState.WATCHING]
    says = watched[0] if watched else known.live
    if says is None:
        yield f"Users reach commit {truth.commit[:8]}, and the ledger says that nothing is live."
    elif says.commit != truth.commit:
        yield f"The ledger says that {_name(says)} is live, and users reach commit {truth.commit[:8]}."


# ------------------------------------------------------------------------------------------------ one procedure at a time


def _one_at_a_time(ledger: Ledger, system: str, environment: str) -> Iterator[str]:
    """Every change under a token was begun, and its outcome known, before any change under a later token was begun."""
    there = (releases.c.system == system) & (releases.c.environment == environment)
    query = (
        select(journal.c.key, journal.c.token, journal.c.state, journal.c.intent_at, journal.c.outcome_at)
        .join(releases, releases.c.id == journal.c.release_id)
        .where(there & journal.c.token.is_not(None))
        .order_by(journal.c.number)
    )
    of_lease = (leases.c.system == system) & (leases.c.environment == environment)
    rows, current = ledger.store.read(
        lambda c: (list(c.execute(query)), c.execute(select(leases.c.token).where(of_lease)).scalar())
    )
    highest, begun_at = 0, None
    for row in rows:
        if row.token < highest:
            yield f"{row.key} was begun under token {row.token} after a change under token {highest}."
        elif row.token > highest:
            highest, begun_at = row.token, row.intent_at
            late = [
                r for r in rows if r.token < highest and r.outcome_at and r.outcome_at > begun_at and r.state == "done"
            ]
            yield from (
                f"{r.key} ended under token {r.token} after token {highest} had begun to change things." for r in late
            )
    if rows and current is not None and highest > current:
        yield f"The journal has token {highest}, and no lease was ever given with it (the newest is {current})."


# ----------------------------------------------------------------------------------------------------- what still runs


def _leftovers(known: Known, truth: Truth) -> Iterator[str]:
    allowed = _may_run(known)
    images = {image for r in known.newest if r.version and r.commit in allowed for image in _identities(r)}
    colours: dict[str, set[int]] = {}
    for one in truth.running:
        release_id, _, key = one.mark.partition("/")
        if one.job:
            yield f"{one.name} still runs: it belongs to {key or 'a job'} of {release_id or 'no release'}."
        elif one.commit and one.commit not in allowed:
            states = ", ".join(f"{r.id} is {r.state}" for r in known.of(one.commit)) or "no release has it"
            where = f" in {one.slot}" if one.slot else ""
            yield f"{one.name}{where} still runs commit {one.commit[:8]}: {states}."
        elif one.identity and images and one.service in _services(known) and one.identity not in images:
            yield f"{one.name} runs {one.identity[:19]}, which is of no version that should run."
        if one.slot:
            colours.setdefault(one.slot, set()).add(one.session)
    for slot, sessions in colours.items():
        if len(sessions) > 1:
            yield f"The application was started {len(sessions)} times in {slot}, and all of them run."


def _may_run(known: Known) -> set[str]:
    """Return the commits that may run: what is live, its way back, and what is watched or waits for a person."""
    by_id = {r.id: r for r in known.newest}
    kept = [r for r in known.newest if r.state in (ReleaseState.WATCHING, ReleaseState.FROZEN)]
    kept += [known.live] if known.live is not None else []
    kept += [by_id[r.previous_id] for r in kept if r.previous_id in by_id]
    return {r.commit for r in kept if r.commit}


def _identities(release: Release) -> set[str]:
    assert release.version is not None
    images = release.version.extra.get("images", {}).values()
    return {a.identity for a in release.version.artifacts} | {image for image in images if isinstance(image, str)}


def _services(known: Known) -> set[str]:
    return {s for r in known.newest[:1] for s in from_json(r.runbook).services()}
