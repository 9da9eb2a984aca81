"""What somebody else can write is not believed: whoever writes a runbook, or the home, runs commands as us."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.running import read_running
from runwright import trust
from runwright.errors import InputError, RunbookError, RunwrightError
from runwright.ledger import open_ledger
from runwright.runbook.finding import own
from runwright.runbook.loader import load
from runwright.trust import refuse_if_others_write

OTHER = 54321
"""The id of a user that nobody has."""


@pytest.fixture(autouse=True)
def strict_umask() -> Iterator[None]:
    """As most machines have it, whatever this one has."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file in a folder, both of this user, that nobody else can write."""
    found = tmp_path / "folder" / "runwright.yaml"
    found.parent.mkdir()
    found.write_text("system: shop\n")
    return found


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as refused:
        refuse_if_others_write(path, "The file")
    assert refused.value.next
    return refused.value.what


def given_to_another(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``path`` be another user's, or, where we may give nothing away, be seen by a user who is not us."""
    if os.geteuid() == 0:
        os.chown(path, OTHER, -1, follow_symlinks=False)
    else:
        monkeypatch.setattr(trust, "_trusted", lambda: frozenset({0}))


def test_what_is_ours_alone_is_believed(file: Path) -> None:
    """Below /tmp as well, and before it is there."""
    refuse_if_others_write(file, "The file")
    refuse_if_others_write(file.parent / "later" / "still.yaml", "The file")
    file.parent.chmod(0o1777)
    refuse_if_others_write(file, "The file")


@pytest.mark.parametrize(
    ("change", "mode", "who"),
    [
        (lambda f: f, 0o646, "every user of this machine"),
        (lambda f: f.parent, 0o757, "every user of this machine"),
        (lambda f: f.parent.parent, 0o757, "every user of this machine"),
        (lambda f: f, 0o664, "others, of the group"),
        (lambda f: f.parent, 0o775, "others, of the group"),
    ],
)
def test_what_others_can_write_is_refused(
    file: Path, change: Callable[[Path], Path], mode: int, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file, or a folder above it: another file can be put in its place there."""
    monkeypatch.setattr(trust, "_members", lambda gid: frozenset({os.geteuid(), OTHER}))
    change(file).chmod(mode)
    said = refusal(file)
    assert str(change(file)) in said and who in said and "runs commands as you" in said


def test_a_group_of_ones_own_may_write(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As each user has one on Debian, with the umask that goes with it; not if an ACL hides behind its bits."""
    monkeypatch.setattr(trust, "_members", lambda gid: frozenset({os.geteuid()}))
    file.chmod(0o664)
    file.parent.chmod(0o2775)
    refuse_if_others_write(file, "The file")
    monkeypatch.setattr(trust, "_has_acl", lambda part: part == file)
    assert "by its ACL" in refusal(file)


def test_of_a_group_that_this_machine_does_not_know_nobody_knows_who_is_in_it() -> None:
    """It is that of another machine, whose folder is mounted here."""
    assert not trust._members(OTHER) <= trust._trusted()
    assert 0 in trust._members(0)


def test_what_belongs_to_another_user_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may change it whenever they like, whatever its mode is now; unless they are named, or became root by sudo."""
    given_to_another(file, monkeypatch)
    assert f"{file} belongs to" in refusal(file)
    if os.geteuid() == 0:
        for name in ("SUDO_UID", trust.OWNERS_VARIABLE):
            with monkeypatch.context() as patch:
                patch.setenv(name, str(OTHER))
                refuse_if_others_write(file, "The file")
    monkeypatch.undo()
    monkeypatch.setenv(trust.OWNERS_VARIABLE, "nobody-of-that-name")
    with pytest.raises(InputError, match="no user of this machine"):
        refuse_if_others_write(file, "The file")


def test_a_link_is_followed_all_the_way(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each link on the way, and each folder that one leads through, could be made to lead elsewhere."""
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    (open_to_all / "second").symlink_to(file)
    first = tmp_path / "first"
    first.symlink_to(open_to_all / "second")
    refuse_if_others_write(first, "The file")
    open_to_all.chmod(0o777)
    assert str(open_to_all) in refusal(first)
    open_to_all.chmod(0o1777)
    refuse_if_others_write(first, "The file")
    given_to_another(open_to_all / "second", monkeypatch)
    assert "belongs to" in refusal(first)


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    """Nothing is there, and nobody waits."""
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    refuse_if_others_write(tmp_path / "a", "The file")


def test_a_runbook_that_others_can_write_is_not_loaded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the one in the current folder, nor one of a systems folder; a command line, a worker and a run are alike."""
    file.parent.chmod(0o777)
    for places in ("", str(file.parent)):
        monkeypatch.chdir(file.parent)
        monkeypatch.setenv("RUNWRIGHT_SYSTEMS", places)
        with pytest.raises(RunbookError, match="can be written by every user"):
            load(own()["shop"])


def test_a_home_that_others_can_write_is_not_used(runwright_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what a release does, and which processes are ours."""
    runwright_home.mkdir()
    runwright_home.chmod(0o777)
    uses: list[Callable[[], object]] = [open_ledger, read_running]
    for use in uses:
        with pytest.raises(RunwrightError, match=r"The home .* can be written by every user"):
            use()
    assert list(runwright_home.iterdir()) == []
    elsewhere = runwright_home.parent / "elsewhere"
    elsewhere.mkdir()
    elsewhere.chmod(0o777)
    runwright_home.chmod(0o700)
    monkeypatch.setenv("RUNWRIGHT_LEDGER_URL", f"sqlite:///{elsewhere / 'ledger.db'}")
    with pytest.raises(RunwrightError, match="The ledger"):
        open_ledger()
