"""A release without Prefect, in a process of its own: the same procedure, step by step, by ``runwright.release`` alone.

``python -m bench.zero.released SYSTEM ENVIRONMENT VERSION`` prints a line of JSON for each mark: its name and the time.
"""

from __future__ import annotations

import json
import sys
import time

from runwright.errors import RunwrightError
from runwright.release import begin, close, put_back, watch
from tests.conformance.releasing import CHANGES, PREPARATION, Quiet, steps

AT_THE_END = (watch.watch, close.close)


def mark(name: str, text: str = "") -> None:
    """Print that this is reached."""
    print(json.dumps({"mark": name, "at": time.time(), "text": text}), flush=True)


def deploy(system: str, environment: str, version: str) -> int:
    """Deploy. Return 1 if it failed, and so was put back."""
    run = Quiet()
    mark("began")
    try:
        with begin.released(run, system, environment, version, "bench", {}, None) as release:
            steps(release, run, PREPARATION)
            with put_back.in_hand(release, run):
                steps(release, run, tuple(step for step in CHANGES if step not in AT_THE_END))
                mark("done")
                try:
                    steps(release, run, AT_THE_END[:1])
                except RunwrightError:
                    mark("verdict")
                    raise
                steps(release, run, AT_THE_END[1:])
    except RunwrightError as error:
        mark("failed", error.what)
        return 1
    mark("proven")
    return 0


if __name__ == "__main__":
    sys.exit(deploy(*sys.argv[1:]))
