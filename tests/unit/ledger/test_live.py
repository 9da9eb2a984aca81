"""What is live in many environments: the same as in each, in as many queries for many as for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, text

from runwright.ledger import Ledger, open_ledger
from runwright.ledger.releases import AT_ONCE
from runwright.ledger.states import ReleaseState
from tests.unit.ledger.conftest import Open, version_of

S = ReleaseState
BACK = (S.ROLLING_BACK, S.ROLLED_BACK)


def statements(ledger: Ledger, work: Callable[[], object]) -> int:
    """How many statements ``work`` executes."""
    seen: list[str] = []

    def executed(_c: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(ledger.store.engine, "before_cursor_execute", executed)
    work()
    event.remove(ledger.store.engine, "before_cursor_execute", executed)
    return len(seen)


def test_every_environment_has_its_own_live_release(ledger: Ledger, opened: Open) -> None:
    """One is proven, one was taken back with and one without a way back that is known, one was adopted, one has none."""
    proven = opened("v1", to=S.PROVEN, environment="proven")
    opened("v2", environment="proven")
    first = opened("v1", to=S.PROVEN, environment="back")
    opened("v2", to=S.PROVEN, environment="back")
    named = opened("v3", to=S.PROVEN, environment="back")
    ledger.releases.record(named.id, previous_id=first.id)
    unnamed = opened("v1", to=S.PROVEN, environment="unnamed")
    later = opened("v2", to=S.PROVEN, environment="unnamed")
    for release in (named, later):
        for state in BACK:
            ledger.releases.advance(release.id, state, "errors")
    adopted = ledger.releases.adopt("shop", "adopted", version_of("v7"), runbook={}, deployer="ada")
    opened("v1", environment="begun")
    live = ledger.releases.all_live()
    assert live == {
        ("shop", "proven"): proven,
        ("shop", "back"): first,
        ("shop", "unnamed"): unnamed,
        ("shop", "adopted"): adopted,
    }
    assert [name for _, name in ledger.releases.places()] == ["adopted", "back", "begun", "proven", "unnamed"]
    for where, release in live.items():
        assert ledger.releases.live(*where) == release
    assert ledger.releases.live("shop", "begun") is None and ledger.releases.live("bank", "proven") is None


def test_what_came_to_its_end_last_counts_not_what_was_opened_last(ledger: Ledger, opened: Open) -> None:
    """The older of two releases waited for its approval, and was proven after the younger one."""
    waited = opened("v1", to=S.PLANNED)
    opened("v2", to=S.PROVEN)
    for state in (S.APPROVED, S.SWITCHING, S.VERIFYING, S.WATCHING, S.PROVEN):
        ledger.releases.advance(waited.id, state, "it goes on")
    live = ledger.releases.live("shop", "production")
    assert live is not None and live.id == waited.id


@pytest.mark.parametrize("ask", ["all_live", "places"])
def test_many_environments_cost_as_many_queries_as_one(ledger: Ledger, opened: Open, ask: str) -> None:
    """Nothing is asked of each of them."""
    question = getattr(ledger.releases, ask)
    opened("v1", to=S.PROVEN, environment="first")
    one = statements(ledger, question)
    for number in range(4):
        opened("v1", to=S.PROVEN, environment=f"more{number}")
    assert statements(ledger, question) == one and len(question()) == 5


def test_the_newest_backup_and_drills_of_every_environment(ledger: Ledger, opened: Open) -> None:
    """A backup that was removed is none."""
    values: dict[str, Any] = {"bytes": 1, "sha256": "0", "seconds": 1.0, "engine": "sqlite", "revisions": None}
    taken = {
        (name, n): ledger.records.add_backup("shop", name, release_id=None, location=f"/{name}/{n}", **values)
        for name in ("a", "b")
        for n in (1, 2)
    }
    ledger.records.remove_backup(taken["a", 2].id)
    assert ledger.records.last_backups() == {("shop", "a"): taken["a", 1], ("shop", "b"): taken["b", 2]}
    assert ledger.records.last_backups("shop", "b") == {("shop", "b"): taken["b", 2]}
    assert opened("v1").id not in ledger.drills.newest()


def test_several_releases_are_asked_for_at_once(ledger: Ledger, opened: Open) -> None:
    """Also more than a database takes in one question; what there is not is left out."""
    first, second = opened("v1"), opened("v2")
    ledger.releases.set_fact(second.id, "watch", {"n": 1})
    ledger.releases.attach(second.id, "a later run", "rollback")
    ids = [first.id, *(f"nobody-{n}" for n in range(2 * AT_ONCE)), second.id]
    assert ledger.releases.several(ids) == {first.id: first, second.id: ledger.releases.get(second.id)}
    assert ledger.releases.facts_of(ids, "watch") == {second.id: {"n": 1}}
    assert ledger.releases.last_runs(ids) == {first.id: first.run_id, second.id: "a later run"}
    assert ledger.releases.several([]) == {}


def test_an_older_ledger_learns_what_is_live(ledger_url: str, opened: Open, ledger: Ledger) -> None:
    """What was released before there was such a table is found in the transitions, once, when the ledger is opened."""
    before = opened("v1", to=S.PROVEN)
    after = opened("v2", to=S.PROVEN)
    ledger.releases.record(after.id, previous_id=before.id)
    for state in BACK:
        ledger.releases.advance(after.id, state, "errors")
    begun = opened("v1", environment="begun")
    made_older(ledger)
    with open_ledger(ledger_url) as again:
        assert again.releases.places() == [("shop", "begun"), ("shop", "production")]
        assert again.releases.all_live() == {("shop", "production"): again.releases.get(before.id)}
        assert again.releases.get(begun.id) == begun


def made_older(ledger: Ledger) -> None:
    """Take back what revision 0003 made, as a ledger of an older Runwright is."""
    indexes = ("releases_by_state", "releases_of_commit", "runs_of_release", "backups_of_release")
    undo = [f"DROP INDEX {name}" for name in (*indexes, "backups_that_are_there")]
    undo += ["DROP TABLE environments", "UPDATE runwright_ledger_version SET version_num = '0002'"]
    ledger.store.write(lambda c: [c.execute(text(statement)) for statement in undo])
