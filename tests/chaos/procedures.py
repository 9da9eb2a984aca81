"""One procedure in a process of its own: the flow's own function, each task called as Prefect's engine would call it.

Started by ``tests.chaos.started`` from a server that has everything imported already: a case costs a fork, not an import.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import prefect
from prefect.context import refresh_global_settings_context
from prefect.settings import PREFECT_API_URL
from prefect.utilities.engine import capture_sigterm

import flows.deploy
import flows.drill
import flows.rollback
from deployments.own_server import CLIENT_LOGIN
from runwright.errors import RunwrightError
from runwright.ledger import patience
from runwright.ledger.store import Store
from runwright.release import lease
from tests.fixtures.stopping import stop_between_transactions

FLOWS: dict[str, Any] = {"deploy": flows.deploy, "drill": flows.drill, "rollback": flows.rollback}
BEAT_SECONDS = 0.5
TTL_VARIABLE, TTL_SECONDS = "RUNWRIGHT_CHAOS_TTL", 3.0
"""How long a lease lives; where nobody dies, longer: on a busy machine a beat may be late."""
PATIENCE_VARIABLE, LEDGER_PATIENCE_SECONDS = "RUNWRIGHT_CHAOS_PATIENCE", 10.0
"""How long a run holds for a ledger that is away."""
CLOCK_VARIABLE = "RUNWRIGHT_CHAOS_CLOCK"
"""Names a file that says by how many seconds the ledger's clock is ahead at this moment."""


@dataclass(frozen=True)
class Order:
    """What a process is asked to do: a flow, its parameters, its environment, and where it writes how it ended."""

    flow: str
    run_id: str
    parameters: dict[str, Any]
    environment: dict[str, str]
    report: Path


@dataclass(frozen=True)
class Report:
    """How a process ended: what it returned, or what it raised, as an operator reads it."""

    returned: str = ""
    kind: str = ""
    error: str = ""


def run(order: Order) -> None:
    """Do what is asked, and write a report. A process that is killed writes none."""
    for name in ("PREFECT_API_URL", CLIENT_LOGIN):  # of a server that ran when the first was forked, and may be gone
        os.environ.pop(name, None)
    os.environ.update(order.environment)
    if PREFECT_API_URL.value() != os.environ.get("PREFECT_API_URL"):  # reading it anew takes a third of a second
        refresh_global_settings_context()
    os.environ["PREFECT__FLOW_RUN_ID"] = order.run_id
    lease.BEAT_SECONDS = BEAT_SECONDS
    lease.TTL_SECONDS = float(order.environment[TTL_VARIABLE])
    patience.PATIENCE_SECONDS = float(order.environment[PATIENCE_VARIABLE])
    _set_clock(Path(order.environment[CLOCK_VARIABLE]))
    stop_between_transactions()
    log = order.report.with_suffix(".log")
    logging.basicConfig(filename=log, level=logging.INFO, format="%(asctime)s %(message)s", force=True)
    logging.getLogger("runwright").setLevel(logging.DEBUG)
    sys.stderr = log.open("a")
    module = FLOWS[order.flow]
    for name, value in list(vars(module).items()):
        if isinstance(value, prefect.Task):
            setattr(module, name, _called(value))
    flow = vars(module)[order.flow]
    with capture_sigterm():
        report = _done(flow.fn, order.parameters)
    order.report.write_text(json.dumps(asdict(report)))
    sys.exit(0 if not report.kind else 1)


def _set_clock(file: Path) -> None:
    """Let every ledger of this process go by a clock that is ahead of the real one by what ``file`` says."""
    made = Store.__init__

    def with_clock(store: Store, *args: Any, **more: Any) -> None:
        made(store, *args, **more)
        store.clock = lambda: datetime.now(UTC) + timedelta(seconds=float(file.read_text()))

    Store.__init__ = with_clock  # type: ignore[assignment, method-assign]


def _done(function: Callable[..., Any], parameters: dict[str, Any]) -> Report:
    try:
        return Report(returned=str(function(**parameters)))
    except RunwrightError as error:
        return Report(kind=type(error).__name__, error=str(error))
    except Exception as error:  # noqa: BLE001 - it is the test's to judge
        logging.getLogger("runwright").error("".join(traceback.format_exception(error)))
        return Report(kind=type(error).__name__, error=f"not one of ours: {error}")


class _Ended:
    """The state that Prefect's engine shows to a task's ``retry_condition_fn``."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def result(self, *, raise_on_failure: bool) -> Exception:
        assert not raise_on_failure
        return self._error


def _called(task: prefect.Task[..., Any]) -> Callable[..., Any]:
    """Return the task's function, tried as often as Prefect would try it, without its pauses."""

    @functools.wraps(task.fn)
    def call(*args: Any) -> Any:
        for left in reversed(range(1 + task.retries)):
            try:
                return task.fn(*args)
            except Exception as error:
                condition = task.retry_condition_fn
                if not left or (condition is not None and not condition(task, None, _Ended(error))):  # type: ignore[arg-type]
                    raise
                time.sleep(0.05)
        raise AssertionError("unreachable")

    return call
