"""Backups are kept for as long as the runbook says, and for as long as a release may need them."""

from __future__ import annotations

import os
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runwright.databases.shape import note_of
from runwright.databases.sqlite import Sqlite
from runwright.errors import ActionError, CancelledError
from runwright.ledger.records import Backup
from runwright.ledger.states import ReleaseState
from runwright.release import old_backups, scheduled_backup
from runwright.release.old_backups import AT_MOST_IN_A_RELEASE, prune, prune_if_it_can
from runwright.release.work import Work
from tasks import back_up as steps
from tests.unit.release.conftest import Opener

DAY = 24 * 3600.0
ENDS = (ReleaseState.PLANNED, ReleaseState.APPROVED, ReleaseState.SWITCHING, ReleaseState.VERIFYING, ReleaseState.WATCHING, ReleaseState.PROVEN)  # fmt: skip


@pytest.fixture
def work(opened: Opener, tmp_path: Path) -> Work:
    """A release of a system with a database, whose backups are kept for a day."""
    return opened(
        local={"database": {"kind": "sqlite", "path": "data.db"}},
        backup={"directory": str(tmp_path / "backups"), "keep": "1d"},
    )


def kept(work: Work, name: str, days: float, release: str | None = None, *, proven: bool = True) -> Backup:
    """A backup with its note, taken so many days ago."""
    assert work.runbook.backup is not None
    file = Path(work.runbook.backup.directory) / f"{name}.dump"
    file.parent.mkdir(exist_ok=True)
    for path in (file, note_of(file)):
        path.write_text("what was in it")
    backup = work.ledger.records.add_backup(
        "shop", "local", release_id=release, location=str(file), bytes=14, sha256="ab" * 32, seconds=1.0,
        engine="postgres 15.4", revisions=["a1"], created_at=datetime.now(UTC) - timedelta(days=days),
    )  # fmt: skip
    return work.ledger.records.prove_backup(backup.id, {"proof": "read back"}) if proven else backup


def there(work: Work) -> set[str]:
    """The names of the files that are left."""
    assert work.runbook.backup is not None
    return {path.name for path in Path(work.runbook.backup.directory).iterdir()}


def another(work: Work, *states: ReleaseState, previous: str | None = None) -> str:
    """Another release of the environment, in the last of the states."""
    releases = work.ledger.releases
    number = len(releases.find("shop", "local"))
    made = releases.open(
        "shop", "local", f"v0.{number}", procedure="deploy", run_id=f"run {number}", runbook=work.release.runbook,
        parameters={}, deployer="somebody",
    )  # fmt: skip
    releases.record(made.id, version=work.release.version, previous_id=previous)
    for state in states:
        releases.advance(made.id, state, "so it went")
    return made.id


def test_what_is_older_is_removed_with_its_note_however_many_there_are(work: Work) -> None:
    """More of them than anybody lists came within the time that they are kept, and all came after the old one."""
    kept(work, "old", days=3)
    for number in range(101):
        kept(work, f"young-{number}", days=0.5)
    prune(work)
    assert len(there(work)) == 202 and not {"old.dump", "old.dump.json"} & there(work)
    assert len(work.ledger.records.backups("shop", "local", limit=500)) == 101


def test_the_newest_that_is_proven_is_never_removed(work: Work) -> None:
    """However old it is: a newer one that nobody could read back does not take its place."""
    for name, days in (("oldest", 9), ("proven", 8)):
        kept(work, name, days)
    kept(work, "unproven", 7, proven=False)
    prune(work)
    assert there(work) == {"proven.dump", "proven.dump.json"}


def test_what_a_release_may_need_is_never_removed(work: Work) -> None:
    """Those of a release that is not over, of what is live, and of the way back of that."""
    gone = another(work, *ENDS)
    before = another(work, *ENDS, previous=gone)
    live = another(work, *ENDS, previous=before)
    frozen = another(work, ReleaseState.FROZEN)
    abandoned = another(work, ReleaseState.ABANDONED)
    names = {"gone": gone, "before": before, "live": live, "frozen": frozen, "abandoned": abandoned, "own": work.id}
    for name, release in names.items():
        kept(work, name, days=9, release=release)
    kept(work, "newest", days=8)
    prune(work)
    left = {name.partition(".")[0] for name in there(work)}
    assert left == {"before", "live", "frozen", "own", "newest"}


def test_another_environment_keeps_its_own(work: Work) -> None:
    """What is kept there is not for this runbook's environment to judge."""
    kept(work, "newest", days=2)
    work.ledger.records.add_backup(
        "shop", "production", release_id=None, location="/var/backups/p.dump", bytes=1, sha256="", seconds=1.0,
        engine="", revisions=[], created_at=datetime.now(UTC) - timedelta(days=90),
    )  # fmt: skip
    prune(work)
    assert work.ledger.records.last_backup("shop", "production") is not None


@pytest.mark.parametrize("folder", ["shop-local", ""])
def test_what_a_dump_never_finished_is_removed_after_a_day(work: Work, tmp_path: Path, folder: str) -> None:
    """Of this environment alone, also where all environments once had one folder; one that may still be written stays."""
    backups = tmp_path / "backups" / folder
    backups.mkdir(parents=True)
    old = [
        "shop-local-20260101T000000Z.dump.partial",
        ".shop-local-20260101T000000Z.db.partial",
        ".shop-local-20260101T000000Z.db.partial-wal",
    ]
    others = ["shop-local-eu-20260101T000000Z.dump.partial", "shop-local-20260101T000000Z.dump", "notes.partial"]
    for name in [*old, *others]:
        path = backups / name
        path.write_text("half")
        os.utime(path, (time.time() - 2 * DAY,) * 2)
    young = "shop-local-20260102T000000Z.dump.partial"
    (backups / young).write_text("half")
    prune(work)
    assert {path.name for path in backups.iterdir()} == {young, *others}


def test_a_release_removes_a_few_and_leaves_the_rest_to_the_next(work: Work) -> None:
    """Users wait for what a release does; the oldest go first."""
    for number in range(AT_MOST_IN_A_RELEASE + 3):
        kept(work, f"old-{number}", days=90 - number)
    prune_if_it_can(work)
    left = {name.partition(".")[0] for name in there(work)}
    assert left == {f"old-{AT_MOST_IN_A_RELEASE + number}" for number in range(3)}


def database(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(exist_ok=True)
    with sqlite3.connect(tmp_path / "run" / "data.db") as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    connection.close()


def test_a_release_prunes_after_its_own_backup_was_proven(work: Work, tmp_path: Path) -> None:
    """Where no backups are scheduled nobody else would."""
    database(tmp_path)
    kept(work, "old", days=9)
    location = steps.back_up.fn(work.id)
    assert Path(location).exists() and "old.dump" not in there(work)


def test_a_schedule_prunes_after_its_backup(work: Work, tmp_path: Path) -> None:
    """The new one is there before an old one goes."""
    database(tmp_path)
    kept(work, "old", days=9)
    location = scheduled_backup._backup(work)
    assert Path(location).exists() and "old.dump" not in there(work)


def test_a_database_that_cannot_be_backed_up_keeps_its_old_backups(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is old is worth more than nothing."""
    database(tmp_path)
    kept(work, "old", days=9)
    kept(work, "older", days=10)

    def fails(*_: object) -> None:
        raise ActionError("the disk is full")

    monkeypatch.setattr(Sqlite, "backup", fails)
    with pytest.raises(ActionError):
        scheduled_backup._backup(work)
    with pytest.raises(ActionError):
        steps.back_up.fn(work.id)
    assert {"old.dump", "older.dump"} <= there(work)


def test_a_release_goes_on_if_nothing_can_be_removed(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its backup is there. That somebody cancelled it is another matter."""
    database(tmp_path)
    errors = [ActionError("rm exited with 1"), CancelledError("somebody cancelled it")]

    def fails(*_: object) -> None:
        raise errors.pop(0)

    monkeypatch.setattr(old_backups, "prune", fails)
    assert Path(steps.back_up.fn(work.id)).exists()
    with pytest.raises(CancelledError):
        prune_if_it_can(work)
