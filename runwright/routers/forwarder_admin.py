"""The forwarder's other door: what it serves, and how it is told to serve something else. Loopback, with a token.

GET /target   {"slot": "blue", "host": "127.0.0.1", "port": 4001}, or null
PUT /target   {"slot", "host", "port"} and, if it shall be compared first, "expect": a target or null; 409 if it differs
GET /status   the target, and what was counted, by slot
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
from dataclasses import asdict
from typing import Any

import h11

from runwright.routers.relay import Board, Peer, Target

BODY_BYTES = 16 * 1024
SECONDS = 5.0


class _RefusedError(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def target_from(data: Any) -> Target | None:
    """Return a target from JSON; None of null. Raise ValueError if it is neither."""
    if data is None:
        return None
    if not isinstance(data, dict):
        raise ValueError("a target is an object with slot, host and port, or null")
    slot, host, port = data.get("slot"), data.get("host"), data.get("port")
    named = isinstance(slot, str) and isinstance(host, str) and slot and host
    if not named or not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
        raise ValueError("a target needs a slot, a host and a port from 1 to 65535")
    return Target(str(slot), str(host), port)


async def administer(board: Board, token: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request of the administrator and close."""
    peer = Peer(h11.SERVER, reader, writer)
    try:
        async with asyncio.timeout(SECONDS):
            try:
                request, body = await _request(peer)
                status, answer = 200, _answer(board, token, request, body)
            except _RefusedError as error:
                status, answer = error.status, {"error": str(error)}
            except h11.RemoteProtocolError as error:
                status, answer = error.error_status_hint or 400, {"error": "this is not valid HTTP/1.1"}
            await _reply(peer, status, answer)
    except (OSError, TimeoutError, h11.LocalProtocolError):
        pass  # nobody is left who could be answered
    finally:
        peer.close()


async def _request(peer: Peer) -> tuple[h11.Request, bytes]:
    request = await peer.event(SECONDS)
    if not isinstance(request, h11.Request):
        raise ConnectionResetError
    body = b""
    while isinstance(event := await peer.event(SECONDS), h11.Data):
        body += event.data
        if len(body) > BODY_BYTES:
            raise _RefusedError(413, "the body is too long")
    return request, body


async def _reply(peer: Peer, status: int, answer: Any) -> None:
    body = json.dumps(answer).encode() + b"\n"
    headers = [("content-type", "application/json"), ("content-length", str(len(body))), ("connection", "close")]
    await peer.send(h11.Response(status_code=status, headers=headers))
    await peer.send(h11.Data(data=body))
    await peer.send(h11.EndOfMessage())
    with contextlib.suppress(OSError, RuntimeError):
        peer.writer.write_eof()


def _answer(board: Board, token: str, request: h11.Request, body: bytes) -> Any:
    given = dict(request.headers).get(b"authorization", b"")
    if not hmac.compare_digest(given, f"Bearer {token}".encode()):
        raise _RefusedError(401, "the token of the forwarder's folder is needed")
    match request.method, request.target:
        case b"GET", b"/target":
            return _plain(board.target)
        case b"PUT", b"/target":
            return _changed(board, body)
        case b"GET", b"/status":
            return _status(board)
        case _:
            raise _RefusedError(404, "there are GET /target, PUT /target and GET /status")


def _changed(board: Board, body: bytes) -> Any:
    try:
        data = json.loads(body)
        to = target_from(data)
        expected = target_from(data["expect"]) if data and "expect" in data else board.target
    except ValueError as error:
        raise _RefusedError(400, str(error)) from error
    if board.target not in (expected, to):
        raise _RefusedError(409, f"the target is {json.dumps(_plain(board.target))}, which is not what was expected")
    board.target = to
    return _plain(to)


def _plain(target: Target | None) -> Any:
    return asdict(target) if target else None


def _status(board: Board) -> Any:
    slots = {*board.in_flight, *board.upgraded, *board.requests, *board.errors}
    return {
        "pid": os.getpid(),
        "target": _plain(board.target),
        "connections": board.connections,
        "slots": {
            slot: {
                "in_flight": board.in_flight[slot],
                "upgraded": board.upgraded[slot],
                "requests": board.requests[slot],
                "errors": board.errors[slot],
            }
            for slot in sorted(slots)
        },
        "unserved": dict(board.unserved),
    }
