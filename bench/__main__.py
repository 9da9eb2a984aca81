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
from pathlib import Path

from bench import compose_release, front_door, host_switch, journaling, ledger_scale, machine, starting
from bench.numbers import Section
from bench.telling import as_markdown, printed

RESULTS = Path(__file__).with_name("results")
PARTS = ("start", "journal", "ledger", "front", "host", "compose")


def main() -> int:
    """Measure what is asked for. Return 1 if something that is promised was not kept."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all of them if none is named")
    parser.add_argument("--rounds", type=int, default=4, help="how often each is measured (default: 4)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder that the table goes to")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    wanted = given.parts or PARTS
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", file=sys.stderr, flush=True)

    facts = machine.facts()
    sections = []
    for part in PARTS:
        if part in wanted:
            say(f"{part}: measuring, the load is {machine.load()}")
            with tempfile.TemporaryDirectory(prefix="rw-bench-") as folder:
                sections.append(measured(part, given.rounds, Path(folder), say, given.results))
    facts |= {"load after": machine.load(), "seconds": round(time.monotonic() - began), "rounds": given.rounds}
    given.results.mkdir(parents=True, exist_ok=True)
    name = "latest" if set(wanted) == set(PARTS) else "part"
    (given.results / f"{name}.md").write_text(as_markdown(facts, sections))
    found = {"facts": facts, "sections": [section.as_json() for section in sections]}
    (given.results / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    printed(facts, sections)
    return 1 if any(row.kept is False for section in sections for row in section.rows) else 0


def measured(part: str, rounds: int, folder: Path, say: Callable[[str], None], results: Path) -> Section:
    """Return what one part measured."""
    match part:
        case "start":
            return starting.measure(max(3, rounds))
        case "journal":
            return journaling.measure(max(3, rounds), folder)
        case "ledger":
            return ledger_scale.measure(max(3, rounds), folder, say)
        case "front":
            return front_door.measure(rounds, folder, say, results)
        case "host":
            return host_switch.measure(rounds, folder, say)
        case _:
            return compose_release.measure(rounds, folder, say)


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
