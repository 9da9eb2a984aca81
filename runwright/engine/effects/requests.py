"""Perform an Http action with httpx."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import socket
import ssl
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpcore
import httpx

from runwright.engine.actions import Http, Reply
from runwright.engine.effects.deadlines import within
from runwright.engine.there import forward
from runwright.engine.there.place import current
from runwright.errors import ActionError, DeadlineError
from runwright.loopback import is_loopback

MAX_BODY_BYTES = 8 * 2**20
_PHASES: Final = {
    "connection.connect_tcp": "connect",
    "connection.start_tls": "tls",
    "http11.receive_response_headers": "first_byte",
}
_CONNECTED: Final = frozenset({"connection.connect_tcp.complete", "connection.start_tls.complete"})


class NoAnswer(ActionError):
    """The server gave no HTTP answer at all: refused, reset, unknown name, TLS failure."""


def request(action: Http[Any]) -> Reply:
    """Return the server's answer, whatever its status. Raise NoAnswer or DeadlineError if there is none.

    The whole exchange has one deadline, from the look-up of the name to the last byte: a server that drips is ended as
    well, be it in its headers or in its body.
    """
    began = time.monotonic()
    try:
        return _once(action, action.deadline_seconds)
    except NoAnswer:
        login = current() if action.key is None and is_loopback(httpx.URL(action.url).host) else None
        left = action.deadline_seconds - (time.monotonic() - began)
        if login is None or left <= 0:
            raise
        # what led there may have been cut: who only reads asks once more, by a connection that is there
        login.sh(":")
        return _once(action, left)


def _once(action: Http[Any], seconds: float) -> Reply:
    line = _Line()
    return within(seconds, lambda: _exchanged(action, line), action.says, give_up=line.cut)


class _Line:
    """The connection of one exchange, which another thread can cut, and how long its parts took."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._is_cut = False
        self._begun: dict[str, float] = {}
        self.phases: dict[str, float] = {}

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Take notice of what httpx does (its extension "trace"). Raise httpx.ReadTimeout once the line is cut.

        So a name that is found too late is connected to no more, and nothing is sent that nobody waits for.
        """
        what, _, step = event.rpartition(".")
        if (phase := _PHASES.get(what)) is not None:
            now = time.monotonic()
            if step == "started":
                self._begun.setdefault(phase, now)
            elif step == "complete":
                self.phases[phase] = (
                    now - self._begun[phase] - self.phases.get("dns" if phase == "connect" else "", 0.0)
                )
        connected = info["return_value"] if event in _CONNECTED else None
        if self._is_cut:
            if connected is not None:
                connected.close()
            raise httpx.ReadTimeout("it was given up")
        if connected is not None:
            self._sockets.append(connected.get_extra_info("socket"))

    def cut(self) -> None:
        """End what is waited for. The sockets are closed by the thread that uses them: their numbers are used again."""
        self._is_cut = True
        for connected in self._sockets:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connected, socket.SHUT_RDWR)  # under TLS as well: no goodbye that may hang


class _Finding(httpcore.SyncBackend):
    """Connects as httpcore does, and notes how long the name took to be found."""

    def __init__(self, line: _Line) -> None:
        self._line = line

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        if (login := current()) is not None and is_loopback(host):
            # as seen from where the system runs
            return self.connect_unix_socket(str(forward.forwarded(login, host, port)), timeout)
        begun = time.monotonic()
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        if not _is_address(host):
            self._line.phases["dns"] = time.monotonic() - begun
        addresses = list(dict.fromkeys(str(where[4][0]) for where in found))
        for address in addresses[:-1]:
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
        return super().connect_tcp(addresses[-1], port, timeout, local_address, socket_options)


class _Transport(httpx.HTTPTransport):
    """A transport whose connections are made by `_Finding`: httpx itself has no way to name one."""

    def __init__(self, trusted: ssl.SSLContext, line: _Line) -> None:
        super().__init__(verify=trusted, trust_env=False)
        self._pool = httpcore.ConnectionPool(ssl_context=trusted, network_backend=_Finding(line))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _exchanged(action: Http[Any], line: _Line) -> Reply:
    begun = time.monotonic()
    try:
        with (
            httpx.Client(
                transport=_Transport(_trusted(action.ca_file), line),
                timeout=action.deadline_seconds,
                trust_env=False,
                follow_redirects=False,
            ) as client,
            client.stream(
                action.method,
                action.url,
                headers={"accept-encoding": "identity", **{k.lower(): v for k, v in action.headers.items()}},
                content=action.body,
                auth=action.auth,
                extensions={"trace": line.trace},
            ) as answer,
        ):
            body = bytearray()
            for piece in answer.iter_raw():
                body += piece
                if len(body) > MAX_BODY_BYTES:
                    break
            headers = {name.lower(): value for name, value in answer.headers.items()}
            content = _unpacked(bytes(body), headers.get("content-encoding", ""))[:MAX_BODY_BYTES]
            total = time.monotonic() - begun
            return Reply(answer.status_code, headers, content, total, {**line.phases, "total": total})
    except httpx.TimeoutException as error:
        raise DeadlineError(
            f"No answer within {action.deadline_seconds:g} s: {action.says}.",
            next="Look at whether the server is overloaded or unreachable.",
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, ValueError, zlib.error) as error:
        raise NoAnswer(
            f"No answer ({_short(error)}): {action.says}.",
            next="Check the address, and that something listens there.",
        ) from error


def _unpacked(body: bytes, encoding: str) -> bytes:
    """Return ``body`` without its gzip, as far as it fits: some servers send it to everybody. Nothing else is unpacked.

    A kilobyte that was packed several times over stands for more than any memory holds, so httpx does not unpack for us.
    """
    if encoding.strip().lower() not in ("gzip", "x-gzip") or not body:
        return body
    return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(body, MAX_BODY_BYTES)


def _trusted(ca_file: Path | None) -> ssl.SSLContext:
    return _usual() if ca_file is None else ssl.create_default_context(cafile=str(ca_file))


@functools.cache
def _usual() -> ssl.SSLContext:
    """Reading the usual authorities takes longer than most requests; a watch makes thousands of them."""
    return httpx.create_ssl_context(trust_env=False)


def _short(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:200]
