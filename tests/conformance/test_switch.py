"""The Caddy that stands before containers is held to what every router must do."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runwright.routers.caddy import CaddySwitch
from runwright.routers.caddy.state import free_port
from runwright.runbook.routers.caddy import Caddy
from runwright.testing.conformance import RouterCase, RouterConformance
from runwright.traffic import Entry, Stand, Upstream, reached
from tests.fixtures.engine import Docker

pytestmark = pytest.mark.docker

APP = Path(__file__).parent.parent / "data" / "slot_app.py"


@pytest.fixture(scope="module")
def stand(docker: Docker) -> Iterator[Stand]:
    """Two containers, one of each slot, and the two networks."""
    name = f"rwt-conformance-{secrets.token_hex(4)}"
    networks, ids = (f"{name}-app", f"{name}-between"), []
    docker.run("network", "create", networks[0])
    docker.run("network", "create", "--internal", networks[1])
    for slot in ("blue", "green"):
        words = (
            "--network",
            networks[1],
            "--network-alias",
            reached("web", slot),
            "-e",
            f"SLOT={slot}",
            "-v",
            f"{APP}:/app.py:ro",
        )
        ids.append(docker.run("run", "-d", *words, "python:3.11-slim", "python", "/app.py"))
    port = free_port("127.0.0.1", 0)
    yield Stand(name, networks[1], (Entry("web", 8000, {networks[0]: ("web",)}, (("127.0.0.1", port),)),))
    docker.run("rm", "-f", *ids)
    docker.run("network", "rm", *networks)


class TestSwitch(RouterConformance):
    @pytest.fixture
    def case(self, docker: Docker, stand: Stand, tmp_path: Path) -> Iterator[RouterCase]:
        """A project with a switch that was never started."""
        spec = Caddy(kind="caddy", drain_timeout=10.0)
        both = Upstream("blue", "web-blue", 8000), Upstream("green", "web-green", 8000)
        yield RouterCase(lambda token: CaddySwitch(spec, tmp_path / "switch", sys.executable, stand, token), both)
        if found := docker.run("ps", "-aq", "--filter", f"label=runwright.switch={stand.project}").split():
            docker.run("rm", "-f", *found)
