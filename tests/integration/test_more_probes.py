"""Probes of a real server that do more than ask once: a burst, an upload with its clean-up, a browser's question."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from runwright.errors import VerificationError
from runwright.probes.asking import ask, cleanup
from runwright.probes.shape import ProbeResult, World
from runwright.probes.values import Values
from runwright.release.verify import LEFT, prove
from runwright.runbook.probes import Probe
from runwright.testing.direct import Direct
from tests.integration.test_http_probe import serving
from tests.unit.release.conftest import Opener, opened

__all__ = ["opened"]


class Api(ThreadingHTTPServer):
    """It takes receipts, lets one site in, and answers ten requests."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.receipts: dict[str, dict[str, Any]] = {}
        self.limit, self.lock, self.deletes = 10, threading.Lock(), 204


class Handler(BaseHTTPRequestHandler):
    server: Api

    def _say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.limit -= 1
            self._say(200 if self.server.limit >= 0 else 429)

    def do_OPTIONS(self) -> None:
        ours = self.headers["origin"] == "https://shop.test"
        allowed = {"access_control_allow_origin": "https://shop.test"} if ours else {}
        self._say(204, x_frame_options="DENY", **allowed)

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["content-length"]))
        form = message_from_bytes(b"content-type: " + self.headers["content-type"].encode() + b"\r\n\r\n" + sent)
        parts = {str(p.get_param("name", header="content-disposition")): p for p in form.get_payload()}  # type: ignore[union-attr]
        file = parts["file"]
        self.server.receipts["7"] = {
            "name": file.get_filename(), "type": file.get_content_type(), "content": file.get_payload(decode=True),
            "category": parts["category"].get_payload(),
        }  # fmt: skip
        self._say(201, b'{"id": 7}')

    def do_DELETE(self) -> None:
        if self.server.deletes == 204:
            self.server.receipts.pop(self.path.rpartition("/")[2], None)
        self._say(self.server.deletes)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def api() -> Iterator[Api]:
    server = Api()
    with serving(server):
        yield server


def values(api: Api) -> Values:
    return Values({"api": f"http://127.0.0.1:{api.server_port}"}, {"token": "t0p-s3cr3t"}, {"id": "r-17"})


def asked(api: Api, world: World | None = None, **given: Any) -> ProbeResult:
    probe = Probe.model_validate({"id": "p", **given})
    return ask(Direct(), probe, values(api), lambda: datetime.now(UTC), key="k", world=world or World())


UPLOAD = {
    "post": "${url.api}/receipts", "status": 201, "save": {"receipt": "id"}, "cleanup": "${url.api}/receipts/${saved.receipt}",
    "upload": {"name": "receipt-${release.id}.txt", "content": "of ${release.id}", "fields": {"category": "test"}},
}  # fmt: skip


def test_a_file_is_sent_as_a_form_and_deleted_again(api: Api) -> None:
    """With its name, its type and the other fields; the marker of the release is in it."""
    sent = asked(api, **UPLOAD)
    assert (sent.state, sent.saved) == ("pass", {"receipt": "7"})
    assert api.receipts["7"] == {
        "name": "receipt-r-17.txt",
        "type": "text/plain",
        "content": b"of r-17",
        "category": "test",
    }
    gone = cleanup(Direct(), Probe.model_validate({"id": "p", **UPLOAD}), values(api).with_saved(sent.saved), key="k")
    assert gone is not None and gone.state == "pass" and api.receipts == {}


def test_a_file_of_this_machine_is_sent_if_it_is_there_and_small(api: Api, tmp_path: Path) -> None:
    """What cannot be read is our own fault, and blind."""
    path = tmp_path / "receipt.jpg"
    picture = {**UPLOAD, "upload": {"path": str(path), "type": "image/jpeg", "fields": {"category": "x"}}}
    assert asked(api, **picture).state == "blind"
    path.write_bytes(b"\xff\xd8\xff")
    assert asked(api, **picture).state == "pass" and api.receipts["7"]["content"] == b"\xff\xd8\xff"
    path.write_bytes(bytes(2**20 + 1))
    assert asked(api, **picture).state == "blind"


def test_what_could_not_be_deleted_is_told_with_its_marker(api: Api, opened: Opener) -> None:
    """In the record of the release, also if another probe fails after it."""
    api.deletes = 500
    upload = {"id": "upload", **{k: str(v).replace("${url.api}", f"http://127.0.0.1:{api.server_port}") if k in ("post", "cleanup") else v for k, v in UPLOAD.items()}}  # fmt: skip
    other = {"id": "other", "get": f"http://127.0.0.1:{api.server_port}/", "status": 418}
    work = opened(verify={"deadline": "2s", "smoke": [upload, other]})
    with pytest.raises(VerificationError, match="other"):
        prove(work, work.probing(), key="deploy/live", staged=False)
    (told,) = work.fact(LEFT)
    assert told == f"What the probe upload wrote may still be there; it carries the marker {work.id}: DELETE answered 500: it was not removed"  # fmt: skip


def test_a_browser_of_another_site_is_not_let_in(api: Api) -> None:
    """OPTIONS with an Origin: the header must be there for ours, and must not for others."""
    asks = {"options": "${url.api}/orders", "status": 204}
    ours = {"access-control-allow-origin": {"in": ["https://shop.test"], "not": "*"}}
    none = {"access-control-allow-origin": {"exists": False}, "X-Frame-Options": "DENY"}
    assert asked(api, **asks, send_headers={"Origin": "https://shop.test"}, headers=ours).state == "pass"
    assert asked(api, **asks, send_headers={"Origin": "https://evil.test"}, headers=none).state == "pass"
    let_in = asked(api, **asks, send_headers={"Origin": "https://shop.test"}, headers=none)
    assert let_in.reason == "answered 204; header access-control-allow-origin is there, expected none"


def test_a_burst_is_judged_by_its_statuses_together(api: Api) -> None:
    """A limit that refuses enough is right; one that is not there, and no answer at all, are not."""
    burst = {"get": "${url.api}/", "burst": {"requests": 40, "at_once": 10, "answers": {"429": "50 %"}}}
    found = asked(api, **burst)
    assert (found.state, found.reason) == ("pass", "it is right")
    api.limit = 1000
    without = asked(api, **burst)
    assert without.reason == "0% of 40 answers are 429, expected at least 50%; it answered 200 40 times"
    silent = asked(api, **{**burst, "get": "http://127.0.0.1:1/"})
    assert silent.state == "fail" and "40 requests of 40 got no answer" in silent.reason and not silent.answered


def test_a_burst_is_never_sent_to_production(api: Api) -> None:
    """Whatever a runbook says."""
    burst = {"get": "${url.api}/", "burst": {"requests": 40, "answers": {"429": 0.1}}}
    found = asked(api, World(production=True), **burst)
    assert (found.state, found.reason) == ("blind", "A burst is never sent to production.") and api.limit == 10


PROGRAM = "import os, sys; print(os.environ.get('TOKEN'), '{}'); sys.exit(int(sys.argv[1]))"


@pytest.mark.parametrize(
    ("code", "state", "reason"),
    [("0", "pass", "it is right"), ("2", "fail", "exit code 2"), ("75", "blind", "it says that it could not tell")],
)
def test_a_program_says_how_it_is_by_its_exit_code(api: Api, code: str, state: str, reason: str) -> None:
    """It gets its login by environment, and a reason shows none of it."""
    found = asked(api, command={"argv": [sys.executable, "-c", PROGRAM, code], "env": {"TOKEN": "${secret.token}"}})
    assert found.state == state and reason in found.reason and "t0p-s3cr3t" not in found.reason


def test_what_a_program_prints_is_judged_and_it_has_a_deadline(api: Api) -> None:
    """JSON on its standard output is an answer like any other; one that hangs, or is not there, is blind."""
    prints = 'print(\'{"queue": {"dead": 3}}\')'
    dead = {"dead": {"json": "queue.dead", "at_most": 0}}
    found = asked(api, command={"argv": [sys.executable, "-c", prints]}, numbers=dead)
    assert (found.state, found.numbers, found.reason) == ("fail", {"dead": 3.0}, "number dead is 3, expected at most 0")
    hangs = {"argv": [sys.executable, "-c", "import time; time.sleep(30)"]}
    assert asked(api, command=hangs, timeout="500ms").state == "blind"
    assert asked(api, command={"argv": ["/no/such/program"]}).state == "blind"
    assert Counter(asked(api, command={"argv": ["yes"]}, timeout="2s").state) == Counter("blind")
