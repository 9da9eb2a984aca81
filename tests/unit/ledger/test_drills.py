"""Drills are kept once, and come out as they went in."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from runwright.ledger import Ledger
from runwright.policy.drills import Drill
from tests.fixtures.surroundings import FakeClock
from tests.unit.ledger.conftest import Open


def test_a_drill_is_kept_once(ledger: Ledger, opened: Open, clock: FakeClock) -> None:
    """Whoever closes the release again changes nothing of what was kept first."""
    release = opened(procedure="drill")
    assert ledger.drills.of_release(release.id) is None
    at = clock()
    drill = Drill(
        release.id, "shop", "production", "kill", at, at + timedelta(seconds=5), "down", at + timedelta(seconds=9), "came_back"
    )  # fmt: skip
    ledger.drills.keep(drill)
    ledger.drills.keep(replace(drill, outcome="not_back", back_at=None))
    assert ledger.drills.of_release(release.id) == drill
    assert ledger.drills.find("shop", "production") == [drill]
    assert ledger.drills.find("shop", "staging") == []


def test_the_newest_drill_comes_first(ledger: Ledger, opened: Open, clock: FakeClock) -> None:
    """By when they were kept, and not by a clock that may go back."""
    kept = []
    for by in ("kill", "errors"):
        clock.advance(-60)
        release = opened(procedure="drill")
        kept.append(Drill(release.id, "shop", "production", by, clock(), None, "", None, "not_back"))
        ledger.drills.keep(kept[-1])
    assert ledger.drills.find("shop", "production") == kept[::-1]
    assert ledger.drills.find("shop", "production", limit=1) == kept[1:]
