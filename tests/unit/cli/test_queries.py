"""`status`, `history` and `show`: what the ledger knows, for people and for programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runwright.ledger import Ledger
from runwright.ledger.records import GateResult
from runwright.ledger.states import ReleaseState as S
from runwright.ledger.store import Store
from runwright.policy.drills import Drill
from tests.fixtures.surroundings import FakeClock
from tests.unit.cli.conftest import Call, Opened, version_of


def asked(call: Call, *words: str) -> Any:
    """Return the JSON that a query prints; it must succeed."""
    found = call(*words, "--json")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


@pytest.mark.parametrize("command", ["status", "history"])
def test_a_question_makes_no_ledger(call: Call, runwright_home: Path, command: str) -> None:
    """Whoever asks in the wrong folder is told where was looked, and leaves nothing behind."""
    found = call(command)
    assert found.exit_code == 0
    assert str(runwright_home / "ledger.db") in found.stdout
    assert not runwright_home.exists()


def test_status_of_a_runbook_that_was_never_released(call: Call, shop: Path) -> None:
    """It is known, and nothing is live."""
    (found,) = asked(call, "status", "shop/production")["environments"]
    assert (found["live"], found["unfinished"], found["held_by"]) == (None, [], None)


def test_status_of_what_nobody_knows_is_refused(call: Call, ledger: Ledger) -> None:
    """An empty answer would be taken for "nothing is live"."""
    found = call("status", "nosuch/production")
    assert found.exit_code == 2
    assert "nosuch" in found.stderr


def test_status_tells_what_is_live_and_the_way_back(call: Call, opened: Opened) -> None:
    """The release before is the way back, as long as its artifacts are there."""
    first = opened("v1", to=S.PROVEN)
    second = opened("v2", to=S.PROVEN, previous_id=first.id, level="L0")
    (found,) = asked(call, "status")["environments"]
    assert found["live"]["release"] == second.id
    assert found["live"]["way_back"]["release"] == first.id
    assert first.id in call("status").stdout


def test_status_tells_of_the_last_drill_and_of_one_that_is_overdue(
    call: Call, ledger: Ledger, opened: Opened, shop: Path
) -> None:
    """Only where the runbook asks for drills; never one of production."""
    opened("v1", to=S.PROVEN, environment="development")
    (found,) = asked(call, "status", "shop/development")["environments"]
    assert found["drill"] is None
    shop.write_text(shop.read_text() + "drill: {every: 30d}\n")
    (found,) = asked(call, "status", "shop/development")["environments"]
    assert (found["drill"]["overdue"], found["drill"]["newest"]) == (True, None)
    assert "never; overdue: `runwright drill shop/development`" in call("status").stdout
    release = opened("v1", to=S.ROLLED_BACK, environment="development", procedure="drill")
    now = datetime.now(UTC)
    back = now + timedelta(seconds=9)
    ledger.drills.keep(Drill(release.id, "shop", "development", "kill", now, now, "down", back, "came_back"))
    (found,) = asked(call, "status", "shop/development")["environments"]
    assert found["drill"]["overdue"] is False
    assert found["drill"]["newest"]["seconds_until_back"] == 9.0
    assert "broken by kill, back after 9 s" in call("status").stdout
    assert asked(call, "show", release.id)["drill"]["outcome"] == "came_back"
    assert "broken by kill, back after 9 s" in call("show", release.id).stdout


def test_status_asks_the_ledger_as_often_for_many_environments_as_for_one(
    call: Call, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many systems there are, it is answered at once."""
    asked_for: list[str] = []
    read = Store.read
    monkeypatch.setattr(Store, "read", lambda store, work: asked_for.append("") or read(store, work))

    def questions() -> int:
        asked_for.clear()
        assert call("status").exit_code == 0
        return len(asked_for)

    def environment(name: str) -> None:
        first = opened("v1", to=S.PROVEN, environment=name)
        opened("v2", to=S.PROVEN, environment=name, previous_id=first.id)
        opened("v3", to=S.FROZEN, environment=name)
        opened("v4", to=S.WATCHING, environment=name)

    environment("first")
    one = questions()
    for number in range(3):
        environment(f"more{number}")
    assert questions() == one


def test_status_tells_what_to_do_about_a_frozen_release(call: Call, ledger: Ledger, opened: Opened) -> None:
    """The reason, what the decision said, and the three commands that end it."""
    release = opened("v1", to=S.FROZEN)
    ledger.releases.set_fact(release.id, "decision", {"way": "freeze", "because": "x", "next": "Look at the database."})
    (found,) = asked(call, "status", "shop/production")["environments"]
    (frozen,) = found["unfinished"]
    assert frozen["because"] == "it came to frozen"
    assert frozen["next"].startswith("Look at the database.")
    assert all(f"runwright {c} {release.id}" in frozen["next"] for c in ("accept", "abandon"))
    assert f"runwright rollback shop/production --release {release.id} --yes" in frozen["next"]


def test_status_tells_who_holds_the_environment_and_how_far_the_watch_is(
    call: Call, opened: Opened, ledger_now: Ledger
) -> None:
    """And that it is being worked on, so that nobody starts a rollback beside it."""
    release = opened("v1", to=S.WATCHING)
    progress = {"duration_seconds": 1800.0, "every_seconds": 30.0, "watched_seconds": 90.0, "held_seconds": 0.0}
    ledger_now.releases.set_fact(release.id, "watch", {"watching": {"progress": progress, "rules": {}, "probes": {}}})
    ledger_now.leases.take(
        "shop", "production", holder="deploy of v1", run_id="run-1", procedure="deploy", release_id=release.id
    )
    (found,) = asked(call, "status")["environments"]
    assert found["held_by"]["holder"] == "deploy of v1"
    assert found["unfinished"][0]["watch"]["watched_seconds"] == 90.0
    assert "rollback" not in found["unfinished"][0]["next"]
    printed = call("status").stdout
    assert "watched 1m30s of 30m" in printed
    assert "deploy of v1" in printed


@pytest.fixture
def ledger_now(ledger: Ledger) -> Ledger:
    """The ledger by the real clock: commands ask it whether a lease is still held."""
    from runwright.ledger import open_ledger

    return open_ledger()


def test_status_tells_the_last_backup(call: Call, ledger: Ledger, opened: Opened) -> None:
    """How old it is, where, and whether it was ever restored."""
    opened("v1", to=S.PROVEN)
    assert "none that the ledger knows of" in call("status").stdout
    values = {"release_id": None, "location": "/b/x.dump", "bytes": 4096, "sha256": "0", "seconds": 1.0}
    backup = ledger.records.add_backup("shop", "production", **values, engine="postgres", revisions=["a1"])
    assert "not proven: /b/x.dump" in call("status").stdout
    ledger.records.prove_backup(backup.id, {"rows": 3})
    (found,) = asked(call, "status")["environments"]
    assert found["last_backup"]["proven"] is True
    assert found["last_backup"]["location"] == "/b/x.dump"


def test_history_lists_the_newest_first(call: Call, opened: Opened) -> None:
    """With state, reason, time and who asked for it."""
    opened("v1", to=S.PROVEN)
    opened("v2", to=S.ROLLED_BACK)
    found = asked(call, "history", "shop/production")["releases"]
    assert [(r["version"], r["state"]) for r in found] == [("v2", "rolled_back"), ("v1", "proven")]
    assert found[1]["seconds"] == 80.0
    lines = call("history").stdout.splitlines()
    assert "v2" in lines[1]
    assert "ada" in lines[1]
    assert [r["version"] for r in asked(call, "history", "--limit", "1")["releases"]] == ["v2"]


def test_history_is_whole_where_nobody_reads_it_on_a_terminal(call: Call, ledger: Ledger, opened: Opened) -> None:
    """What a file or another program gets is not cut: there is no width to keep to."""
    because = " ".join(["the reason is long"] * 20)
    ledger.releases.advance(opened("v1").id, S.ABANDONED, because)
    assert because in call("history").stdout


def test_history_leaves_out_what_was_no_release(call: Call, ledger: Ledger, opened: Opened) -> None:
    """A backup and a plan are kept in the same table; they are listed if asked for."""
    opened("v1", to=S.PROVEN)
    for _ in range(30):
        opened("backup", procedure="backup", to=S.ABANDONED)
    assert [r["version"] for r in asked(call, "history")["releases"]] == ["v1"]
    assert len(asked(call, "history", "--all", "--limit", "50")["releases"]) == 31


def test_show_tells_everything_of_one_release(call: Call, ledger: Ledger, opened: Opened, clock: FakeClock) -> None:
    """States, changes with their outcomes, gates, people, notes, backups and runs."""
    release = opened("v1", to=S.PLANNED)
    journal = ledger.journal(release.id)
    entry = journal.intend("prepare/build", "build web", None, repeatable=True, safe_point=False)
    clock.advance(3)
    journal.fail(entry, "it exited with 1")
    ledger.records.add_gate_results(release.id, [GateResult("ci", "fail", "tests failed", clock())])
    ledger.records.add_approval(release.id, "go-no-go", name="Ada", text="GO")
    ledger.records.add_note(release.id, "drill", "a note")
    found = asked(call, "show", release.id)
    assert [t["state"] for t in found["transitions"]] == ["preparing", "planned"]
    assert found["journal"][0] | {"at": None} == {
        "key": "prepare/build", "attempt": 1, "says": "build web", "state": "failed", "at": None, "seconds": 3.0,
        "under_lease": False, "error": "it exited with 1",
    }  # fmt: skip
    assert found["gates"][0]["reason"] == "tests failed"
    assert found["approvals"][0]["name"] == "Ada"
    assert found["runs"][0]["run"] == "run-1"
    printed = call("show", release.id).stdout
    assert all(w in printed for w in ("build web", "it exited with 1", "tests failed", "Ada", "a note", "run-1"))


def test_text_from_outside_cannot_paint_on_the_terminal(call: Call, opened: Opened, ledger: Ledger) -> None:
    """A reason, a name and a version are others' words."""
    release = opened("v\x1b[2J1", deployer="mallory\x1b]0;owned\x07")
    ledger.records.add_note(release.id, "x", "\x1b[31mred")
    for words in (("history",), ("show", release.id), ("status",)):
        found = call(*words)
        assert found.exit_code == 0
        assert "\x1b" not in found.stdout
        assert "\x07" not in found.stdout


def test_an_adopted_release_took_no_time(call: Call, ledger: Ledger) -> None:
    """Nobody released it; it was found."""
    ledger.releases.adopt("shop", "production", version_of("v0", adopted=True), runbook={}, deployer="ada")
    (found,) = asked(call, "history")["releases"]
    assert (found["adopted"], found["seconds"]) == (True, None)
    assert "adopted" in call("status").stdout


def test_a_ledger_that_cannot_be_read_is_said_in_words(call: Call, runwright_home: Path) -> None:
    """Not as an empty history."""
    runwright_home.mkdir()
    (runwright_home / "ledger.db").write_bytes(b"this is no database, whatever its name says" * 100)
    found = call("history")
    assert found.exit_code == 1
    assert str(runwright_home / "ledger.db") in found.stderr
    assert found.stdout == ""
