"""What must be true after every case, whatever was done to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from runwright.ledger.states import ReleaseState
from runwright.testing.invariants import violations
from tests.chaos.started import Started
from tests.chaos.world import World

SCHEMAS = {"0001_items": {"id", "name"}, "0002_note": {"id", "name", "note"}}
"""The columns of ``items`` at each revision: a migration that was left half-done shows here, whatever its number says."""


@dataclass(frozen=True)
class Outcome:
    """How a case ended: how long until it was safe, counted from the fault, and what an operator would have read."""

    seconds: float
    state: ReleaseState
    sentence: str


def judged(
    world: World,
    began: float,
    failed: Started,
    *procedures: Started,
    nothing_before: bool = False,
    times_tell: bool = True,
) -> Outcome:
    """Return how it ended. Fails the test, with everything that was said, if a promise is not kept.

    ``nothing_before``: it is the first release, and if it did not end well, nothing runs, as before.
    ``times_tell``: whether a later time in the journal was later; not so where the clock was set back in between.
    """
    seconds = time.monotonic() - began
    story = "\n".join(f"--- {p.run_id}\n{p.report}\n{p.log[-6000:]}" for p in (failed, *procedures))
    with world.ledger() as ledger:
        found = violations(ledger, world.system, world.environment)
        release = ledger.releases.of_run(failed.run_id)
        journal = ledger.journal(release.id).entries() if release else []
        notes = [note.kind for note in ledger.records.notes(release.id)] if release else []
    if not times_tell:
        found = [one for one in found if "had begun to change things" not in one]
    assert not found, "\n".join(found) + story
    assert release is not None, story
    assert release.state is not ReleaseState.FROZEN, f"{release.because}\n{story}"
    if nothing_before and release.state is not ReleaseState.PROVEN:
        assert not world.serves, story
    else:
        front = world.front_url()
        for path in ("/readyz", "/items"):
            answer = httpx.get(front + path, trust_env=False, timeout=20)
            assert answer.status_code == 200, f"{path}: {answer.text}\n{story}"
        assert_whole(world, story)
    if release.state is ReleaseState.ROLLED_BACK and any(e.key.startswith("back") and "/up" in e.key for e in journal):
        assert "downtime" in notes, story
    last = next(p for p in (*reversed(procedures), failed) if p.report.kind or p.report.returned)
    return Outcome(seconds, release.state, last.report.error or last.report.returned)


def told(record_property: Callable[[str, object], None], outcome: Outcome) -> None:
    """Let the results know how a case ended."""
    record_property("seconds", outcome.seconds)
    record_property("sentence", outcome.sentence.splitlines()[0])


def assert_whole(world: World, story: str) -> None:
    """The schema is the one that its revision stands for."""
    schema = world.schema()
    revision = world.revision()
    assert set(schema["items"]) == SCHEMAS[revision], f"{revision}: {schema}\n{story}"
    assert set(schema) == {"items", "heartbeats", "alembic_version"}, f"{schema}\n{story}"
