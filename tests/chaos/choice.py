"""What is run: all of it (``make chaos``), or what CI has the time for."""

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
    return [pytest.mark.docker, pytest.mark.timeout(DOCKER_SECONDS)] if WORLDS[platform].needs_docker else []


SLOW = pytest.mark.skipif(not EVERYTHING, reason="it takes more time than CI has: `make chaos` runs it")


def on(platform: str, *values: Any, id: str) -> Any:
    """Return the parameters of a test on a platform: its name, and ``values``."""
    return pytest.param(platform, *values, id=id, marks=marks(platform))


PLATFORMS = [on(platform, id=platform) for platform in WORLDS if EVERYTHING or platform == "host"]
"""For a test that shows the same on each platform: CI runs it on the cheapest."""
