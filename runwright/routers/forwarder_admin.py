"""The forwarder's other door: what it serves, and how it is told to serve something else. Loopback, with a token.

GET /target   {"slot": "blue", "host": "127.0.0.1", "port": 4001}, or null
PUT /target   {"slot", "host", "port"} and, if it shall be compared first, "expect": a target or null; 409 if it differs.
              With "fence", the token of the lease under which it is asked: 409 if a higher one was seen
PUT /fence    {"fence": 7}: from now on everybody with a lower token is refused; 409 if a higher one was seen
PUT /spoilt   {"slot", "errors": true, "delay_seconds": 0, "seconds": 60}: for so long, answer 500 or late for a slot, on
              purpose: a drill. It ends with the next PUT /target
GET /status   the target, the fence, and what was counted, by slot
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h11

from runwright.effects.files import write_file
from runwright.errors import ActionError
from runwright.routers.board import MOST_SPOILT_SECONDS, Board, Spoilt, Target
from runwright.routers.fence import Fence, fence_file, is_token, read_fence
from runwright.routers.peers import Peer

BODY_BYTES = 16 * 1024
SECONDS = 5.0
MOST_DELAY_SECONDS = 60.0


class _RefusedError(Exception):
    def __init__(self, status: int, sentence: str, fence: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.answer = {"error": sentence} | ({} if fence is None else {"fence": fence})


class Guard:
    """Keeps the fence of one forwarder: ``state`` is its folder. Raise ValueError if what is kept there is not understood."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._seen = read_fence(state).token

    @property
    def token(self) -> int:
        """The highest token that was ever seen. Read anew: it may have been written while we did not answer."""
        try:
            return max(self._seen, read_fence(self._state).token)
        except (OSError, ValueError) as error:
            raise _RefusedError(503, f"the fence cannot be read: {error}") from error

    def admit(self, token: int | None) -> None:
        """Return if whoever has ``token`` may change something; None is somebody without a lease, by hand."""
        highest = self.token
        if token is not None and token < highest:
            sentence = f"the token {token} is fenced: the lease was taken since then, by token {highest}"
            raise _RefusedError(409, sentence, highest)

    def keep(self, token: int | None, target: Target | None) -> None:
        """Write down the highest token and the target that goes with it, before it is served."""
        highest = max(self.token, token or 0)
        if not highest:
            return  # nobody ever gave one
        try:
            write_file(fence_file(self._state), Fence(highest, _plain(target)).content(), 0o644)
        except ActionError as error:
            raise _RefusedError(503, error.what) from error
        self._seen = highest


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


async def administer(
    board: Board, guard: Guard, token: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer one request of the administrator and close."""
    peer = Peer(h11.SERVER, reader, writer)
    try:
        async with asyncio.timeout(SECONDS):
            try:
                request, body = await _request(peer)
                status, answer = 200, _answer(board, guard, token, request, body)
            except _RefusedError as error:
                status, answer = error.status, error.answer
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


def _answer(board: Board, guard: Guard, token: str, request: h11.Request, body: bytes) -> Any:
    given = dict(request.headers).get(b"authorization", b"")
    if not hmac.compare_digest(given, f"Bearer {token}".encode()):
        raise _RefusedError(401, "the token of the forwarder's folder is needed")
    match request.method, request.target:
        case b"GET", b"/target":
            return _plain(board.target)
        case b"PUT", b"/target":
            return _changed(board, guard, body)
        case b"PUT", b"/fence":
            return _announced(board, guard, body)
        case b"PUT", b"/spoilt":
            return _spoilt(board, guard, body)
        case b"GET", b"/status":
            return _status(board, guard)
        case _:
            raise _RefusedError(404, "there are GET /target, PUT /target, PUT /fence, PUT /spoilt and GET /status")


def _changed(board: Board, guard: Guard, body: bytes) -> Any:
    try:
        data = json.loads(body)
        to = target_from(data)
        expected = target_from(data["expect"]) if data and "expect" in data else board.target
        token = _token(data or {})
    except ValueError as error:
        raise _RefusedError(400, str(error)) from error
    guard.admit(token)
    if board.target not in (expected, to):
        raise _RefusedError(409, f"the target is {json.dumps(_plain(board.target))}, which is not what was expected")
    guard.keep(token, to)
    board.target = to
    board.spoilt = None
    return _plain(to)


def _spoilt(board: Board, guard: Guard, body: bytes) -> Any:
    try:
        data = json.loads(body)
        if not isinstance(data, dict) or not isinstance(data.get("slot"), str):
            raise ValueError("what is spoilt is an object with slot, errors, delay_seconds and seconds")
        delay, seconds = (float(data[name]) for name in ("delay_seconds", "seconds"))
        if not (0 <= delay <= MOST_DELAY_SECONDS and 0 < seconds <= MOST_SPOILT_SECONDS):
            raise ValueError(f"at most {MOST_DELAY_SECONDS:g} s late, for at most {MOST_SPOILT_SECONDS:g} s")
        token = _token(data)
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise _RefusedError(400, str(error)) from error
    guard.admit(token)
    until = asyncio.get_running_loop().time() + seconds
    board.spoilt = Spoilt(data["slot"], bool(data.get("errors")), delay, until)
    return {"slot": data["slot"], "seconds": seconds}


def _announced(board: Board, guard: Guard, body: bytes) -> Any:
    try:
        data = json.loads(body)
        token = _token(data) if isinstance(data, dict) else None
    except ValueError as error:
        raise _RefusedError(400, str(error)) from error
    if token is None:
        raise _RefusedError(400, 'the token of a lease is needed: {"fence": 7}')
    guard.admit(token)
    guard.keep(token, board.target)
    return {"fence": token}


def _token(data: dict[str, Any]) -> int | None:
    token = data.get("fence")
    if token is not None and not is_token(token):
        raise ValueError("the fence is a token: a number from 0")
    return token


def _plain(target: Target | None) -> Any:
    return asdict(target) if target else None


def _status(board: Board, guard: Guard) -> Any:
    slots = {*board.in_flight, *board.upgraded, *board.requests, *board.errors}
    return {
        "pid": os.getpid(),
        "target": _plain(board.target),
        "fence": guard.token,
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
