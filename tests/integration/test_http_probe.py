"""Probes against real servers: what they answer, and all the ways in which they do not."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from runwright.probes.asking import ask, ask_until, cleanup
from runwright.probes.shape import ProbeResult
from runwright.probes.values import Values
from runwright.runbook.probes import Probe
from runwright.testing.direct import Direct


def clock() -> datetime:
    return datetime.now(UTC)


class Shop(ThreadingHTTPServer):
    """A small API: a login, customers, a health page that gets right after some time, and pages of all sorts."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.hosts: list[str] = []
        self.customers: dict[str, Any] = {}
        self.wrong_for = 0


class Handler(BaseHTTPRequestHandler):
    server: Shop

    def _answer(self, status: int, body: Any = None, **headers: str) -> None:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _dispatch(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.server.hosts.append(self.headers["Host"])
        sent = self.rfile.read(int(self.headers.get("content-length", 0)))
        token = self.headers.get("authorization", "")
        match self.command, self.path.strip("/").split("/"):
            case "GET" | "HEAD", ["readyz"]:
                self.server.wrong_for -= 1
                good = self.server.wrong_for < 0
                self._answer(200 if good else 503, {"ok": good}, x_frame_options="DENY")
            case "GET", ["basic"]:
                right = token == "Basic " + base64.b64encode(b"admin:hunter2-hunter2").decode()
                self._answer(200 if right else 401)
            case "POST", ["login"]:
                right = json.loads(sent) == {"user": "u", "password": "hunter2-hunter2"}
                self._answer(200 if right else 401, {"access_token": "aa.bb.cc"} if right else None)
            case "POST", ["customers"] if token == "Bearer aa.bb.cc":
                self.server.customers["c 1"] = json.loads(sent)
                self._answer(201, {"id": "c 1"})
            case "GET", ["customers"] if token == "Bearer aa.bb.cc":
                self._answer(200, [{"id": id, **rest} for id, rest in self.server.customers.items()])
            case "DELETE", ["customers", "c%201"] if token == "Bearer aa.bb.cc":
                self._answer(204 if self.server.customers.pop("c 1", None) else 404)
            case "GET", ["away"]:
                self._answer(302, location="/login?ticket=secret")
            case "GET", ["huge"]:
                self._answer(200, b"x" * 12 * 2**20)
            case "GET", ["silent"]:
                threading.Event().wait(3)
            case "GET", ["broken"]:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                self.connection.close()
            case _:
                self._answer(403)

    do_GET = do_HEAD = do_POST = do_DELETE = _dispatch

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[str]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def shop() -> Iterator[Shop]:
    server = Shop()
    with serving(server):
        yield server


def values(shop: Shop) -> Values:
    base = f"http://127.0.0.1:{shop.server_port}"
    return Values({"api": base, "front": base}, {"password": "hunter2-hunter2"}, {"id": "r1"})


def probe(**given: Any) -> Probe:
    return Probe.model_validate({"id": "p", **given})


def test_a_smoke_test_logs_in_creates_finds_and_cleans_up(shop: Shop) -> None:
    """The token of the login is used by what follows, and what was created is gone at the end."""
    do, known, results = Direct(), values(shop), []
    probes = [
        probe(id="login", post="${url.api}/login", body={"user": "u", "password": "${secret.password}"},
              save={"token": "access_token"}),
        probe(id="make", post="${url.api}/customers", body={"name": "r-${release.id}"}, bearer="${saved.token}", status=201,
              save={"customer": "id"}, cleanup="${url.api}/customers/${saved.customer}"),
        probe(id="find", get="${url.api}/customers", bearer="${saved.token}", json={"[*].name": "r-r1"}),
    ]  # fmt: skip
    for one in probes:
        results.append(ask(do, one, known, clock, key="smoke/1"))
        known = known.with_saved(results[-1].saved)
    assert [(r.id, r.state, r.status) for r in results] == [
        ("login", "pass", 200),
        ("make", "pass", 201),
        ("find", "pass", 200),
    ]
    gone = [cleanup(do, one, known, key="smoke/1") for one in probes]
    assert [r.state for r in gone if r] == ["pass"]
    assert shop.customers == {}
    assert do.keys == ["smoke/1/login", "smoke/1/make", "smoke/1/make-cleanup"]
    assert "aa.bb.cc" not in repr(results) and "hunter2" not in repr(do.done)


def test_a_failed_login_fails_and_what_needs_it_is_blind(shop: Shop) -> None:
    """Without the token the next probe is not asked at all."""
    do, known = Direct(), values(shop)
    login = ask(
        do, probe(id="login", post="${url.api}/login", body={}, save={"token": "access_token"}), known, clock, key="s"
    )
    after = ask(do, probe(get="${url.api}/customers", bearer="${saved.token}"), known.with_saved(login.saved), clock)
    assert (login.state, login.reason) == ("fail", "answered 401, expected 200")
    assert (after.state, shop.asked) == ("blind", ["POST /login"])


def test_a_password_is_sent(shop: Shop) -> None:
    """Basic authentication works, and a wrong password is what it is."""
    right = ask(Direct(), probe(get="${url.api}/basic", basic=("admin", "${secret.password}")), values(shop), clock)
    wrong = ask(Direct(), probe(get="${url.api}/basic", basic=("admin", "nothing")), values(shop), clock)
    assert (right.state, wrong.reason) == ("pass", "answered 401, expected 200")


def test_a_health_probe_waits_until_it_is_right(shop: Shop) -> None:
    """It is asked again until the answer is right; with HEAD as well as with GET."""
    shop.wrong_for = 1
    found = ask_until(
        Direct(), probe(get="${url.api}/readyz", json={"ok": True}), values(shop), clock, within_seconds=20
    )
    assert (found.state, len(shop.asked)) == ("pass", 2)
    head = ask(Direct(), probe(head="${url.api}/readyz", headers={"X-Frame-Options": "DENY"}), values(shop), clock)
    assert head.state == "pass"


def test_a_health_probe_that_stays_wrong_says_why(shop: Shop) -> None:
    """When the time is over the reason is the last answer's."""
    shop.wrong_for = 1000
    found = ask_until(
        Direct(), probe(get="${url.api}/readyz", json={"ok": True}), values(shop), clock, within_seconds=0.1
    )
    assert found.state == "fail"
    assert found.reason == "not right within 100ms: answered 503, expected 200; body: ok is false, expected true"


@pytest.mark.parametrize(
    ("path", "given", "reason"),
    [
        ("away", {}, "answered 302, expected 200 (it redirects to /login)"),
        ("huge", {"json": {"ok": True}}, "answered 200; body: longer than 1 MiB, not read as JSON"),
        ("silent", {"timeout": "300ms"}, "no answer within 300ms"),
        ("broken", {}, "it broke the connection"),
    ],
)
def test_what_is_no_right_answer_fails(shop: Shop, path: str, given: dict[str, Any], reason: str) -> None:
    """Redirects are answers and are not followed, huge bodies are not judged, silence ends at the probe's timeout."""
    found = ask(Direct(), probe(get="${url.api}/" + path, **given), values(shop), clock)
    assert (found.state, found.reason) == ("fail", reason)


def at(url: str) -> ProbeResult:
    return ask(Direct(), probe(get="${url.api}/", timeout="3s"), Values({"api": url}), clock)


def test_a_port_where_nobody_listens_fails() -> None:
    """Refused is a fact about the target."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found = at(f"http://127.0.0.1:{free.getsockname()[1]}")
    assert (found.state, found.reason) == ("fail", "it refused the connection")


def test_a_name_that_nobody_knows_is_blind() -> None:
    """A name that cannot be resolved says nothing about the release."""
    found = at("http://no-such-host.invalid")
    assert (found.state, found.reason) == ("blind", "its name could not be resolved")


def test_a_certificate_that_nobody_vouches_for_fails(tmp_path: Path) -> None:
    """The reason says what is wrong with the certificate."""
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=shop.test"]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    subprocess.run([*made, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server = Shop()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server) as address:
        found = at(f"https://{address}")
    assert found.state == "fail"
    assert found.reason == "its certificate is not valid: self-signed certificate"


def test_a_server_without_tls_fails(shop: Shop) -> None:
    """Plain HTTP where TLS is expected is told as that."""
    found = at(f"https://127.0.0.1:{shop.server_port}")
    assert found.state == "fail"
    assert found.reason.startswith("no TLS connection: ")


def test_the_test_route_asks_the_staged_version(shop: Shop) -> None:
    """Rebased onto another address, the same probe asks there, with the same path, for the host that clients know."""
    elsewhere = Values({"front": "http://shop.invalid", "api": "http://shop.invalid"})
    moved = elsewhere.rebased("front", f"http://127.0.0.1:{shop.server_port}")
    assert ask(Direct(), probe(get="${url.api}/readyz"), moved, clock).state == "pass"
    assert (shop.asked, shop.hosts) == (["GET /readyz"], ["shop.invalid"])


def test_how_long_each_part_of_a_request_took_is_measured(shop: Shop) -> None:
    """A name is looked up, an address is not; without TLS there is no such part."""
    by_name = Probe.model_validate({"id": "ready", "get": "http://localhost:${release.version}/readyz"})
    port = str(shop.server_address[1])
    found = ask(Direct(), by_name, Values(release={"version": port}), clock)
    assert found.state == "pass" and set(found.phases) == {"dns", "connect", "first_byte", "total"}
    assert all(0 <= seconds <= found.phases["total"] for seconds in found.phases.values())
    by_address = Probe.model_validate({"id": "ready", "get": f"http://127.0.0.1:{port}/readyz"})
    assert "dns" not in ask(Direct(), by_address, Values(), clock).phases
