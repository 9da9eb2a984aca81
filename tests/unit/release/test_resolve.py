"""Code of a ref that an environment does not take is never run: it is refused before anything is built or read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from runwright.errors import RefusedError
from runwright.release import preview
from runwright.release.resolve import resolve
from tests.unit.release.conftest import Opener


def repository(folder: Path) -> None:
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.com"]
    folder.mkdir()
    (folder / "app.py").write_text("raise SystemExit\n")
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "x"], ["branch", "v1"], ["tag", "x1"]):
        subprocess.run([*git, *words], check=True)


@pytest.mark.parametrize("refs", ["tag:v*", "branch:release", "tag:v*|branch:release/*"])
def test_a_ref_that_is_not_taken_is_refused_before_its_code_is_built_or_its_migrations_read(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refs: str
) -> None:
    """A branch that is called as a tag should be is no tag; neither a deploy nor `plan --build` goes further."""
    repository(tmp_path / "repo")
    work = opened(local={"refs": refs})
    work.ledger.releases.record(work.id, version=None, commit="")
    work.refresh()
    ran: list[str] = []
    for step in ("build_all", "make_plan", "asked"):
        monkeypatch.setattr(preview, step, lambda *_, step=step: ran.append(step))
    with pytest.raises(RefusedError, match="may not be released to local"):
        preview._planned(work, build=True)
    with pytest.raises(RefusedError, match="may not be released to local"):
        resolve(work)
    assert ran == []
    assert not work.folders.tree.exists()
