"""One deploy in a process of its own, on the Prefect server that is configured, with every action's time written down.

Started by ``bench.platforms.compose``: ``python -m bench.traced TRACE SYSTEM ENVIRONMENT VERSION``.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import flows.deploy
from runwright.engine.actions import Action, Command
from runwright.engine.executor import Executor
from runwright.release import work


class Traced(Executor):
    """An executor that notes when each action began and ended. Parts of a Wait are told apart by their depth."""

    trace: Any = None
    _depth = threading.local()
    _one = threading.Lock()

    def __call__(self, action: Action[Any]) -> Any:
        """Perform it, and write one line."""
        depth = getattr(self._depth, "value", 0)
        self._depth.value = depth + 1
        began = time.time()
        try:
            return super().__call__(action)
        finally:
            self._depth.value = depth
            line = {
                "began": began,
                "ended": time.time(),
                "depth": depth,
                "key": action.key,
                "kind": type(action).__name__,
                "program": list(action.argv[:1]) + [w for w in action.argv if w == "pg_restore"]
                if isinstance(action, Command)
                else [],
                "says": action.says,
            }
            with self._one:
                self.trace.write(json.dumps(line) + "\n")


def main(trace: str, system: str, environment: str, version: str) -> None:
    """Deploy, and watch for no longer than one look."""
    work.Executor = Traced  # type: ignore[misc]
    with Path(trace).open("w", buffering=1) as file:
        Traced.trace = file
        flows.deploy.deploy(system, environment, version, deployer="bench", watch_minutes=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
