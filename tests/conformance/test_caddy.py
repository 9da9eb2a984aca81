"""Caddy is held to what every router must do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runwright.routers.caddy import CaddyRouter
from runwright.runbook.routers.caddy import Caddy
from runwright.testing.conformance import RouterCase, RouterConformance
from runwright.testing.direct import Direct


class TestCaddy(RouterConformance):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Iterator[RouterCase]:
        """A front door with a folder of its own."""
        spec = Caddy(kind="caddy", drain_timeout=10.0)
        yield RouterCase(make=lambda token: CaddyRouter(spec, tmp_path / "caddy", sys.executable, token))
        CaddyRouter(spec, tmp_path / "caddy", sys.executable).stop(Direct(), "end")
