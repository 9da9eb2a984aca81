"""The backup before a release: where it is written, and how old it may be when migrations begin."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runwright.databases.shape import LAST_SUCCESS
from runwright.release.back_up import take
from runwright.release.work import Work
from tasks.back_up import back_up
from tests.unit.release.conftest import Opener


@pytest.fixture
def work(opened: Opener, tmp_path: Path) -> Work:
    """A release of a system whose database holds something, with two environments on one machine."""
    return with_database(opened, tmp_path)


def with_database(opened: Opener, tmp_path: Path, **local: str) -> Work:
    (tmp_path / "run").mkdir()
    with sqlite3.connect(tmp_path / "run" / "data.db") as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    connection.close()
    return opened(
        local={"database": {"kind": "sqlite", "path": "data.db"}, **local},
        backup={"directory": str(tmp_path / "backups"), "at_most": "10m"},
    )


def test_each_environment_has_a_marker_of_its_own(work: Work, tmp_path: Path) -> None:
    """Good backups of development say nothing about production's, whose failing nobody would see."""
    taken = take(work, "shop-local-20260101T000000Z")
    assert taken is not None
    folder = tmp_path / "backups" / "shop-local"
    assert Path(taken["location"]).parent == folder
    assert (folder / LAST_SUCCESS).exists() and not (tmp_path / "backups" / LAST_SUCCESS).exists()
    assert work.runbook.backup_folder("production") == tmp_path / "backups" / "shop-production"


def test_a_monitoring_finds_the_marker_where_it_reads_it(opened: Opener, tmp_path: Path) -> None:
    """In a file that the environment names, with the same content as in its folder."""
    marker = tmp_path / "elsewhere" / "LAST_SUCCESS.txt"
    marker.parent.mkdir()
    take(with_database(opened, tmp_path, backup_marker=str(marker)), "shop-local-20260101T000000Z")
    assert marker.read_text() == (tmp_path / "backups" / "shop-local" / LAST_SUCCESS).read_text()


@pytest.mark.parametrize(("minutes", "again"), [(9, False), (11, True)])
def test_a_run_that_goes_on_takes_another_backup_if_its_own_is_too_old(work: Work, minutes: float, again: bool) -> None:
    """What was written since would be lost; one that is younger than `at_most` still stands for what is about to change."""
    taken = {
        "location": "/var/backups/first.db",
        "taken_at": (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat(),
    }
    work.write_down("backup", taken)
    location = back_up.fn(work.id)
    assert (location != taken["location"]) is again
    assert work.fact("backup")["location"] == location
    assert len(work.ledger.records.backups("shop", "local")) == int(again)
