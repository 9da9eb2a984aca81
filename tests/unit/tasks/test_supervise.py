"""What the supervisor leaves alone: it closes a plan that nobody makes any more, and no other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from runwright.engine.effects.processes import this_process
from runwright.ledger import Ledger, open_ledger
from runwright.ledger.states import ReleaseState
from tasks.supervise import look_after

HERE = this_process(os.getpid())


@pytest.fixture
def ledger(runwright_home: object) -> Iterator[Ledger]:
    with open_ledger() as opened:
        yield opened


@pytest.mark.parametrize(
    ("planner", "minutes", "closed"),
    [
        pytest.param(HERE, 50, False, id="a build may take long, and a plan says nothing meanwhile"),
        pytest.param(replace(HERE, started=HERE.started - 1), 5, True, id="its process is gone, another has the id"),
        pytest.param(replace(HERE, host="far"), 50, False, id="another machine's process cannot be asked"),
        pytest.param(replace(HERE, host="far"), 25 * 60, True, id="and is not believed for ever"),
        pytest.param(None, 5, True, id="nobody said who makes it"),
    ],
)
def test_a_plan_is_closed_only_when_nobody_makes_it(ledger: Ledger, planner: Any, minutes: int, closed: bool) -> None:
    """`runwright plan --build` has no run and no lease: only its process says that it is worked on."""
    asked: dict[str, Any] = {"procedure": "plan", "run_id": "plan-1", "deployer": ""}
    plan = ledger.releases.open("shop", "staging", "v1", runbook={}, parameters={}, **asked)
    if planner is not None:
        ledger.releases.set_fact(plan.id, "planner", asdict(planner))
    now = datetime.now(UTC) + timedelta(minutes=minutes)

    told = look_after(cast(Any, _Prefect()), ledger, plan, [], now)

    assert bool(told) is closed
    assert ledger.releases.get(plan.id).state == (ReleaseState.ABANDONED if closed else ReleaseState.PREPARING)


class _Prefect:
    """A server that knows of no run."""

    def read_flow_run(self, run_id: object) -> None:
        raise AssertionError(f"a plan has no run, and {run_id} was asked for")
