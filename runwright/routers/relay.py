"""The forwarder's work: one client's connection, its requests passed on one by one to whatever is the target then.

Each request gets a connection of its own to the upstream, so that a client that keeps its connection moves to the new
upstream with its next request, and no request is lost to an upstream that closes an idle connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from http import HTTPStatus
from typing import Any

import h11

from runwright.routers.board import Board
from runwright.routers.headers import answered, onward, wanted_upgrade
from runwright.routers.peers import CHUNK_BYTES, Client, Connection, Peer

HEADER_SECONDS = 10.0  # from the first byte of a request to the end of its headers
IDLE_SECONDS = 75.0  # between two requests
BODY_SECONDS = 30.0  # between two pieces of a request's body
CONNECT_SECONDS = 5.0
RETRY_SECONDS = 1.0  # an upstream that refuses connections is asked again for so long
RETRY_PAUSE_SECONDS = 0.02
UPSTREAM_SECONDS = 300.0  # between two pieces of an answer
LINGER_SECONDS = 1.0  # a client that was answered early has so long for the next piece of its body,
LINGER_TOTAL_SECONDS = 30.0  # and so long for all that is left of it


class _ClientGoneError(Exception):
    """The client closed its connection, or broke it."""


class _AnswerError(Exception):
    """The forwarder itself answers: a status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(status, sentence)
        self.status = status
        self.sentence = sentence


class _UpstreamGoneError(Exception):
    """The upstream ended or broke its answer."""


async def serve(board: Board, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one client's connection until it ends."""
    board.connections += 1
    client = Client(reader, writer)
    try:
        wait = HEADER_SECONDS
        while await _one_request(board, client, wait) and not board.stopping:
            client.http.start_next_cycle()
            wait = IDLE_SECONDS
    except (_ClientGoneError, OSError, TimeoutError, h11.LocalProtocolError):
        pass  # nobody is left who could be answered, or nothing more can be said
    except asyncio.CancelledError:
        pass  # the forwarder ends, and so does this task
    finally:
        board.connections -= 1
        client.close()


async def _one_request(board: Board, client: Client, wait: float) -> bool:
    """Answer one request; return whether the connection can be used again."""
    try:
        request = await _request(client, wait)
        if request is None:
            return False
        if request.method == b"CONNECT":
            raise _AnswerError(405, "This is no proxy for other servers.")
        if request.http_version not in (b"1.0", b"1.1"):
            raise _AnswerError(505, "Only HTTP/1.0 and HTTP/1.1 are spoken here.")
        names = [name for name, _ in request.headers]
        if b"transfer-encoding" in names and b"content-length" in names:
            raise _AnswerError(400, "A request has one length: Content-Length or Transfer-Encoding, not both.")
        return await _forwarded(board, client, request)
    except h11.RemoteProtocolError as error:
        await _answer(board, client, error.error_status_hint or 400, "The request is not valid HTTP/1.1.")
    except h11.LocalProtocolError:
        await _answer(board, client, 400, "The request cannot be passed on as it is.")
    except _AnswerError as error:
        await _answer(board, client, error.status, error.sentence)
    return False


async def _request(client: Client, wait: float) -> h11.Request | None:
    """Return the next request, or None if the client has no more."""
    if not client.http.trailing_data[0]:
        async with asyncio.timeout(wait):
            data = await client.reader.read(CHUNK_BYTES)
        if not data:
            return None
        client.http.receive_data(data)
    try:
        async with asyncio.timeout(HEADER_SECONDS):
            event = await client.event(HEADER_SECONDS)
    except TimeoutError:
        raise _AnswerError(408, "The headers of the request came too slowly.") from None
    if not isinstance(event, h11.Request):
        return None
    client.method = event.method
    return event


async def _answer(board: Board, client: Client, status: int, sentence: str) -> None:
    """Answer ourselves, and end the connection so that the client can read the answer."""
    board.unserved[str(status)] += 1
    if client.http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
        client.cut()  # half of another answer is out: the client must see that it is cut
        return
    body = f"{status} {sentence}\n".encode()
    headers = [
        ("content-type", "text/plain; charset=utf-8"),
        ("content-length", str(len(body))),
        ("connection", "close"),
        ("retry-after", "1"),
    ]
    reason = HTTPStatus(status).phrase.encode()
    await client.send(h11.Response(status_code=status, headers=headers[: 4 if status == 503 else 3], reason=reason))
    if client.method != b"HEAD":
        await client.send(h11.Data(data=body))
    await client.send(h11.EndOfMessage())
    await _linger(client)


async def _linger(client: Client) -> None:
    """Read on for a moment: closing with unread bytes resets the connection and may take the answer with it."""
    with contextlib.suppress(OSError, TimeoutError, RuntimeError):
        client.writer.write_eof()
        async with asyncio.timeout(LINGER_TOTAL_SECONDS):
            while await _next_piece(client):
                pass


async def _next_piece(client: Client) -> bytes:
    async with asyncio.timeout(LINGER_SECONDS):
        return await client.reader.read(CHUNK_BYTES)


async def _forwarded(board: Board, client: Client, request: h11.Request) -> bool:
    """Pass ``request`` on to the target of this moment and its answer back; return whether the client can go on."""
    upgrade = wanted_upgrade(request)
    slot, flight, upstream = await _connected(board)
    try:
        with contextlib.ExitStack() as stack:
            stack.push(flight)
            await _spoil(board, slot)
            head = h11.Request(
                method=request.method, target=request.target, headers=onward(client.address, request, upgrade)
            )
            with contextlib.suppress(OSError):  # it may have answered already, and closed
                await upstream.send(head)
            upgraded = await _Exchange(board, slot, client, upstream, bool(upgrade)).run()
        if not upgraded:
            return await _reusable(client)
        with board.counted(board.upgraded, slot):
            await _spliced(client, upstream)
        return False
    finally:
        upstream.close()


async def _spoil(board: Board, slot: str) -> None:
    """Let a slot answer late or not at all, if a drill spoils it."""
    found = board.spoilt_now(slot, asyncio.get_running_loop().time())
    if found is None:
        return
    await asyncio.sleep(found.delay_seconds)
    if found.errors:
        board.errors[slot] += 1
        raise _AnswerError(500, "A drill: this is broken on purpose.")


async def _reusable(client: Client) -> bool:
    if client.http.their_state is h11.SEND_BODY:
        await _linger(client)  # it was answered before it had sent everything
    return client.http.our_state is h11.DONE and client.http.their_state is h11.DONE


async def _connected(board: Board) -> tuple[str, contextlib.ExitStack, Peer]:
    """Connect to the target, which is read anew for each try: nothing was sent yet, so every method may be tried again.

    The request counts as in flight from before the connection is made: no switch can miss it.
    """
    until = asyncio.get_running_loop().time() + RETRY_SECONDS
    while True:
        target = board.target
        if target is None:
            raise _AnswerError(503, "No version is served here yet.")
        flight = contextlib.ExitStack()
        flight.enter_context(board.counted(board.in_flight, target.slot))
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await Connection.connected(target.host, target.port)
            board.requests[target.slot] += 1
            return target.slot, flight, Peer(h11.CLIENT, connection, connection)
        except OSError as error:  # TimeoutError is one
            with flight:  # it counts until it is tried again
                if asyncio.get_running_loop().time() > until:
                    board.requests[target.slot] += 1
                    raise _AnswerError(502, "The application cannot be reached.") from error
                await asyncio.sleep(RETRY_PAUSE_SECONDS)
        except BaseException:
            flight.close()
            raise


class _Exchange:
    """One request and its answer, both directions at once."""

    def __init__(self, board: Board, slot: str, client: Client, upstream: Peer, upgrade: bool) -> None:
        self._board = board
        self._slot = slot
        self._client = client
        self._upstream = upstream
        self._upgrade = upgrade
        self._sent = False

    async def run(self) -> bool:
        """Return whether the connection was upgraded. Raise _AnswerError or _ClientGoneError."""
        sending = asyncio.create_task(self._send_request())
        answering = asyncio.create_task(self._pass_answer())
        try:
            await asyncio.wait({sending, answering}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and not answering.done():
                sending.result()  # raises if the client is gone; otherwise only the answer is waited for
            return await answering
        except _UpstreamGoneError as error:
            self._board.errors[self._slot] += 1
            raise _AnswerError(502, "The application ended the connection before it had answered.") from error
        except TimeoutError as error:
            self._board.errors[self._slot] += 1
            raise _AnswerError(504, "The application did not answer in time.") from error
        finally:
            for task in (sending, answering):
                task.cancel()
            await asyncio.gather(sending, answering, return_exceptions=True)

    async def _send_request(self) -> None:
        """Pass the request's body on, then watch for a client that goes away."""
        client, upstream, is_read = self._client, self._upstream, True
        while True:
            try:
                event = await client.event(BODY_SECONDS)
            except TimeoutError:
                raise _AnswerError(408, "The body of the request came too slowly.") from None
            except OSError as error:
                raise _ClientGoneError from error
            try:
                if is_read:
                    await upstream.send(h11.EndOfMessage() if isinstance(event, h11.EndOfMessage) else event)
            except OSError:
                is_read = (
                    False  # it answers without reading on, and its answer tells why; the client may read that late
                )
            if isinstance(event, h11.EndOfMessage):
                break
        self._sent = True
        if self._upgrade:
            return  # what comes now may be of the new protocol
        try:
            data = await client.reader.read(CHUNK_BYTES)
        except OSError as error:
            raise _ClientGoneError from error
        if not data:
            raise _ClientGoneError
        client.http.receive_data(data)  # the next request already; it waits, and nothing more is read

    async def _pass_answer(self) -> bool:
        client = self._client
        while True:
            event = await self._upstream_event()
            try:
                if isinstance(event, h11.InformationalResponse):
                    if event.status_code == 101:
                        await client.send(event)
                        return True
                    if client.http.their_http_version == b"1.1":
                        await client.send(event)
                elif isinstance(event, h11.Response):
                    self._board.errors[self._slot] += event.status_code >= 500
                    await client.send(answered(event))
                elif isinstance(event, h11.Data):
                    await client.send(h11.Data(data=event.data))
                else:
                    await client.send(h11.EndOfMessage())
                    return False
            except OSError as error:
                raise _ClientGoneError from error
            except h11.LocalProtocolError as error:  # an answer that contradicts itself
                raise _UpstreamGoneError from error

    async def _upstream_event(self) -> Any:
        try:
            event = await self._upstream.event(UPSTREAM_SECONDS)
        except TimeoutError:
            if self._sent:
                raise
            return await self._upstream_event()  # it cannot answer what it does not have yet
        except (OSError, h11.RemoteProtocolError) as error:
            raise _UpstreamGoneError from error
        if isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
            raise _UpstreamGoneError
        return event


async def _spliced(client: Client, upstream: Peer) -> None:
    """Copy bytes both ways until one side ends."""
    upstream.writer.write(client.http.trailing_data[0])
    client.writer.write(upstream.http.trailing_data[0])
    with contextlib.suppress(OSError):
        await upstream.writer.drain()
    both = {
        asyncio.create_task(_copied(client.reader, upstream.writer)),
        asyncio.create_task(_copied(upstream.reader, client.writer)),
    }
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(both, timeout=LINGER_SECONDS)  # the last words of the other side
    finally:
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)


async def _copied(reader: asyncio.StreamReader | Connection, writer: asyncio.StreamWriter | Connection) -> None:
    with contextlib.suppress(OSError, RuntimeError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
