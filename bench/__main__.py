"""Measure: ``python -m bench``. Everything in one run of some minutes; the table goes to bench/results/latest.md."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from bench import front_door, journaling, ledger_scale, machine, starting, zero_downtime
from bench.numbers import Section
from bench.telling import as_markdown, printed
from runwright.registry import PLATFORMS

RESULTS = Path(__file__).with_name("results")
PARTS: dict[str, Callable[..., Section]] = {
    "start": lambda rounds, *_: starting.measure(max(3, rounds)),
    "journal": lambda rounds, folder, *_: journaling.measure(max(3, rounds), folder),
    "ledger": lambda rounds, folder, say, _: ledger_scale.measure(max(3, rounds), folder, say),
    "front": front_door.measure,
    "zero": zero_downtime.measure,
}
ALL = (*PARTS, *(name for name in PLATFORMS.names if find_spec(f"bench.platforms.{name}")))
"""The parts, and each platform of which something is measured."""


def main() -> int:
    """Measure what is asked for. Return 1 if something that is promised was not kept."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(ALL)}; all of them if none is named")
    parser.add_argument("--rounds", type=int, default=4, help="how often each is measured (default: 4)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder that the table goes to")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(ALL):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    wanted = given.parts or ALL
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", file=sys.stderr, flush=True)

    facts = machine.facts()
    sections = []
    for part in ALL:
        if part in wanted:
            say(f"{part}: measuring, the load is {machine.load()}")
            with tempfile.TemporaryDirectory(prefix="rw-bench-") as folder:
                sections.append(measured(part, given.rounds, Path(folder), say, given.results))
    facts |= {"load after": machine.load(), "seconds": round(time.monotonic() - began), "rounds": given.rounds}
    given.results.mkdir(parents=True, exist_ok=True)
    name = "latest" if set(wanted) == set(ALL) else "part"
    (given.results / f"{name}.md").write_text(as_markdown(facts, sections))
    found = {"facts": facts, "sections": [section.as_json() for section in sections]}
    (given.results / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    printed(facts, sections)
    return 1 if any(row.kept is False for section in sections for row in section.rows) else 0


def measured(part: str, rounds: int, folder: Path, say: Callable[[str], None], results: Path) -> Section:
    """Return what one part measured."""
    if part in PARTS:
        return PARTS[part](rounds, folder, say, results)
    section: Section = import_module(f"bench.platforms.{part}").measure(rounds, folder, say)
    return section


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGINT):  # what was started is ended, also where a shell has us ignore Ctrl-C
        signal.signal(number, signal.default_int_handler)
    try:
        sys.exit(main())
    except (RuntimeError, TimeoutError, subprocess.SubprocessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("bench: stopped; what it had started is ended.", file=sys.stderr)
        sys.exit(130)
