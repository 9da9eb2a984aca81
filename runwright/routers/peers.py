"""The two ends of an exchange, as the forwarder speaks with them: HTTP/1.1 over a client's stream, or to an upstream."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import h11

HEADER_BYTES = 64 * 1024  # all headers of a request together
CHUNK_BYTES = 64 * 1024  # what is held of a body, in each direction
WRITE_SECONDS = 60.0  # until a side that reads too slowly is given up


class Connection:
    """A connection whose two directions fail apart, unlike those of a stream of asyncio.

    An upstream that answers before it has read the whole request closes what it does not read, and the next write to it
    fails: its answer is there all the same, and can still be read.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._unsent = bytearray()

    @classmethod
    async def connected(cls, host: str, port: int) -> Connection:
        """Connect to the first address of ``host`` that answers. Raise OSError if none does."""
        loop, failed = asyncio.get_running_loop(), OSError(f"{host} has no address")
        for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            connection = socket.socket(family, kind, protocol)
            try:
                connection.setblocking(False)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await loop.sock_connect(connection, address)
                return cls(connection)
            except OSError as error:
                connection.close()
                failed = error
            except BaseException:
                connection.close()
                raise
        raise failed

    async def read(self, most: int) -> bytes:
        """Return what has come, at most ``most`` bytes; b"" at the end. Raise OSError."""
        return await asyncio.get_running_loop().sock_recv(self._socket, most)

    def write(self, data: bytes) -> None:
        """Keep ``data`` for the next ``drain``."""
        self._unsent += data

    async def drain(self) -> None:
        """Send what was written, as fast as the other side reads it. Raise OSError."""
        data, self._unsent = self._unsent, bytearray()
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    def write_eof(self) -> None:
        """Say that nothing more comes. Raise OSError."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close it in both directions."""
        self._socket.close()


class Peer:
    """One HTTP/1.1 connection: a stream with its parser."""

    def __init__(
        self,
        role: type[h11.SERVER] | type[h11.CLIENT],
        reader: asyncio.StreamReader | Connection,
        writer: asyncio.StreamWriter | Connection,
    ) -> None:
        self.http = h11.Connection(role, max_incomplete_event_size=HEADER_BYTES)
        self.reader = reader
        self.writer = writer
        self.method = b""

    async def event(self, seconds: float) -> Any:
        """Return the next event, waiting at most ``seconds`` for each piece. Raise TimeoutError."""
        while (event := self.http.next_event()) is h11.NEED_DATA:
            async with asyncio.timeout(seconds):
                self.http.receive_data(await self.reader.read(CHUNK_BYTES))
        return event

    async def send(self, event: h11.Event) -> None:
        """Send ``event``, and wait while the other side is slower than we are."""
        data = self.http.send(event)
        if data:
            self.writer.write(data)
            async with asyncio.timeout(WRITE_SECONDS):
                await self.writer.drain()

    def close(self) -> None:
        """Close it; what was written before is still sent."""
        with contextlib.suppress(OSError, RuntimeError):
            self.writer.close()


class Client(Peer):
    """The connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(h11.SERVER, reader, writer)
        self._stream = writer

    @property
    def address(self) -> str:
        """The address that it asks from, "" if that is not known."""
        return str((self._stream.get_extra_info("peername") or ("",))[0])

    def cut(self) -> None:
        """Break the connection, so that half of an answer is seen as cut."""
        self._stream.transport.abort()
