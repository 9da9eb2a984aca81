"""Telling people never fails anything, is tried more than once, and never tells a secret."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from runwright.release.notify import notify
from tests.unit.release.conftest import Opener

SECRET = "hunter2hunter2"


class Webhook(ThreadingHTTPServer):
    """An incoming webhook that refuses the first ``refusals`` messages."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.refusals = 0
        self.bodies: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class Handler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        refused = self.server.refusals > 0
        self.server.refusals -= refused
        if not refused:
            self.server.bodies.append(body)
        self.send_response(503 if refused else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    server = Webhook()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_it_is_told_and_tried_again(opened: Opener, webhook: Webhook) -> None:
    """Given a webhook that refuses twice, the message arrives with the third try, once."""
    work = opened(notify={"webhook": "slack"})
    work.secrets["slack"] = webhook.url
    webhook.refusals = 2
    assert notify(work, "v1 is released")
    assert webhook.bodies == [{"text": "v1 is released"}]


def test_a_webhook_that_is_away_fails_nothing(opened: Opener) -> None:
    """Given nobody who listens, or no secret, it is said that nobody was told, and that is all."""
    work = opened(notify={"webhook": "slack"})
    assert not notify(work, "v1 is released")
    work.secrets["slack"] = "http://127.0.0.1:1/"
    assert not notify(work, "v1 is released")


def test_without_a_webhook_nobody_is_told(opened: Opener) -> None:
    """Given a runbook that names none, nothing happens."""
    assert not notify(opened(), "v1 is released")


def test_no_secret_is_told(opened: Opener, webhook: Webhook) -> None:
    """Given a text that holds a secret, it arrives without it."""
    work = opened(notify={"webhook": "slack"})
    work.secrets["slack"] = webhook.url
    work.performer.clean = lambda text: text.replace(SECRET, "[secret password]")
    assert notify(work, f"cannot log in with {SECRET}")
    assert webhook.bodies == [{"text": "cannot log in with [secret password]"}]
