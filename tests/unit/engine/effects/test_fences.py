"""Who was overtaken replaces no file that is fenced, at whatever instant it was stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from runwright.engine.effects import fences, files
from runwright.engine.effects.files import write_file
from runwright.errors import ActionError, FencedError


@pytest.fixture
def fence(tmp_path: Path) -> Path:
    """A fence that token 7 has raised."""
    fences.raise_to(tmp_path / "fence", 7)
    return tmp_path / "fence"


def test_who_holds_the_highest_token_writes(fence: Path, tmp_path: Path) -> None:
    """As often as it wants; nothing is left beside."""
    for content in (b"one", b"two"):
        write_file(tmp_path / "target", content, 0o600, fences.permit(fence, 7))
    assert (tmp_path / "target").read_bytes() == b"two" and list(fences.permit(fence, 7).iterdir()) == []


def test_a_lower_token_writes_nothing(fence: Path, tmp_path: Path) -> None:
    """And is told by whom it was overtaken."""
    fences.raise_to(fence, 8)
    with pytest.raises(FencedError, match=r"token 7\) was taken over by token 8"):
        write_file(tmp_path / "target", b"late", 0o600, fences.permit(fence, 7))
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("call", ["fsync", "fchmod", "open"])
def test_who_is_overtaken_in_the_middle_of_it_replaces_nothing(
    fence: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Given a process that is stopped at an instant of its write, and another that takes over before it wakes up."""
    write_file(tmp_path / "target", b"first", 0o600, fences.permit(fence, 7))
    real = getattr(files.os, call)

    def meanwhile(*given: object) -> object:
        monkeypatch.undo()
        done = real(*given)
        fences.raise_to(fence, 8)
        return done

    monkeypatch.setattr(files.os, call, meanwhile)
    with pytest.raises(FencedError):
        write_file(tmp_path / "target", b"late", 0o600, fences.permit(fence, 7))
    assert (tmp_path / "target").read_bytes() == b"first"


def test_a_fence_is_never_lowered(fence: Path, tmp_path: Path) -> None:
    """Given one that is stopped right before it takes over, and is overtaken itself."""
    fences.raise_to(fence, 9)
    with pytest.raises(FencedError, match=r"token 8\) was taken over by token 9"):
        fences.raise_to(fence, 8)
    assert fences.highest(fence) == 9
    with pytest.raises(FencedError):
        write_file(tmp_path / "target", b"late", 0o600, fences.permit(fence, 8))


def test_it_is_raised_as_often_as_it_is_asked(fence: Path) -> None:
    """By the same token, whatever an earlier attempt left."""
    for _ in range(2):
        fences.raise_to(fence, 8)
    assert [folder.name for folder in fence.iterdir()] == ["8"]


def test_what_cannot_be_raised_is_told(tmp_path: Path) -> None:
    """A fence that is not there does not keep anybody out."""
    (tmp_path / "fence").write_text("a file")
    with pytest.raises(ActionError, match="cannot be changed"):
        fences.raise_to(tmp_path / "fence", 7)
