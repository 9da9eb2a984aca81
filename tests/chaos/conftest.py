"""One world of each platform for each worker, and the results of all cases in one file."""

from __future__ import annotations

import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.cases import ALL
from tests.chaos.choice import EVERYTHING
from tests.chaos.platforms import WORLDS
from tests.chaos.world import World

RESULTS = Path(__file__).with_name("results.json")
_KEPT: dict[str, World] = {}


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], World]]:
    """A function that returns a platform's world, with v1.0.0 released: made when it is first asked for."""
    made: dict[str, World] = {}

    def world_of(platform: str) -> World:
        if platform not in made:
            world = WORLDS[platform](tmp_path_factory.mktemp(f"chaos-{platform}") / "world")
            try:
                world.make()
            except BaseException:
                world.end()
                raise
            made[platform] = world
        return made[platform]

    yield world_of
    for world in made.values():
        world.end()


@pytest.fixture
def platform() -> str:
    """The platform of a test that does not name one by its parameters."""
    return "host"


@pytest.fixture
def world_as_it_is(platform: str, worlds: Callable[[str], World], request: pytest.FixtureRequest) -> Iterator[World]:
    """The platform's world, as the test before left it: for a test that puts it back itself."""
    if WORLDS[platform].needs_docker:
        request.getfixturevalue("docker")
    if WORLDS[platform].needs_cluster:
        request.getfixturevalue("cluster")
        request.getfixturevalue("kubernetes_registry")
    world = worlds(platform)
    yield world
    world.end_everything()


@pytest.fixture
def world(world_as_it_is: World) -> World:
    """The world, put back: v1.0.0 is proven and serves."""
    world_as_it_is.restore()
    return world_as_it_is


_BEFORE: dict[str, Any] = json.loads(RESULTS.read_text())["platforms"] if RESULTS.exists() else {}
_SEEN: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write results.json anew after each case of `make chaos`: a run that is ended in the middle leaves what it saw.

    What this run has not come to, or was not asked for, stays as an earlier run left it. The cases of other workers are reported here too; the workers themselves write nothing.
    """
    told = dict(report.user_properties)
    if not EVERYTHING or "PYTEST_XDIST_WORKER" in os.environ or "kind" not in told:
        return
    if report.when == "call" or report.failed:
        seen = {**told, "survived": report.passed}
        _SEEN[str(told["platform"])][str(told["kind"])].append(seen)
        _write()


def _write() -> None:
    platforms = {platform: {"kinds": dict(was["kinds"])} for platform, was in _BEFORE.items()}
    for platform, kinds in _SEEN.items():
        platforms.setdefault(platform, {"kinds": {}})["kinds"] |= {
            kind: _summed(cases) for kind, cases in kinds.items()
        }
    told = {}
    for platform, found in sorted(platforms.items()):
        told[platform] = {**_of_all(found["kinds"].values()), "kinds": dict(sorted(found["kinds"].items()))}
    text = json.dumps({"total": _total(told), "platforms": told}, indent=1, ensure_ascii=False)
    RESULTS.write_text(text + "\n")


def _total(platforms: dict[str, Any]) -> dict[str, Any]:
    """Return the sums, and whether every case of the matrix is among them."""
    wanted = Counter((case.platform, case.kind) for case in ALL)
    kinds = {(platform, kind): k for platform, found in platforms.items() for kind, k in found["kinds"].items()}
    sums = _of_all(platforms.values())
    return {
        "complete": all(key in kinds and kinds[key]["cases"] == cases for key, cases in wanted.items()),
        **{name: sums[name] for name in ("cases", "survived", "worst_seconds_until_safe")},
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _of_all(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    parts = list(parts)
    worst = max(parts, key=lambda part: float(part["worst_seconds_until_safe"]))
    return {
        "cases": sum(part["cases"] for part in parts),
        "survived": sum(part["survived"] for part in parts),
        **{name: worst[name] for name in ("worst_seconds_until_safe", "worst_case", "an_operator_reads")},
        "lost": [case for part in parts for case in part["lost"]],
    }


def _summed(cases: list[dict[str, Any]]) -> dict[str, Any]:
    worst = max(cases, key=lambda case: float(case.get("seconds", 0.0)))
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cases": len(cases),
        "survived": sum(bool(case["survived"]) for case in cases),
        "worst_seconds_until_safe": round(float(worst.get("seconds", 0.0)), 1),
        "worst_case": worst.get("case", ""),
        "an_operator_reads": worst.get("sentence", ""),
        "lost": [case.get("case", "") for case in cases if not case["survived"]],
    }
