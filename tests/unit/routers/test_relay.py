"""The forwarder's patience, with short limits, in this process."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from runwright.routers import relay
from runwright.routers.board import Board, Target
from runwright.routers.headers import is_loopback

SHORT = 0.2


async def exchange(board: Board, *pieces: bytes | float) -> bytes:
    """Send ``pieces`` to a relay (a number is a pause in seconds) and return everything that it answers until it closes."""
    server = await asyncio.start_server(lambda r, w: relay.serve(board, r, w), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    answered = asyncio.create_task(_whole(reader))
    try:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                if isinstance(piece, float):
                    await asyncio.sleep(piece)
                else:
                    writer.write(piece)
                    await writer.drain()
        async with asyncio.timeout(60):
            return await answered
    finally:
        writer.close()
        server.close()


async def _whole(reader: asyncio.StreamReader) -> bytes:
    answer = b""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            answer += data
    return answer


async def with_upstream(board: Board, answer: bytes, *pieces: bytes | float) -> bytes:
    """As ``exchange``, before an upstream that answers every connection so and then holds it."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await reader.read(-1)
        writer.close()

    upstream = await asyncio.start_server(connected, "127.0.0.1", 0)
    host, port = upstream.sockets[0].getsockname()
    board.target = Target("blue", host, port)
    try:
        return await exchange(board, *pieces)
    finally:
        upstream.close()


@pytest.fixture(autouse=True)
def closes_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection is closed soon after its first answer; each test shortens the limit that it is about, and no other."""
    for name in ("IDLE_SECONDS", "LINGER_SECONDS"):
        monkeypatch.setattr(relay, name, SHORT)


def test_headers_that_drip_end_in_a_408(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece comes in time, all of them together do not."""
    monkeypatch.setattr(relay, "HEADER_SECONDS", 1.0)
    drip = [piece for n in range(40) for piece in (b"X-%d: y\r\n" % n, 0.05)]
    answer = asyncio.run(exchange(Board(), b"GET / HTTP/1.1\r\nHost: x\r\n", *drip))
    assert answer.startswith(b"HTTP/1.1 408")


def test_a_body_that_stops_ends_in_a_408(monkeypatch: pytest.MonkeyPatch) -> None:
    """The upstream is let go of, and nothing stays in flight."""
    monkeypatch.setattr(relay, "BODY_SECONDS", SHORT)
    board = Board()
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf"
    assert asyncio.run(with_upstream(board, b"", head)).startswith(b"HTTP/1.1 408")
    assert not +board.in_flight


def test_a_connection_that_says_nothing_is_closed_without_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no request that could be answered."""
    monkeypatch.setattr(relay, "HEADER_SECONDS", SHORT)
    assert asyncio.run(exchange(Board())) == b""


def test_an_upstream_that_does_not_answer_is_a_504(monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts as an error of that slot."""
    monkeypatch.setattr(relay, "UPSTREAM_SECONDS", SHORT)
    board = Board()
    answer = asyncio.run(with_upstream(board, b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert answer.startswith(b"HTTP/1.1 504")
    assert (board.errors["blue"], board.requests["blue"], +board.in_flight) == (1, 1, {})


def test_an_answer_to_head_has_no_body() -> None:
    """Also when the forwarder itself answers."""
    head, _, body = asyncio.run(exchange(Board(), b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503") and body == b""


def test_a_reply_with_two_lengths_reaches_the_client_with_one() -> None:
    """Chunks win over a length that contradicts them, and only one of them is passed on."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    got = asyncio.run(with_upstream(Board(), answer, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    assert b"content-length" not in got.lower() and b"\r\nok\r\n" in got


def test_an_answer_keeps_its_length_whatever_its_connection_header_names() -> None:
    """A client can tell the end of it, and whether it was cut."""
    answer = b"HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 2\r\n\r\nok"
    got = asyncio.run(with_upstream(Board(), answer, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    assert b"content-length: 2\r\n" in got.lower() and got.endswith(b"\r\n\r\nok")


def test_what_cannot_be_passed_on_is_answered_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should headers not be as HTTP wants them, it is said, and not thrown into the log."""
    monkeypatch.setattr(relay, "onward", lambda address, request, upgrade: [(b"content-length", b"0")])
    board = Board()
    answer = asyncio.run(with_upstream(board, b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert answer.startswith(b"HTTP/1.1 400") and b"cannot be passed on" in answer
    assert not +board.in_flight


def test_interim_answers_are_passed_on() -> None:
    """A client that waits for "100 Continue" hears it from the application."""
    answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    request = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    got = asyncio.run(with_upstream(Board(), answer, request))
    assert got.startswith(b"HTTP/1.1 100") and b"HTTP/1.1 200" in got


def test_what_a_stranger_says_about_others_is_not_believed() -> None:
    """Only a proxy on this machine may tell for whom it asks."""
    assert is_loopback("127.0.0.1") and is_loopback("::1")
    assert not is_loopback("10.0.0.1") and not is_loopback("")
