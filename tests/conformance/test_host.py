"""The host platform is held to what every platform must do, and two colours behind Caddy to what every cutover must do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from runwright.cutovers.blue_green import BlueGreen
from runwright.cutovers.canary import Canary
from runwright.cutovers.rolling import Rolling
from runwright.platforms.host import SLOTS, Host
from runwright.routers.caddy import CaddyRouter
from runwright.runbook.platforms.host import HostTarget
from runwright.runbook.routers.caddy import Caddy
from runwright.testing.conformance import CutoverCase, CutoverConformance, PlatformCase, PlatformConformance, built
from runwright.testing.conformance.router import asked
from runwright.testing.direct import Direct

APP = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ["RUNWRIGHT_COMMIT"].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
SPEC = {
    "platform": "host",
    "process": {"command": ["{python}", "-S", "app.py", "{port}"], "health": "/"},
    "ready_timeout": "60s",
}


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Return when each file below ``folder`` was written last, and its size."""
    found = ((path, path.stat()) for path in folder.rglob("*") if path.is_file())
    return {str(path): (stat.st_mtime_ns, stat.st_size) for path, stat in found}


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """The folder of an environment; what was started in it is ended with the test."""
    yield tmp_path / "shop"
    for slot in SLOTS:
        made(tmp_path / "shop").stop(Direct(), slot, "end")


def made(root: Path) -> Host:
    """Return the driver."""
    return Host(HostTarget.model_validate(SPEC), root, {}, sys.executable)


class TestHost(PlatformConformance):
    @pytest.fixture
    def case(self, root: Path) -> PlatformCase:
        """A folder of its own, and two versions."""
        both = (built(root.parent, 1, {"app.py": APP}), built(root.parent, 2, {"app.py": APP}))
        return PlatformCase(make=lambda: made(root), versions=both, outside=lambda: files(root))


class TestBlueGreen(CutoverConformance):
    cutover: ClassVar[type[BlueGreen]] = BlueGreen

    @pytest.fixture
    def case(self, root: Path) -> Iterator[CutoverCase]:
        """Two colours behind a front door of their own."""

        def front() -> CaddyRouter:
            return CaddyRouter(Caddy(kind="caddy", drain_timeout=5.0), root / "caddy", sys.executable)

        yield CutoverCase(
            make=lambda: self.cutover(made(root), front()),
            versions=(built(root.parent, 1, {"app.py": APP}), built(root.parent, 2, {"app.py": APP})),
            reached=lambda: asked(front().facts(Direct()).front),
            outside=lambda: files(root),
        )
        front().stop(Direct(), "end")


class TestCanary(TestBlueGreen):
    cutover: ClassVar[type[BlueGreen]] = Canary


class TestRolling(TestBlueGreen):
    cutover: ClassVar[type[BlueGreen]] = Rolling
