"""One world for each worker, and the results of all cases in one file."""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.cases import ALL
from tests.chaos.world import World

RESULTS = Path(__file__).with_name("results.json")
EVERYTHING = os.environ.get("RUNWRIGHT_CHAOS") == "all"


@pytest.fixture(scope="session")
def made_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world with v1.0.0 released; nothing runs in it."""
    world = World(tmp_path_factory.mktemp("chaos") / "world")
    world.make()
    yield world
    world.end_everything()


@pytest.fixture
def world(made_world: World) -> Iterator[World]:
    """The world, put back: v1.0.0 is proven and serves."""
    made_world.restore()
    yield made_world
    made_world.end_everything()


_SEEN: dict[str, list[dict[str, Any]]] = defaultdict(list)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write results.json anew after each case of the whole matrix: a run that is ended in the middle leaves what it saw.

    The cases of other workers are reported here too; the workers themselves write nothing.
    """
    told = dict(report.user_properties)
    if not EVERYTHING or "PYTEST_XDIST_WORKER" in os.environ or "kind" not in told:
        return
    if report.when == "call" or report.failed:
        _SEEN[str(told["kind"])].append({**told, "survived": report.passed})
        _write()


def _write() -> None:
    kinds = {kind: _summed(cases) for kind, cases in sorted(_SEEN.items())}
    seen = {str(case["case"]) for cases in _SEEN.values() for case in cases}
    total = {
        "complete": seen >= {case.id for case in ALL},
        "cases": sum(k["cases"] for k in kinds.values()),
        "survived": sum(k["survived"] for k in kinds.values()),
        "worst_seconds_until_safe": max(k["worst_seconds_until_safe"] for k in kinds.values()),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    RESULTS.write_text(json.dumps({"total": total, "kinds": kinds}, indent=1, ensure_ascii=False) + "\n")


def _summed(cases: list[dict[str, Any]]) -> dict[str, Any]:
    worst = max(cases, key=lambda case: float(case.get("seconds", 0.0)))
    return {
        "cases": len(cases),
        "survived": sum(bool(case["survived"]) for case in cases),
        "worst_seconds_until_safe": round(float(worst.get("seconds", 0.0)), 1),
        "worst_case": worst.get("case", ""),
        "an_operator_reads": worst.get("sentence", ""),
        "lost": [case.get("case", "") for case in cases if not case["survived"]],
    }
