"""Follow a run: what its release does, as events, from the ledger and from Prefect. It changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from deployments.cli.outcomes import SETTLE_SECONDS, Outcome, RunState, Wanted, outcome
from deployments.cli.wording import length, one_line
from runwright.errors import RunwrightError
from runwright.home import no_room
from runwright.ledger import Entry, Ledger, Release

POLL_SECONDS = 1.0
NO_WORKER_SECONDS = 15.0
"""A worker takes a run within about seven seconds; after this it is looked whether there is one."""
_TELLING = 100
"""So many characters of a reason are enough to know it again: where it is kept, it may be cut."""


class Runs(Protocol):
    """What is asked of Prefect."""

    def read(self, run_id: str) -> RunState:
        """Return the state of a run. Raise RunwrightError if it cannot be read now."""

    def workers(self) -> bool:
        """Return whether a worker is online that could take the run. Raise RunwrightError if nobody can tell."""


@dataclass(frozen=True)
class Event:
    """One thing that happened: its kind, a sentence, the same as data, and when; None of what is only seen now."""

    kind: str
    text: str
    data: dict[str, Any] = field(default_factory=dict)
    at: datetime | None = None


@dataclass
class Follower:
    """One run that is followed. ``step`` returns what happened since the last one; ``ended`` says how it came out.

    run_id: None follows the release by the ledger alone. release: known before, of a release that is taken up again.
    """

    ledger: Ledger
    runs: Runs
    run_id: str | None
    wanted: Wanted
    release: Release | None = None
    clock: Callable[[], float] = time.monotonic
    settle_seconds: float = SETTLE_SECONDS
    full: Callable[[], str] = no_room
    ended: Outcome | None = None
    run: RunState | None = None
    _entries: dict[tuple[str, int], str] = field(default_factory=dict)
    _transitions: int = 0
    _notes: int = 0
    _watched: Any = None
    _news: float | None = None
    _began: float | None = None
    _said: set[str] = field(default_factory=set)

    def skip_past(self) -> None:
        """Take what the release has done so far as known: only what comes is told."""
        for _ in self._of_release():
            pass

    def step(self) -> list[Event]:
        """Look once, and return what is new."""
        now = self.clock()
        self._began = self._began if self._began is not None else now
        found = [*self._of_run(), *self._of_release()]
        if found or self._news is None or self._held():
            self._news = now
        found += [*self._of_workers(now), *self._of_disk()]
        state = self.release.state if self.release else None
        self.ended = outcome(self.wanted, self.run, state, now - self._news, self.settle_seconds)
        return found

    def _held(self) -> bool:
        """Whether a living process holds the environment for this release: a long migration is no silence."""
        if self.release is None:
            return False
        lease = self.ledger.leases.holder(self.release.system, self.release.environment)
        return lease is not None and lease.release_id == self.release.id

    def _of_run(self) -> Iterator[Event]:
        if self.run_id is None:
            return
        try:
            seen = self.runs.read(self.run_id)
        except RunwrightError as error:
            self.run = None
            yield from self._once("prefect", f"{error.what} Going on by the ledger alone.")
            return
        self._said.discard("prefect")
        if self.run is None or (seen.type, seen.name) != (self.run.type, self.run.name):
            data = {"state": seen.type, "name": seen.name, "message": seen.message, "run": self.run_id}
            because = f": {one_line(seen.message, 300)}" if seen.terminal and self._only_said_by(seen) else ""
            yield Event("run", f"the run is {(seen.name or seen.type).lower()}{because}", data)
        self.run = seen

    def _only_said_by(self, run: RunState) -> bool:
        """Whether the message of a run tells what neither its release tells nor, without a release, the end will."""
        release = self._looked_up() if run.message else None
        if release is None:
            return False
        error = self.ledger.releases.fact(release.id, "error")
        what = one_line(str(error.get("what", "")).strip().partition("\n")[0]) if isinstance(error, dict) else ""
        steps = self.ledger.releases.transitions(release.id)
        known = what and what in one_line(run.message)
        return not (known and any(what[:_TELLING] in one_line(step.because) for step in steps))

    def _of_workers(self, now: float) -> Iterator[Event]:
        assert self._began is not None
        waits = self.run is not None and self.run.waits
        if not waits or now - self._began < NO_WORKER_SECONDS or "worker" in self._said:
            return
        try:
            online = self.runs.workers()
        except RunwrightError:
            return
        if not online:
            yield from self._once("worker", "No worker is online, so nothing happens. `runwright up` starts one here.")

    def _of_disk(self) -> Iterator[Event]:
        """A run that cannot write to the ledger holds, and has nowhere to say so."""
        if full := self.full():
            yield from self._once("disk", f"{full} Make room: until then nothing goes on.")
        else:
            self._said.discard("disk")

    def _once(self, name: str, text: str) -> Iterator[Event]:
        if name not in self._said:
            self._said.add(name)
            yield Event("warning", text, {"about": name})

    def _of_release(self) -> Iterator[Event]:
        release = self._looked_up()
        if release is None:
            return
        if self.release is None:
            yield Event("release", f"release {release.id}", {"release": release.id, "version": release.ref})
        self.release = release
        found = [*self._of_transitions(release), *self._of_journal(release), *self._of_notes(release)]
        yield from sorted(found, key=lambda event: event.at or release.created_at)
        yield from self._of_watch(release)

    def _looked_up(self) -> Release | None:
        if self.release is not None:
            return self.ledger.releases.get(self.release.id)
        return self.ledger.releases.of_run(self.run_id) if self.run_id else None

    def _of_transitions(self, release: Release) -> Iterator[Event]:
        steps = self.ledger.releases.transitions(release.id)
        for step in steps[self._transitions :]:
            data = {"before": step.before, "state": step.after, "because": step.because}
            yield Event("state", f"{step.after}: {one_line(step.because, 400)}", data, step.at)
        self._transitions = len(steps)

    def _of_journal(self, release: Release) -> Iterator[Event]:
        for entry in self.ledger.journal(release.id).entries():
            stage = "begun" if entry.state in ("intended", "running") else entry.state
            if self._entries.get((entry.key, entry.attempt)) == stage:
                continue
            self._entries[entry.key, entry.attempt] = stage
            yield _event(entry, stage)

    def _of_notes(self, release: Release) -> Iterator[Event]:
        notes = self.ledger.records.notes(release.id)
        for note in notes[self._notes :]:
            yield Event("note", one_line(note.text, 400), {"about": note.kind}, note.at)
        self._notes = len(notes)

    def _of_watch(self, release: Release) -> Iterator[Event]:
        progress = watch_progress(self.ledger.releases.fact(release.id, "watch"))
        if progress is None or progress == self._watched:
            return
        self._watched = progress
        yield Event("watch", watch_words(progress), progress)


def follow(follower: Follower, show: Callable[[Event], None], sleep: Callable[[float], None] = time.sleep) -> Outcome:
    """Show what happens until it has ended, and return how it came out."""
    while True:
        for event in follower.step():
            show(event)
        if follower.ended is not None:
            return follower.ended
        sleep(POLL_SECONDS)


def watch_progress(fact: Any) -> dict[str, Any] | None:
    """Return how far a watch is, from the fact ``watch`` of a release; None if it has not begun."""
    try:
        watching = fact["watching"]
        progress = watching["progress"]
        rules = {name: {"state": r["state"], "reason": r["reason"]} for name, r in watching["rules"].items()}
        return {
            "watched_seconds": float(progress["watched_seconds"]),
            "held_seconds": float(progress["held_seconds"]),
            "duration_seconds": float(progress["duration_seconds"]),
            "rules": rules,
        }
    except (TypeError, KeyError, AttributeError, ValueError):
        return None  # not begun, or written by another version: the watch itself is judged elsewhere


def watch_words(progress: dict[str, Any]) -> str:
    """Return the progress of a watch as a sentence."""
    told = f"watched {length(progress['watched_seconds'])} of {length(progress['duration_seconds'])}"
    if progress["held_seconds"]:
        told += f", held {length(progress['held_seconds'])}"
    odd = [f"{n}: {r['reason']}" for n, r in progress["rules"].items() if r["state"] in ("breach", "blind")]
    return told + ("; " + "; ".join(odd) if odd else "")


def _event(entry: Entry, stage: str) -> Event:
    data = {"key": entry.key, "attempt": entry.attempt, "says": entry.says, "seconds": entry.seconds}
    text = one_line(entry.says, 300)
    if stage == "done":
        text += f" ({length(entry.seconds)})"
    elif stage != "begun":
        data["error"] = entry.error
        text += f": {stage}" + (f": {one_line(entry.error, 300)}" if entry.error else "")
    return Event(stage, text, data, entry.intent_at if stage == "begun" else entry.outcome_at)
