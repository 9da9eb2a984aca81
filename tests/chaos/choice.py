"""What is run: all of it (``make chaos``), or what CI has the time for (``make test-all``); less of that by ``make test``."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.chaos.platforms import WORLDS

EVERYTHING = os.environ.get("RUNWRIGHT_CHAOS") == "all"
DOCKER_SECONDS = 900
"""How long a case with containers may take: the first one also builds and starts the world."""


def marks(platform: str) -> list[pytest.MarkDecorator]:
    """Return the marks of a test on a platform."""
    world = WORLDS[platform]
    if not world.needs_docker:
        return []
    # a world takes a minute to make; that its driver survives what strikes is told by tests/conformance, and of releases by the host
    needs = [pytest.mark.docker, *([pytest.mark.kubernetes] if world.needs_cluster else ())]
    return [*needs, pytest.mark.timeout(DOCKER_SECONDS), pytest.mark.story]


SLOW = pytest.mark.skipif(not EVERYTHING, reason="it takes more time than CI has: `make chaos` runs it")


def on(platform: str, *values: Any, id: str, story: bool = False) -> Any:
    """Return the parameters of a test on a platform: its name, and ``values``. A ``story`` is left out by ``make test``."""
    return pytest.param(platform, *values, id=id, marks=[*marks(platform), *([pytest.mark.story] if story else ())])


PLATFORMS = [on(platform, id=platform) for platform in WORLDS if EVERYTHING or platform == "host"]
"""For a test that shows the same on each platform: CI runs it on the cheapest."""
