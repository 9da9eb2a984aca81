"""What is kept beside a release, and comes out as it went in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from runwright.errors import InputError, LedgerError
from runwright.ledger import Ledger
from runwright.ledger.records import Approval, Backup, GateResult, Measurement
from tests.fixtures.surroundings import FakeClock
from tests.unit.ledger.conftest import Open


def add_backup(ledger: Ledger, environment: str = "production", **others: Any) -> Backup:
    """A backup of shop."""
    values: dict[str, Any] = {"release_id": None, "location": "/var/backups/shop/1.dump", "bytes": 5_000_000_000}
    values |= {"sha256": "ab" * 32, "seconds": 12.5, "engine": "postgres 15.4", "revisions": ["a1", "b2"]} | others
    return ledger.records.add_backup("shop", environment, **values)


def test_a_backup_comes_out_as_it_went_in(ledger: Ledger, opened: Open, clock: FakeClock) -> None:
    """The last one is the newest of its environment."""
    assert ledger.records.last_backup("shop", "production") is None
    first = add_backup(ledger)
    clock.advance(-60)
    second = add_backup(ledger, release_id=opened().id, revisions=None)
    add_backup(ledger, "staging")
    assert ledger.records.backups("shop", "production") == [second, first]
    assert ledger.records.last_backup("shop", "production") == second
    assert ledger.records.backups("shop", "production", release_id=second.release_id) == [second]
    assert first.id.startswith("shop-production-backup-20261121-070512-")


def test_a_backup_is_proven_by_what_was_restored(ledger: Ledger, clock: FakeClock) -> None:
    """When, and what was seen."""
    proven = ledger.records.prove_backup(add_backup(ledger).id, {"tables": 12, "rows": 30_000})
    assert (proven.proven_at, proven.proof) == (clock(), {"tables": 12, "rows": 30_000})
    assert ledger.records.last_backup("shop", "production") == proven


def test_a_backup_whose_file_was_removed_is_no_backup(ledger: Ledger) -> None:
    """It stays in the ledger for those who ask for it."""
    removed = ledger.records.remove_backup(add_backup(ledger).id)
    assert ledger.records.last_backup("shop", "production") is None
    assert ledger.records.backups("shop", "production", removed=True) == [removed]


def test_a_backup_that_is_not_there_cannot_be_proven(ledger: Ledger) -> None:
    """It is said by name."""
    with pytest.raises(InputError, match="no backup 'nothing'"):
        ledger.records.prove_backup("nothing", {})


def test_measurements_are_appended(ledger: Ledger, opened: Open, clock: FakeClock) -> None:
    """Oldest first, of one rule or of all; NaN is no value, infinity is one."""
    release = opened()
    pairs = [("errors", 0.01), ("p95", float("inf")), ("errors", None), ("errors", float("nan"))]
    items = [Measurement(rule, clock(), "pass", value, 3412, f"{rule} {value}") for rule, value in pairs]
    ledger.records.add_measurements(release.id, items[:2])
    ledger.records.add_measurements(release.id, items[2:])
    ledger.records.add_measurements(release.id, [])
    found = ledger.records.measurements(release.id)
    assert found[:3] == items[:3]
    assert [m.value for m in ledger.records.measurements(release.id, "errors")] == [0.01, None, None]
    assert ledger.records.measurements(opened("v2").id) == []


def test_gates_are_kept_with_their_reasons(ledger: Ledger, opened: Open, clock: FakeClock) -> None:
    """All that they ever said, in order."""
    release = opened()
    results = [GateResult("ci", "failed", "3 of 4 jobs passed", clock()), GateResult("ci", "passed", "4 of 4", clock())]
    ledger.records.add_gate_results(release.id, results)
    assert ledger.records.gate_results(release.id) == results


def test_an_approval_is_kept_with_the_name_of_who_gave_it(ledger: Ledger, opened: Open) -> None:
    """By gate, or all."""
    release = opened()
    stated = ledger.records.add_approval(release.id, "checklist", name="ada", text="every box is checked")
    allowed = ledger.records.add_approval(release.id, "plan", name="bob", text="go", plan_hash="ab12")
    assert ledger.records.approvals(release.id) == [stated, allowed]
    assert ledger.records.approvals(release.id, "plan") == [allowed]


@pytest.mark.parametrize(
    ("given_for", "lives", "holds"),
    [("ab12", None, True), ("ab12", 60, True), ("ab12", 0, False), ("cd34", None, False), (None, 60, True)],
)
def test_an_approval_holds_for_its_plan_until_it_expires(
    clock: FakeClock, given_for: str | None, lives: float | None, holds: bool
) -> None:
    """One of another plan, or one whose time is over, is none."""
    expires = None if lives is None else clock() + timedelta(seconds=lives)
    assert Approval("plan", "ada", "go", given_for, clock(), expires).holds("ab12", clock()) is holds


def test_the_log_is_kept_line_by_line(ledger: Ledger, opened: Open, clock: FakeClock) -> None:
    """In the order in which it was written, each with its time."""
    release = opened()
    notes = []
    for text in ("traffic goes to blue", "watch begins"):
        notes.append(ledger.records.add_note(release.id, "step", text))
        clock.advance(5)
    assert ledger.records.notes(release.id) == notes


def test_nothing_is_kept_for_a_release_that_is_not_there(ledger: Ledger) -> None:
    """On SQLite too, which would keep it if nobody asked it to look."""
    with pytest.raises(LedgerError):
        ledger.records.add_note("nobody", "step", "x")
