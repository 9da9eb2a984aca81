"""The backup before a release: where it is written, and how old it may be when migrations begin."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from runwright.databases.shape import LAST_SUCCESS
from tasks.back_up import take
from tasks.work import Work
from tests.unit.tasks.conftest import Opener


@pytest.fixture
def work(opened: Opener, tmp_path: Path) -> Work:
    """A release of a system whose database holds something, with two environments on one machine."""
    (tmp_path / "run").mkdir()
    with sqlite3.connect(tmp_path / "run" / "data.db") as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    connection.close()
    return opened(
        local={"database": {"kind": "sqlite", "path": "data.db"}},
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
