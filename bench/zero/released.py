"""A release without Prefect, in a process of its own: the same procedure, step by step, by ``runwright.release`` alone.

``python -m bench.zero.released SYSTEM ENVIRONMENT VERSION`` prints a line of JSON for each mark: its name and the time.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

from runwright.errors import RunwrightError
from runwright.release import (
    back_up,
    begin,
    build,
    check,
    close,
    look_again,
    migrate,
    plan,
    put_back,
    resolve,
    stage,
    switch,
    verify,
    watch,
)
from runwright.release.work import at_work


class Alone:
    """A run that nobody looks at."""

    shows = False

    def __init__(self) -> None:
        self.id = str(uuid.uuid4())

    def say(self, text: str, level: str = "info") -> None:
        """Print what is said."""
        print(f"{level}: {text}", file=sys.stderr, flush=True)

    def secrets(self, *_: Any) -> dict[str, str]:
        """Return no secrets."""
        return {}

    def show(self, *_: Any) -> None:
        """Show nothing."""

    def progress(self, *_: Any) -> Callable[[float], None]:
        """Return what shows no progress."""
        return lambda _: None

    def later(self, *_: Any) -> str:
        """Start nothing later."""
        return ""


def mark(name: str, text: str = "") -> None:
    """Print that this is reached."""
    print(json.dumps({"mark": name, "at": time.time(), "text": text}), flush=True)


def deploy(system: str, environment: str, version: str) -> int:
    """Deploy. Return 1 if it failed, and so was put back."""
    run: Any = Alone()
    before = (resolve.resolve, check.check, build.build, plan.plan)
    moved = (look_again.look_again, back_up.back_up, migrate.migrate, stage.stage, verify.verify_staged)
    served = (switch.switch, verify.verify_live)
    mark("began")
    try:
        with begin.released(run, system, environment, version, "bench", {}, None) as release:

            def step(work_of: Callable[[Any], Any]) -> None:
                with at_work(release, run) as work:
                    work_of(work)

            for one in before:
                step(one)
            with put_back.in_hand(release, run):
                for one in (*moved, *served):
                    step(one)
                mark("done")
                try:
                    step(watch.watch)
                except RunwrightError:
                    mark("verdict")
                    raise
                step(close.close)
    except RunwrightError as error:
        mark("failed", error.what)
        return 1
    mark("proven")
    return 0


if __name__ == "__main__":
    sys.exit(deploy(*sys.argv[1:]))
