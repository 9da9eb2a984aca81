"""The front door beside the same upstream directly and beside HAProxy: requests a second and how long one takes.

Answers of four bytes, kept connections, one and sixteen of them, by turns; loopback only. The machine is shared, so what
counts is how they stand to each other.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bench.numbers import Row, Section, series
from bench.shop import free_port
from runwright.routers.caddy.driver import CaddyRouter
from runwright.runbook.routers.caddy import Caddy
from runwright.testing.direct import Direct
from runwright.traffic import Upstream

CONNECTIONS = (1, 16)
SECONDS = 2.0
READY_SECONDS = 10.0
RESULTS = "front_door.json"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nshop"
_ASK = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"
_HAPROXY = """
global
    nbthread 2
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend front
    bind 127.0.0.1:{front}
    default_backend shop
backend shop
    server shop 127.0.0.1:{behind}
"""


class _Answers(asyncio.Protocol):
    """An upstream of a few lines: it answers at once whatever is asked."""

    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *asked, self._rest = (self._rest + data).split(b"\r\n\r\n")
        self._transport.write(_ANSWER * len(asked))


class _Asks(asyncio.Protocol):
    """One kept connection: the next request goes out when the answer to the last one is whole."""

    def __init__(self, took: list[float]) -> None:
        self._took = took
        self._rest = b""
        self.broken = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._rest += data
        if self._rest.endswith(b"\r\n\r\nshop"):
            self._took.append(time.perf_counter() - self._asked)
            self.broken |= not self._rest.startswith(b"HTTP/1.1 200 ")
            self._ask()

    def connection_lost(self, _: Exception | None) -> None:
        self.broken = True

    def _ask(self) -> None:
        self._rest, self._asked = b"", time.perf_counter()
        self._transport.write(_ASK)


def _upstream(port: int) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Answers, "127.0.0.1", port)
        await server.serve_forever()

    asyncio.run(serve())


async def _load(port: int, connections: int) -> list[float]:
    """Return how long each request took, in seconds. Raise RuntimeError if one was not answered as it should."""
    took: list[float] = []
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: _Asks(took), "127.0.0.1", port) for _ in range(connections)]
    await asyncio.sleep(SECONDS)
    broken = any(protocol.broken for _, protocol in made)
    for transport, _ in made:
        transport.close()
    if broken or not took:
        raise RuntimeError("a request was not answered as it should")
    return took


def measured(tool: str, port: int, connections: int) -> dict[str, Any]:
    """Return one row of the results."""
    took = sorted(asyncio.run(_load(port, connections)))
    return {
        "tool": tool,
        "connections": connections,
        "per_second": round(len(took) / SECONDS),
        "p50_ms": round(median(took) * 1000, 3),
        "p99_ms": round(took[int(len(took) * 0.99)] * 1000, 3),
    }


@contextmanager
def _doors(folder: Path) -> Iterator[dict[str, int]]:
    """Yield the port of each tool, all before the same upstream; what was started is ended."""
    ports = {"direct": free_port()}
    behind = multiprocessing.get_context("spawn").Process(target=_upstream, args=(ports["direct"],), daemon=True)
    behind.start()
    router, do = CaddyRouter(Caddy(kind="caddy"), folder / "caddy", sys.executable), Direct()
    haproxy: subprocess.Popen[bytes] | None = None
    try:
        if shutil.which("haproxy"):
            ports["haproxy"] = free_port()
            config = folder / "haproxy.cfg"
            config.write_text(_HAPROXY.format(front=ports["haproxy"], behind=ports["direct"]))
            haproxy = subprocess.Popen(["haproxy", "-db", "-f", str(config)], stderr=subprocess.DEVNULL)
        router.ensure(do, "bench")
        router.switch(do, Upstream("blue", "127.0.0.1", ports["direct"]), "bench")
        ports["runwright"] = int(router.facts(do).front.rpartition(":")[2])
        for port in ports.values():
            _wait(port)
        yield ports
    finally:
        router.stop(do, "bench")
        if haproxy is not None:
            haproxy.terminate()
            haproxy.wait(READY_SECONDS)
        behind.terminate()
        behind.join(READY_SECONDS)


def _wait(port: int) -> None:
    until = time.monotonic() + READY_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise TimeoutError(f"nothing listens on port {port}") from None
            time.sleep(0.05)


def measure(rounds: int, folder: Path, say: Callable[[str], None], results: Path) -> Section:
    """Measure every tool ``rounds`` times, by turns; the median round of each goes to ``results``."""
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    with _doors(folder) as ports:
        for number in range(rounds):
            for connections in CONNECTIONS:
                for tool, port in ports.items():
                    row = measured(tool, port, connections)
                    found.setdefault((tool, connections), []).append(row)
                    say(f"front door: round {number + 1}, {row}")
    rows = [sorted(some, key=lambda row: row["per_second"])[len(some) // 2] for some in found.values()]
    results.mkdir(parents=True, exist_ok=True)
    (results / RESULTS).write_text(json.dumps({"rows": rows}, indent=1) + "\n")

    def of(tool: str, connections: int, name: str) -> Any:
        return series([float(row[name]) for row in found[tool, connections]], "")

    beside = "haproxy" if "haproxy" in ports else "direct"
    shown = [
        Row(f"{name}, {connections} connections", of("runwright", connections, key), of(beside, connections, key))
        for connections in CONNECTIONS
        for name, key in (("requests a second", "per_second"), ("median, ms", "p50_ms"))
    ]
    direct = ", ".join(
        f"{row['per_second']} a second on {row['connections']}" for row in rows if row["tool"] == "direct"
    )
    notes = [f"Beside {beside}; the upstream itself answers {direct}. The machine is shared: ratios count."]
    if beside == "direct":
        notes.append("HAProxy is not on PATH, so it was left out: `apt install haproxy`.")
    return Section("The front door of a host: answers of four bytes, kept connections", tuple(shown), tuple(notes))
