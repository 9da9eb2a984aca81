"""Runs one step of a build in the current folder, and ends well only if what it has to make came out of it.

    python -m runwright.builders.step [--makes PATTERN ...] -- COMMAND ...

What was there before and was not written anew does not count: it may be in the repository.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path


def made(pattern: str) -> dict[Path, int]:
    """Return when what ``pattern`` names was written last, by path."""
    return {path: path.stat().st_mtime_ns for path in Path().glob(pattern)}


def main(words: list[str]) -> int:
    """Do what the words say. Return the command's own exit code; 1, with a sentence on standard error, if something is missing."""
    parser = argparse.ArgumentParser(prog="step")
    parser.add_argument("--makes", action="append", default=[])
    parser.add_argument("command", nargs="+")
    given = parser.parse_args(words)
    before = {pattern: made(pattern) for pattern in given.makes}
    try:
        code = subprocess.run(given.command, check=False, stdout=sys.stderr).returncode
    except OSError as error:
        print(f"{given.command[0]} could not be started: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 1
    missing = [pattern for pattern in given.makes if not made(pattern) or made(pattern) == before[pattern]]
    if code or not missing:
        return code if code >= 0 else 1
    print(f"it ended well, and made nothing that is called {' or '.join(missing)}", file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
