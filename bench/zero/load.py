"""The clients: about 300 requests a second over loopback, of five kinds, each answer written down.

``python -m bench.zero.load PORT FILE`` ends when its standard input is closed, or by itself after `AT_MOST_SECONDS`. No
client sends anything twice: what is not answered counts. One that keeps its connection looks before each request whether
the other end has closed it, as careful clients do.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

AT_MOST_SECONDS = 300.0
KEPT, NEW, SLOW, STREAMS, SOCKETS = 10, 5, 5, 4, 4
"""How many clients there are of each kind."""
EVERY_SECONDS = 0.05
"""How often each of the first two kinds asks: 200 POSTs a second on kept connections, 100 requests on new ones."""
QUICK_SECONDS, LONG_SECONDS = 10.0, 40.0
"""How long an answer may take."""
TAKEN_SECONDS = 0.5
"""What breaks later than this had been taken on: it was cut."""

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Broken(Exception):
    """No answer, or not the whole of it, or not the right one."""


class Clients:
    """All of them. found: [kind, when it began, how long it took in seconds, ok or failed or cut, version, why]."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.found: list[list[Any]] = []
        self.over = asyncio.Event()

    async def run(self) -> None:
        """Ask until it is over, and let what was begun end."""
        quick = [self._every(self._kept()) for _ in range(KEPT)] + [self._every(self._new) for _ in range(NEW)]
        long = [(SLOW, "slow", self._slow), (STREAMS, "stream", self._stream), (SOCKETS, "socket", self._socket)]
        held = [self._again(kind, ask, i / 2) for number, kind, ask in long for i in range(number)]
        await asyncio.gather(*quick, *held)

    async def _every(self, ask: Callable[[], Awaitable[None]]) -> None:
        due = time.monotonic()
        while not self.over.is_set():
            await ask()
            due = max(due + EVERY_SECONDS, time.monotonic() - EVERY_SECONDS)
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _again(self, kind: str, ask: Callable[[], Awaitable[str]], after: float) -> None:
        await asyncio.sleep(after)
        while not self.over.is_set():
            if not await self._noted(kind, ask, LONG_SECONDS):
                await asyncio.sleep(EVERY_SECONDS)

    async def _noted(self, kind: str, ask: Callable[[], Awaitable[str]], patience: float) -> bool:
        """Ask once and write down what came of it. Return whether it was right."""
        at, began = time.time(), time.monotonic()
        version, how, why = "", "ok", ""
        try:
            version = await asyncio.wait_for(ask(), patience)
        except (Broken, OSError, EOFError, asyncio.LimitOverrunError, TimeoutError) as error:
            taken = time.monotonic() - began > TAKEN_SECONDS and kind in ("slow", "stream", "socket")
            how, why = "cut" if taken else "failed", f"{type(error).__name__} {error}"
        self.found.append([kind, at, time.monotonic() - began, how, version, why])
        return how == "ok"

    def _kept(self) -> Callable[[], Awaitable[None]]:
        held: list[Pair] = []

        async def post() -> str:
            reader, writer = held[0]
            writer.write(b"POST /order HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n\r\norder")
            version, last = await _answer(reader)
            if last:
                writer.close()
                held.clear()
            return version

        async def ask() -> str:
            if held and held[0][0].at_eof():
                held.pop()[1].close()
            if not held:
                held.append(await self._connected())
            return await post()

        async def noted() -> None:
            if not await self._noted("kept", ask, QUICK_SECONDS):
                for _, writer in held:
                    writer.close()
                held.clear()

        return noted

    async def _new(self) -> None:
        await self._noted("new", lambda: self._once("/"), QUICK_SECONDS)

    async def _slow(self) -> str:
        return await self._once("/slow")

    async def _once(self, path: str) -> str:
        reader, writer = await self._connected()
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n".encode())
            return (await _answer(reader))[0]
        finally:
            writer.close()

    async def _stream(self) -> str:
        return await self._held("/events", "", "200", b"data: end\n\n")

    async def _socket(self) -> str:
        more = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        return await self._held("/socket", more, "101", b"\x88\x00")

    async def _held(self, path: str, more: str, status: str, end: bytes) -> str:
        """Return the version once the end has come that the application sends."""
        reader, writer = await self._connected()
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: shop\r\n{more}\r\n".encode())
            version, _ = await _head(reader, status)
            await reader.readuntil(end)
            return version
        finally:
            writer.close()

    async def _connected(self) -> Pair:
        return await asyncio.open_connection("127.0.0.1", self.port)


async def _head(reader: asyncio.StreamReader, status: str = "200") -> tuple[str, dict[str, str]]:
    """Return the version that answers, and all fields. Raise Broken if the status is another one."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    fields = dict(line.lower().partition(": ")[::2] for line in lines)
    if first.split(" ")[1] != status:
        raise Broken(first)
    return fields.get("x-version", ""), fields


async def _answer(reader: asyncio.StreamReader) -> tuple[str, bool]:
    """Return the version that answered, and whether the connection is closed after it."""
    version, fields = await _head(reader)
    await reader.readexactly(int(fields["content-length"]))
    return version, fields.get("connection") == "close"


async def main(port: int, file: Path) -> None:
    """Ask until standard input is closed, then write down everything."""
    clients = Clients(port)
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), clients.over.set)
    loop.call_later(AT_MOST_SECONDS, clients.over.set)
    await clients.run()
    loop.remove_reader(sys.stdin.fileno())
    file.write_text(json.dumps(clients.found))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
