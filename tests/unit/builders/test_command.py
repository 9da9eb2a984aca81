"""Folders as artifacts, against a real git repository."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runwright.builders.command import CommandBuilder
from runwright.engine.actions import Command
from runwright.errors import ActionError, InputError
from runwright.runbook.component import Component
from runwright.testing.direct import Direct
from runwright.versions import Artifact


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    done = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "backend").mkdir(parents=True)
    (folder / "backend" / "app.py").write_text("print('backend')\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / ".gitattributes").write_text("run.sh export-ignore\n")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    (folder / "untracked.env").write_text("SECRET=1\n")
    return folder


@pytest.fixture
def builder(tmp_path: Path) -> CommandBuilder:
    return CommandBuilder(tmp_path / "store", sys.executable)


def build(builder: CommandBuilder, tree: Path, do: Direct, spec: Component | None = None) -> Artifact:
    return builder.build(do, tree, "web", spec or Component(), git(tree, "rev-parse", "HEAD"), "v1", "build")


def test_an_artifact_is_exactly_the_files_of_the_commit(builder: CommandBuilder, tree: Path) -> None:
    """What was not committed stays out, what git attributes would leave out of an archive is in, modes are kept."""
    artifact = build(builder, tree, Direct())
    folder = Path(artifact.reference)
    assert {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} == {
        ".gitattributes",
        "backend/app.py",
        "run.sh",
    }
    assert (folder / "run.sh").stat().st_mode & 0o111
    assert artifact.identity == git(tree, "rev-parse", "HEAD^{tree}")


def test_the_same_commit_is_built_once(builder: CommandBuilder, tree: Path) -> None:
    """The second time nothing is changed; the checkout itself never is."""
    do = Direct()
    assert build(builder, tree, do) == build(builder, tree, do)
    assert do.keys == ["build/web"]
    assert git(tree, "status", "--porcelain") == "?? untracked.env"


def test_a_context_is_the_tree_of_that_folder(builder: CommandBuilder, tree: Path) -> None:
    """Only the component's own folder is taken, and its identity is that folder's."""
    artifact = build(builder, tree, Direct(), Component(context="./backend"))
    assert [p.name for p in Path(artifact.reference).iterdir()] == ["app.py"]
    assert artifact.identity == git(tree, "rev-parse", "HEAD:backend")


@pytest.mark.parametrize("context", ["/etc", "../other", "backend/../.."])
def test_a_context_never_leads_out(builder: CommandBuilder, tree: Path, context: str) -> None:
    """A folder outside of the repository is refused before anything is done."""
    with pytest.raises(InputError):
        build(builder, tree, Direct(), Component(context=context))


def test_a_command_runs_in_the_folder_that_stays(builder: CommandBuilder, tree: Path) -> None:
    """What it makes may remember its own path."""
    code = "import pathlib; pathlib.Path('where').write_text(str(pathlib.Path.cwd()))"
    artifact = build(builder, tree, Direct(), Component(command=["{python}", "-c", code]))
    assert Path(artifact.reference, "where").read_text() == artifact.reference
    assert artifact.reference != build(builder, tree, Direct()).reference, "another command makes another artifact"


def test_a_failed_command_leaves_no_artifact(builder: CommandBuilder, tree: Path) -> None:
    """Its folder is gone, its exit code is told, and the next build starts afresh."""
    spec = Component(command=["{python}", "-c", "import sys; print('no compiler'); sys.exit(7)"])
    with pytest.raises(ActionError, match="no compiler") as caught:
        build(builder, tree, Direct(), spec)
    assert "exited with 7" in str(caught.value)
    assert not list(Path(tree.parent, "store", "web").iterdir())


def test_of_several_that_build_one_commit_at_once_one_makes_it(builder: CommandBuilder, tree: Path) -> None:
    """The others find it whole, and never replace it: a process may have been started in it by then."""
    count = tree.parent / "count"
    code = f"import os, time; open({str(count)!r}, 'a').write(os.getcwd() + ' '); time.sleep(0.5)"
    spec = Component(command=["{python}", "-c", code])
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: build(builder, tree, Direct(), spec), range(4)))
    assert len(set(made)) == 1
    assert count.read_text().split() == [made[0].reference]


def test_a_killed_build_is_never_taken_for_whole(builder: CommandBuilder, tree: Path) -> None:
    """Half a folder without its note is no artifact; building again replaces it."""
    artifact = build(builder, tree, Direct())
    folder = Path(artifact.reference)
    folder.with_name(folder.name + ".json").unlink()
    (folder / "run.sh").unlink()
    (folder.parent / f".{folder.name}.partial").mkdir()
    do = Direct()
    assert not builder.exists(do, artifact)
    assert build(builder, tree, do) == artifact
    assert (folder / "run.sh").exists() and builder.exists(do, artifact)


def test_the_plan_shows_the_command(builder: CommandBuilder, tree: Path) -> None:
    """The one change is a command whose last words are the component's own."""
    do = Direct()
    build(builder, tree, do, Component(command=["true", "--flag"]))
    (action,) = do.done
    assert isinstance(action, Command) and action.argv[-3:] == ("--", "true", "--flag")


def test_an_artifact_of_another_tree_is_not_this_one(builder: CommandBuilder, tree: Path) -> None:
    """The identity is compared, not only the name of the folder."""
    artifact = build(builder, tree, Direct())
    assert not builder.exists(Direct(), Artifact("web", artifact.reference, "0" * 40))
