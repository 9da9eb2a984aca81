"""Makes a folder from a tree of git, in a process of its own, so that a deadline ends all of it.

    python -m runwright.builders.folder --from CHECKOUT --tree TREE --into FOLDER --note JSON [--] [COMMAND ...]

Of several that make the same folder at the same time (two releases of one commit, which are prepared before either holds
its environment), one makes it; the others find it whole: it may serve by then, and is not touched any more.
The tree is exported beside FOLDER, renamed to it, and the command is run in it there: what it makes may remember its
own path (a virtual environment does). The note that says that it is whole comes last.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from runwright.artifacts import note_file, note_of
from runwright.engine.effects.files import write_file
from runwright.errors import ActionError


def export(checkout: Path, tree: str, into: Path) -> None:
    """Write exactly the files of ``tree`` to the new folder ``into``; what else lies in the checkout stays out."""
    index = into.with_name(f"{into.name}.index")
    environment = {**os.environ, "GIT_INDEX_FILE": str(index)}
    git = ("git", "-C", str(checkout))
    into.mkdir(parents=True)
    try:
        subprocess.run([*git, "read-tree", tree], env=environment, check=True, stdout=sys.stderr)
        prefix = f"--prefix={into}/"
        subprocess.run([*git, "checkout-index", "--all", prefix], env=environment, check=True, stdout=sys.stderr)
    finally:
        index.unlink(missing_ok=True)


@contextlib.contextmanager
def alone(into: Path) -> Iterator[None]:
    """Wait until nobody else makes ``into``, and keep others waiting. The lock ends with this process, however it ends."""
    locks = into.parent.with_name(".locks")
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / f"{into.parent.name}-{into.name}").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make(checkout: Path, tree: str, into: Path, note: str, command: list[str]) -> None:
    """Make the folder ``into``, if it is not whole. Whatever a killed attempt left is removed first."""
    found = note_of(into)
    if found is not None and found.tree == tree:
        return
    note_file(into).unlink(missing_ok=True)
    beside = into.with_name(f".{into.name}.partial")
    for leftover in (beside, into):
        if leftover.exists():
            shutil.rmtree(leftover)
    export(checkout, tree, beside)
    beside.rename(into)
    if command:
        subprocess.run(command, cwd=into, check=True, stdout=sys.stderr)
    write_file(note_file(into), note.encode(), 0o644)


def main(words: list[str]) -> int:
    """Do what the words say. Return 0, or 1 with one sentence on standard error; then no folder is left."""
    parser = argparse.ArgumentParser(prog="folder")
    parser.add_argument("--from", dest="checkout", type=Path, required=True)
    parser.add_argument("--tree", required=True)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--note", required=True)
    parser.add_argument("command", nargs="*")
    given = parser.parse_args(words)
    try:
        with alone(given.into):
            return made(given)
    except OSError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1


def made(given: argparse.Namespace) -> int:
    """Make what is asked for, or leave nothing of it."""
    try:
        make(given.checkout, given.tree, given.into, given.note, given.command)
    except subprocess.CalledProcessError as error:
        shutil.rmtree(given.into, ignore_errors=True)
        print(f"{error.cmd[0]} exited with {error.returncode}", file=sys.stderr)  # noqa: T201
        return 1
    except (OSError, ActionError) as error:
        shutil.rmtree(given.into, ignore_errors=True)
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
