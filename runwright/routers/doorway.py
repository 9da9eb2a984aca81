"""Accepts connections, never more than there are file descriptors for.

A process that has none left can serve nobody, and cannot be told anything either. asyncio's own servers accept until then,
and fill the log with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import sys
import time
import traceback
from collections.abc import Awaitable, Callable

from runwright.routers.peers import CHUNK_BYTES, WRITE_SECONDS

MAX_CONNECTIONS = 2000  # of clients; memory is bounded by their number too
SPARE_FILES = 64  # listeners, the administrator, looking up names, writing files
BACKLOG = 1024
AGAIN_SECONDS = 0.1  # after a connection that could not be accepted
QUIET_SECONDS = 60.0  # between two lines about the same trouble
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def room_for_connections() -> int:
    """Return for how many clients there are file descriptors, after asking for as many as are allowed and of use.

    Each client needs two: its own connection, and the one to the upstream.
    """
    wanted = 2 * MAX_CONNECTIONS + SPARE_FILES
    soft, hard = (wanted if n == resource.RLIM_INFINITY else n for n in resource.getrlimit(resource.RLIMIT_NOFILE))
    if soft < min(wanted, hard):
        soft = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return max(1, min(MAX_CONNECTIONS, (soft - SPARE_FILES) // 2))


def listeners(host: str, port: int) -> list[socket.socket]:
    """Return what listens on each address of ``host``, all on the same port; 0 is a free one. Raise OSError."""
    opened: list[socket.socket] = []
    for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE):
        where = (str(address[0]), port or (opened[0].getsockname()[1] if opened else 0))
        opened.append(socket.create_server(where, family=family, backlog=BACKLOG))
        opened[-1].setblocking(False)
    return opened


class Doorway:
    """Serves each connection in a task of its own, ``room`` at most; ``turned_away`` is called for each one above that.

    name: what it is called in the log.
    """

    def __init__(self, name: str, room: int, serve: Serve, turned_away: Callable[[], None]) -> None:
        self._name = name
        self._room = room
        self._serve = serve
        self._turned_away = turned_away
        self._inside: set[asyncio.Task[None]] = set()
        self._accepting: list[asyncio.Task[None]] = []
        self._listeners: list[socket.socket] = []
        self._said_at: dict[str, float] = {}

    def open(self, listening: list[socket.socket]) -> None:
        """Begin to accept. The sockets are its own from now on."""
        self._listeners = listening
        self._accepting = [asyncio.create_task(self._accept(listener)) for listener in listening]

    async def close(self) -> None:
        """Accept nobody any more. Who is inside is served to the end."""
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        for listener in self._listeners:
            listener.close()

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = await asyncio.get_running_loop().sock_accept(listener)
            except OSError as error:
                self._say("cannot accept a connection", str(error))
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            if len(self._inside) < self._room:
                task = asyncio.create_task(self._served(connection))
                self._inside.add(task)
                task.add_done_callback(self._inside.discard)
            else:
                self._turn_away(connection)
            await asyncio.sleep(0)  # those who are inside go on, however many stand at the door

    async def _served(self, connection: socket.socket) -> None:
        try:
            reader, writer = await asyncio.open_connection(sock=connection, limit=CHUNK_BYTES)
        except OSError:
            connection.close()
            return
        try:
            await self._serve(reader, writer)
        except Exception:  # noqa: BLE001 - a mistake of ours is written down, and costs one client its connection
            self._say("a connection was broken off", traceback.format_exc())
        finally:
            await _closed(writer)  # it counts until its file descriptor is free

    def _turn_away(self, connection: socket.socket) -> None:
        self._say("more connections are turned away", f"{self._room} are open")
        self._turned_away()
        with contextlib.suppress(OSError), connection:
            connection.setblocking(False)
            connection.send(_BUSY)

    def _say(self, what: str, why: str) -> None:
        now = time.monotonic()
        if now - self._said_at.get(what, -QUIET_SECONDS) >= QUIET_SECONDS:
            self._said_at[what] = now
            print(f"{self._name}: {what}: {why}", file=sys.stderr, flush=True)  # noqa: T201


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Close it when what was written is sent, and break it if that takes too long."""
    try:
        writer.close()
        async with asyncio.timeout(WRITE_SECONDS):
            await writer.wait_closed()
    except (OSError, TimeoutError, asyncio.CancelledError):
        writer.transport.abort()
