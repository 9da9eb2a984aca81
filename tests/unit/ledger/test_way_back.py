"""What going back takes along, whoever asks."""

from __future__ import annotations

from typing import Any

from runwright.ledger import Ledger
from runwright.ledger.release import Release
from runwright.ledger.states import ReleaseState
from runwright.ledger.way_back import before, checked_target, level_between, taken_along
from runwright.policy.levels import Level
from runwright.versions import Version

S = ReleaseState
PROVEN = (S.PLANNED, S.APPROVED, S.SWITCHING, S.VERIFYING, S.WATCHING, S.PROVEN)


def released(ledger: Ledger, ref: str, *states: ReleaseState, **columns: Any) -> Release:
    one = ledger.releases.open(
        "shop", "local", ref, procedure="deploy", run_id=ref, runbook={}, parameters={}, deployer="somebody"
    )
    for state in states:
        ledger.releases.advance(one.id, state, "so it went")
    return ledger.releases.record(one.id, **columns)


def test_what_froze_in_between_and_moved_the_schema_counts(ledger: Ledger) -> None:
    """v1, then v2 that dropped a column and froze, then v3: going back to v1 is as dear as v2."""
    v1 = released(ledger, "v1", *PROVEN, level="L0")
    v2 = released(
        ledger, "v2", S.PLANNED, S.APPROVED, S.MIGRATING, S.FROZEN, level="L3", schema_before=["a"], schema_after=["b"]
    )
    aside = released(ledger, "aside", S.ABANDONED, level="L3")
    v3 = released(ledger, "v3", *PROVEN, level="L0")
    newest_first = ledger.releases.find("shop", "local")
    along = taken_along(newest_first, v3, v1.id)
    assert [r.id for r in along] == [v3.id, v2.id]
    assert aside.id not in [r.id for r in along]
    assert level_between(along) is Level.L3
    assert level_between(taken_along(newest_first, v2, v1.id)) is Level.L3


def test_what_the_first_release_found_running_was_there_before_it(ledger: Ledger) -> None:
    """It is adopted, and so written down, only when that release looks: it is its way back all the same, and no nearer one."""
    first = released(ledger, "v1")
    version = Version("shop", "local", "adopted-1", "")
    found = ledger.releases.adopt("shop", "local", version, runbook={}, deployer="somebody")
    ledger.releases.record(first.id, level="L3", previous_id=found.id)
    for state in PROVEN:
        ledger.releases.advance(first.id, state, "so it went")
    second = released(ledger, "v2", *PROVEN, level="L0", previous_id=first.id)
    first = ledger.releases.get(first.id)
    newest_first = ledger.releases.find("shop", "local")
    assert [r.id for r in before(newest_first, second)] == [first.id, found.id]
    assert [r.id for r in before(newest_first, first)] == [found.id]
    assert checked_target(ledger, first, found.id).id == found.id
    assert level_between(taken_along(newest_first, second, found.id)) is Level.L3
