"""A procedure in a process of its own, as a test sees it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.chaos.procedures import Order, Report, run
from tests.fixtures.forking import CONTEXT

PATIENCE_SECONDS = 300.0  # a busy machine; a case that hangs is ended and told


@dataclass(frozen=True)
class Started:
    """A procedure that runs in a process of its own."""

    process: ForkServerProcess
    run_id: str
    report_file: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process.pid is not None
        return self.process.pid

    def ended(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait for its end and return its exit code: negative if a signal ended it."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            os.kill(self.pid, signal.SIGKILL)
            self.process.join()
            raise AssertionError(f"it did not end within {seconds:g} s:\n{self.log[-3000:]}")
        return self.process.exitcode

    @property
    def report(self) -> Report:
        """How it ended; an empty report if it was killed."""
        with contextlib.suppress(FileNotFoundError):
            return Report(**json.loads(self.report_file.read_text()))
        return Report()

    @property
    def log(self) -> str:
        """What it said."""
        file = self.report_file.with_suffix(".log")
        return file.read_text(errors="replace") if file.exists() else ""

    @property
    def stopped(self) -> bool:
        """Whether a signal has stopped it (and it can be continued)."""
        with contextlib.suppress(OSError):
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        return False


def started(order: Order) -> Started:
    """Start what is ordered."""
    process = CONTEXT.Process(target=run, args=(order,), daemon=False)
    process.start()
    return Started(process, order.run_id, order.report)
