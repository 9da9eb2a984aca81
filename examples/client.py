"""A small load for the example: ``python examples/client.py http://127.0.0.1:8080/items --seconds 30 --rate 20``.

It asks steadily over connections that it keeps, counts what it gets, prints the counts as JSON and ends by itself.
It refuses every address that is not of this machine: it is no tool to load somebody else's server with.
"""

from __future__ import annotations

import argparse
import http.client
import ipaddress
import json
import sys
import threading
import time
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

MAX_SECONDS = 3600.0
MAX_RATE = 500.0
TIMEOUT_SECONDS = 10.0
WORKERS = 4


def checked(url: str) -> tuple[str, int, str]:
    """Return (host, port, path) of a plain http URL of this machine. Raise ValueError if it is anything else."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"{url!r} is no http:// address")
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise ValueError(f"{parts.hostname} is not this machine; only loopback addresses are asked")
    return host, parts.port or 80, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class Client:
    """Asks ``url`` about ``rate`` times a second for at most ``seconds``, from threads of its own."""

    def __init__(self, url: str, *, seconds: float, rate: float, workers: int = WORKERS) -> None:
        if not 0 < seconds <= MAX_SECONDS or not 0 < rate <= MAX_RATE or not 0 < workers <= 32:
            raise ValueError(f"at most {MAX_SECONDS:g} seconds, {MAX_RATE:g} requests a second and 32 workers")
        self._host, self._port, self._path = checked(url)
        self._seconds = seconds
        self._pause = workers / rate
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._sent = 0
        self._results: Counter[str] = Counter()
        self._worst_gap = 0.0
        self._last_success = 0.0
        self._until = 0.0
        self._threads = [
            threading.Thread(target=self._work, args=(number / rate,), daemon=True) for number in range(workers)
        ]

    def start(self) -> Client:
        """Begin to ask."""
        self._last_success = time.monotonic()
        self._until = self._last_success + self._seconds
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> dict[str, Any]:
        """End now, wait for requests in flight, and return the counts."""
        self._ended.set()
        return self.wait()

    def wait(self) -> dict[str, Any]:
        """Wait until the time is over and return the counts."""
        for thread in self._threads:
            thread.join(max(0.0, self._until - time.monotonic()) + TIMEOUT_SECONDS + 5)
        return self.counts()

    def counts(self) -> dict[str, Any]:
        """Return sent, ok, failed, failures by kind, and the longest time in seconds without a success."""
        with self._lock:
            running = any(thread.is_alive() for thread in self._threads)
            now_gap = time.monotonic() - self._last_success if running and self._sent else 0.0
            return {
                "sent": self._sent,
                "ok": self._results["ok"],
                "failed": sum(self._results.values()) - self._results["ok"],
                "failures": {kind: n for kind, n in sorted(self._results.items()) if kind != "ok"},
                "worst_gap_seconds": round(max(self._worst_gap, now_gap), 3),
            }

    def __enter__(self) -> Client:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _work(self, offset: float) -> None:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_SECONDS)
        due = time.monotonic() + offset
        while not self._ended.wait(max(0.0, due - time.monotonic())) and time.monotonic() < self._until:
            due = max(due + self._pause, time.monotonic())  # what was missed is not made up for in a burst
            with self._lock:
                self._sent += 1
            self._count(self._ask(connection))
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> str:
        try:
            connection.request("GET", self._path)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()  # the next request opens it again
            return _kind(error)
        return "ok" if answer.status < 400 else f"status {answer.status}"

    def _count(self, result: str) -> None:
        now = time.monotonic()
        with self._lock:
            self._results[result] += 1
            self._worst_gap = max(self._worst_gap, now - self._last_success)
            if result == "ok":
                self._last_success = now


def _kind(error: Exception) -> str:
    for kind, name in (
        (TimeoutError, "timeout"),
        (ConnectionRefusedError, "refused"),
        (ConnectionError, "reset"),
        (http.client.HTTPException, "broken answer"),
    ):
        if isinstance(error, kind):
            return name
    return type(error).__name__


def main(words: list[str] | None = None) -> int:
    """Load a server of this machine and print the counts. Return 1 if anything failed, 2 if it is refused."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=20.0)
    given = parser.parse_args(words)
    try:
        client = Client(given.url, seconds=given.seconds, rate=given.rate)
    except ValueError as error:
        print(f"client: {error}", file=sys.stderr)
        return 2
    try:
        counts = client.start().wait()
    except KeyboardInterrupt:
        counts = client.stop()
    print(json.dumps(counts))
    return 0 if counts["ok"] and not counts["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
