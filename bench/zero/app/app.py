"""A small, well-behaved web application: told to end, it takes nothing new and lets what it has begun come to its end.

Its image has nothing but Python. ``/spoil`` makes what runs bad in the eyes of whoever asks ``/judged``; all else goes on.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

PORT = 8000
SLOW_SECONDS = 5.0
TICK_SECONDS = 0.5
STREAM_TICKS, SOCKET_TICKS = 16, 40
"""How long an event stream and a websocket stay open, if nobody cuts them."""
END_SECONDS = float(os.environ.get("END_SECONDS", "9"))
"""Docker kills after ten; a cluster, after the grace period of the pod."""
VERSION = Path(__file__).with_name("VERSION").read_text().strip()

ending = asyncio.Event()
busy: set[asyncio.Task[None]] = set()
spoilt = False


def answer(body: str, status: str = "200 OK") -> bytes:
    """Return a whole answer."""
    close = "Connection: close\r\n" if ending.is_set() else ""
    return f"HTTP/1.1 {status}\r\nX-Version: {VERSION}\r\n{close}Content-Length: {len(body)}\r\n\r\n{body}".encode()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one connection."""
    try:
        while not ending.is_set():
            asked = asyncio.ensure_future(reader.readuntil(b"\r\n\r\n"))
            told = asyncio.ensure_future(ending.wait())
            await asyncio.wait((asked, told), return_when=asyncio.FIRST_COMPLETED)
            told.cancel()
            if not asked.done():
                asked.cancel()
                break
            task = asyncio.ensure_future(answered(asked.result().decode(), reader, writer))
            busy.add(task)
            try:
                await task
            finally:
                busy.discard(task)
            if writer.is_closing():
                break
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def answered(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request."""
    global spoilt
    fields = dict(line.lower().partition(": ")[::2] for line in head.split("\r\n")[1:])
    await reader.readexactly(int(fields.get("content-length", 0)))
    path = head.split(" ")[1]
    if path == "/slow":
        await asyncio.sleep(SLOW_SECONDS)
    if path == "/events":
        kind = "Content-Type: text/event-stream\r\nConnection: close"
        await ticks(writer, f"200 OK\r\n{kind}", STREAM_TICKS, b"data: tick\n\n", b"data: end\n\n")
        writer.close()
    elif path == "/socket":
        kind = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        await ticks(writer, f"101 Switching Protocols\r\n{kind}", SOCKET_TICKS, b"\x81\x04tick", b"\x88\x00")
        writer.close()
    else:
        spoilt |= path == "/spoil"
        writer.write(answer("bad", "500 Bad") if path == "/judged" and spoilt else answer(VERSION))
        await writer.drain()
        if fields.get("connection") == "close" or " HTTP/1.0\r\n" in head:
            writer.close()


async def ticks(writer: asyncio.StreamWriter, head: str, number: int, tick: bytes, end: bytes) -> None:
    """Send something now and then, and at the end that it is the end."""
    writer.write(f"HTTP/1.1 {head}\r\nX-Version: {VERSION}\r\n\r\n".encode())
    for _ in range(number):
        writer.write(tick)
        await writer.drain()
        await asyncio.sleep(TICK_SECONDS)
    writer.write(end)
    await writer.drain()


async def main() -> None:
    """Serve until told to end; then let what was begun end."""
    await asyncio.sleep(float(os.environ.get("START_SECONDS", "2")))
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(serve, "0.0.0.0", PORT, backlog=512)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    await ending.wait()
    server.close()
    if busy:
        await asyncio.wait(set(busy), timeout=END_SECONDS)


if __name__ == "__main__":
    asyncio.run(main())
