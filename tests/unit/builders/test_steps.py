"""What is run before an image is built, and what has to come out of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runwright.builders import step, steps
from runwright.engine.actions import Command
from runwright.runbook.component import BuildStep, Component
from runwright.testing.replies import Replies


def ran(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str, *makes: str) -> int:
    """Run a step of a few lines of Python in ``folder``; return its exit code."""
    monkeypatch.chdir(folder)
    flags = [word for pattern in makes for word in ("--makes", pattern)]
    return step.main([*flags, "--", sys.executable, "-c", script])


WRITE = "import os, pathlib; os.makedirs('target', exist_ok=True); pathlib.Path('target/shop-1.jar').write_text('new')"


@pytest.mark.parametrize(
    ("script", "makes", "code"),
    [
        (WRITE, ["target/shop-*.jar"], 0),
        ("pass", [], 0),
        ("pass", ["target/shop-*.jar"], 1),
        (WRITE, ["target/shop-*.jar", "report.xml"], 1),
        (WRITE + "; raise SystemExit(3)", ["target/shop-*.jar"], 3),
    ],
)
def test_a_step_ends_well_if_it_did_and_all_that_it_makes_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, makes: list[str], code: int
) -> None:
    """An exit code of 0 alone proves nothing: what is copied into the image has to be there."""
    assert ran(monkeypatch, tmp_path, script, *makes) == code


def test_what_lay_there_before_does_not_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Somebody may have committed it: an old one would be released."""
    (tmp_path / "target").mkdir()
    old = tmp_path / "target" / "shop-1.jar"
    old.write_text("old")
    assert ran(monkeypatch, tmp_path, "pass", "target/shop-*.jar") == 1
    assert "made nothing that is called target/shop-*.jar" in capfd.readouterr().err
    assert ran(monkeypatch, tmp_path, WRITE, "target/shop-*.jar") == 0 and old.read_text() == "new"


def test_steps_run_in_their_folder_and_in_their_image() -> None:
    """One after the other, each a change of its own: what is done is not done again after a failure."""
    inside = BuildStep(run=["mvn", "package"], folder="backend", makes=["target/*.jar"], image="maven:3")
    spec = Component(context="./web", steps=[BuildStep(run=["npm", "ci"]), inside])
    do = Replies({}, lenient=True)
    steps.run(do, Path("/tree"), "web", spec, {"DOCKER_CONFIG": "/x"}, "build")
    first, second = (action for action in do.changes if isinstance(action, Command))
    assert (first.key, first.cwd, first.argv[-2:]) == ("build/step/1", Path("/tree/web"), ("npm", "ci"))
    assert second.argv[4:7] == ("--makes", "target/*.jar", "--") and second.cwd == Path("/tree/backend")
    words = " ".join(second.argv[7:])
    assert words.startswith("docker run --rm --name runwright-step-")
    assert words.endswith("--workdir /tree/backend maven:3 mvn package")
    assert first.elsewhere is None and second.elsewhere is not None
    assert second.elsewhere.end == ("docker", "rm", "-f", words.split()[4])
