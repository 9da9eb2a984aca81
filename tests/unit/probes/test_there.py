"""Probes of a system on another host: what is a loopback address there is never asked here."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.there import forward, place
from runwright.engine.there.login import Login
from runwright.errors import UnreachableError
from runwright.probes.asking import ask
from runwright.probes.shape import ProbeResult
from runwright.probes.values import Values
from runwright.runbook.probes import Probe
from runwright.testing.direct import Direct
from tests.fixtures.ports import lasting_port

ELSEWHERE = "ssh://nobody@host.invalid"
BURST: dict[str, Any] = {"requests": 20, "at_once": 5, "answers": {"2xx": "100 %"}}


class There(socketserver.ThreadingUnixStreamServer):
    """A server of another host, as a socket that leads to it."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Handler)
        self.asked = list[str]()


class Handler(BaseHTTPRequestHandler):
    server: There

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[There]:
    """What answers at every loopback address of the other host."""
    with There(tmp_path / "there.sock") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(forward, "forwarded", lambda _login, _host, _port: tmp_path / "there.sock")
        yield server
        server.shutdown()


def asked(**given: Any) -> ProbeResult:
    with place.at(ELSEWHERE):
        return ask(Direct(), Probe.model_validate({"id": "p", **given}), Values({}), lambda: datetime.now(UTC))


def test_every_request_of_a_burst_goes_there(there: There) -> None:
    """They are sent on threads of their own, and each knows where things are done. Here nobody listens."""
    found = asked(get=f"http://127.0.0.1:{lasting_port()}/it", burst=BURST)
    assert found.state == "pass", found.reason
    assert there.asked == ["/it"] * 20


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://no-such-name.invalid/"])
def test_a_burst_that_never_left_is_no_evidence(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """A host that nobody can log in to, and a name that nobody knows, are our side: it is blind, and nothing has failed."""

    def forwarded(login: Login, _host: str, _port: int) -> Path:
        raise UnreachableError(f"{login.on} cannot be logged in to.")

    monkeypatch.setattr(forward, "forwarded", forwarded)
    monkeypatch.setattr(Login, "sh", lambda *_: (0, b""))
    found = asked(get=url, burst=BURST)
    assert found.state == "blind", found.reason
    assert "cannot be logged in to" in found.reason or "name could not be resolved" in found.reason


def test_a_redis_at_a_loopback_address_there_is_not_asked_here() -> None:
    """Whatever listens here under that address: it is another one, and the line to write instead is told."""
    url = f"redis://localhost:{lasting_port()}/0"
    probe = {"redis": {"url": url, "command": ["PING"]}, "contains": "PONG"}
    found = asked(**probe)
    assert (found.state, "by its `service`" in found.reason) == ("blind", True), found
    here = ask(Direct(), Probe.model_validate({"id": "p", **probe}), Values({}), lambda: datetime.now(UTC))
    assert here.state == "fail", here
