"""Makes a folder from a tree of git, in a process of its own, so that a deadline ends all of it.

    python -m runwright.builders.folder --from CHECKOUT --tree TREE --into FOLDER --note JSON [--] [COMMAND ...]

The tree is exported beside FOLDER, renamed to it, and the command is run in it there: what it makes may remember its
own path (a virtual environment does). The note that says that it is whole comes last.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from runwright.artifacts import note_file
from runwright.effects.files import write_file
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


def make(checkout: Path, tree: str, into: Path, note: str, command: list[str]) -> None:
    """Make the folder ``into``. Whatever a killed attempt left is removed first."""
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
