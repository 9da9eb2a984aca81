"""What is asked of the old version after a way back that left the schema ahead of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from runwright.errors import VerificationError
from runwright.release.verify import prove
from tests.unit.release.conftest import Opener


class Unavailable(BaseHTTPRequestHandler):
    """Answers 503 to everything; 502 below /proxy, as one does that reaches nobody."""

    def do_GET(self) -> None:
        self.send_response(502 if self.path.startswith("/proxy") else 503)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture
def unavailable() -> Iterator[str]:
    """The address of a server that answers 503 to everything."""
    with HTTPServer(("127.0.0.1", 0), Unavailable) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def probes(url: str, **more: Any) -> dict[str, Any]:
    return {"deadline": "3s", "health": [{"id": "ready", "get": f"{url}/readyz", "schema_ahead": "warn", **more}]}


def test_a_readiness_that_compares_revisions_is_excused_and_nothing_else(opened: Opener, unavailable: str) -> None:
    """Its 503 is expected while the schema is ahead; at any other time it is a failure."""
    work = opened(verify=probes(unavailable))
    (result,) = prove(work, work.values(), key="back1/live", staged=False, schema_ahead=True, smoke=False)
    assert (result.state, result.status) == ("fail", 503)
    with pytest.raises(VerificationError, match="503"):
        prove(work, work.values(), key="back2/live", staged=False, smoke=False)


def test_a_proxy_that_reaches_nobody_is_no_answer(opened: Opener, unavailable: str) -> None:
    """It answers before the old version does, and also if that never does."""
    work = opened(verify=probes(f"{unavailable}/proxy"))
    with pytest.raises(VerificationError, match="502"):
        prove(work, work.values(), key="back1/live", staged=False, schema_ahead=True, smoke=False)


def test_a_version_that_does_not_answer_at_all_is_never_excused(opened: Opener) -> None:
    """A dead old version must not count as put back, whatever its readiness would have said of the schema."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    work = opened(verify=probes(f"http://127.0.0.1:{port}"))
    with pytest.raises(VerificationError, match="ready"):
        prove(work, work.values(), key="back1/live", staged=False, schema_ahead=True, smoke=False)


def test_it_serves_when_its_health_is_right_and_before_its_smoke_is_asked(opened: Opener, unavailable: str) -> None:
    """How long users were without service ends there: not when containers run, and not when a smoke test has ended."""
    good = {"id": "up", "get": f"{unavailable}/", "status": 503}
    smoke = [{"id": "buy", "get": f"{unavailable}/buy", "status": 200}]
    work, told = opened(verify={**probes(unavailable), "health": [good], "smoke": smoke}), []
    with pytest.raises(VerificationError, match="buy"):
        prove(work, work.values(), key="deploy/live", staged=False, serves=lambda: told.append("serves"))
    assert told == ["serves"]


def test_what_never_gets_healthy_never_serves(opened: Opener, unavailable: str) -> None:
    """Its containers run all the same, and users are without service until the old version is back."""
    work, told = opened(verify=probes(unavailable)), []
    with pytest.raises(VerificationError, match="ready"):
        prove(work, work.values(), key="deploy/live", staged=False, serves=lambda: told.append("serves"))
    assert told == []
