"""Migrations that no release runs are told, and count."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from runwright.ledger.release import Release
from runwright.policy.levels import Level
from runwright.release import brought
from runwright.release.work import Work
from tests.unit.release.conftest import Opener

DJANGO = "from django.db import migrations\n\nclass Migration(migrations.Migration):\n    operations = []\n"
MIGRATION = "shop/orders/migrations/0002_note.py"


def committed(repo: Path, **files: str) -> str:
    for name, text in files.items():
        path = repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git = ("git", "-C", str(repo), "-c", "user.name=T", "-c", "user.email=t@example.com")
    for words in (("add", "-A"), ("commit", "--quiet", "--allow-empty", "-m", "x")):
        subprocess.run([*git, *words], check=True)
    done = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def release(opened: Opener, tmp_path: Path) -> tuple[Work, Release]:
    """A release of a version that brings a migration of Django, and what serves."""
    work, repo = opened(), tmp_path / "repo"
    subprocess.run(["git", "init", "--quiet", str(repo)], check=True)
    first = committed(repo, **{"shop/orders/migrations/0001_initial.py": DJANGO, "app.py": ""})
    second = committed(
        repo, **{MIGRATION: DJANGO, "shop/orders/migrations/__init__.py": "", "other/0001.py": DJANGO, "app.py": "1"}
    )
    subprocess.run(["git", "clone", "--quiet", "--mirror", str(repo), str(work.folders.mirror)], check=True)
    old = work.ledger.releases.adopt(
        "shop", "local", replace(work.version, commit=first), runbook=work.release.runbook, deployer="a"
    )
    work.ledger.releases.record(work.id, commit=second, version=replace(work.version, commit=second))
    work.refresh()
    return work, old


def test_migrations_of_django_that_nothing_runs_are_no_l0(release: tuple[Work, Release]) -> None:
    """Of what is new alone; a file that only lies in a folder of that name is none."""
    files = brought.brought(*release)
    assert files == (MIGRATION,)
    assert brought.level_of(files) is Level.L1 and brought.level_of(()) is Level.L0
    (said,) = brought.notes(files)
    assert MIGRATION in said and "which no release runs" in said
    assert brought.notes(()) == []


def test_what_a_service_runs_at_its_start_is_judged_there(release: tuple[Work, Release]) -> None:
    """It is L3 already: nobody knows beforehand what it does."""
    work, old = release
    work.version.extra["migrates_at_start"] = {"web": [["django", "start.sh line 2", "manage.py migrate"]]}
    assert brought.brought(work, old) == ()


def test_of_the_first_release_nobody_knows_what_is_new(release: tuple[Work, Release]) -> None:
    """Nor of one whose commit git does not know."""
    work, old = release
    assert brought.brought(work, None) == () and old.version is not None
    assert brought.brought(work, replace(old, version=replace(old.version, commit="0" * 40))) == ()
