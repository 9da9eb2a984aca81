"""Requests: the deadline is that of the whole exchange, and what is given up is over."""

from __future__ import annotations

import gzip
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import Http
from runwright.engine.effects.requests import MAX_BODY_BYTES, request
from runwright.errors import DeadlineError
from tests.fixtures.dripping import cut_after

IN_ITS_HEADERS = b"HTTP/1.1 200 OK\r\nX-Slow: "
IN_ITS_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"


def get(url: str, deadline_seconds: float, **more: Any) -> Http[Any]:
    return Http(says="ask the shop", method="GET", url=url, deadline_seconds=deadline_seconds, **more)


def left(url: str, deadline_seconds: float, **more: Any) -> DeadlineError:
    """Ask, and return the error that says it took too long."""
    with pytest.raises(DeadlineError) as caught:
        request(get(url, deadline_seconds, **more))
    return caught.value


@pytest.mark.parametrize("begins", [b"", IN_ITS_HEADERS, IN_ITS_BODY])
def test_a_server_that_drips_is_left_on_the_deadline(begins: bytes) -> None:
    """Wherever in its answer it drips, the deadline ends the exchange and the line is cut."""
    error, deadline = cut_after(begins, left)
    assert error.what == f"No answer within {deadline:g} s: ask the shop."


def test_a_server_that_drips_over_tls_is_left_too(tmp_path: Path) -> None:
    """The line is cut below TLS."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=shop.test"]
    named = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*made, *named], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    cut_after(IN_ITS_HEADERS, lambda url, deadline: left(url, deadline, ca_file=certificate), context)


def test_a_name_that_is_found_too_late_is_asked_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change whose deadline has passed is not sent afterwards, when the resolver answers at last."""
    asked, found, real = threading.Event(), threading.Event(), socket.getaddrinfo

    def late(*words: Any, **more: Any) -> Any:
        asked.set()
        found.wait(60)
        return real("127.0.0.1", words[1], **more)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        monkeypatch.setattr(socket, "getaddrinfo", late)
        for deadline in (0.2, 2.0, 20.0):  # a busy machine takes its time to come to the resolver
            left(f"http://shop.test:{listening.getsockname()[1]}/pay", deadline)
            if asked.is_set():
                break
        found.set()
        connected, _ = listening.accept()
        with connected:
            connected.settimeout(10)
            assert connected.recv(1000) == b""


def answered(encoding: str, body: bytes) -> tuple[bytes, bytes]:
    """Return the body of a reply whose server sends ``body`` as ``encoding``, and what it was asked."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        asked: list[bytes] = []

        def serve() -> None:
            connected, _ = listening.accept()
            with connected:
                asked.append(connected.recv(65536))
                head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
                connected.sendall(head.encode() + body)

        server = threading.Thread(target=serve)
        server.start()
        reply = request(get(f"http://127.0.0.1:{listening.getsockname()[1]}/", 20))
        server.join()
        return reply.body, asked[0]


@pytest.mark.parametrize("encoding", ["gzip", "X-GZIP "])
def test_an_answer_that_was_packed_unasked_is_unpacked(encoding: str) -> None:
    """Nothing packed is asked for; gzip, which some servers send to everybody, is read all the same."""
    body, asked = answered(encoding, gzip.compress(b"well"))
    assert body == b"well"
    assert b"accept-encoding: identity" in asked.lower()


@pytest.mark.parametrize(("encoding", "most"), [("gzip", MAX_BODY_BYTES), ("gzip, gzip", 2000), ("br", 2000)])
def test_what_is_unpacked_of_an_answer_is_bounded(encoding: str, most: int) -> None:
    """A small answer that stands for gigabytes fills no memory: it is unpacked once, up to the limit of any answer."""
    packed = gzip.compress(bytes(2 * MAX_BODY_BYTES))
    body, _ = answered(encoding, packed if most > 2000 else gzip.compress(packed))
    assert len(body) <= most
    assert len(body) == MAX_BODY_BYTES or body.startswith(b"\x1f\x8b")
