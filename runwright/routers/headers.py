"""Which headers the forwarder passes on, and what it adds: RFC 9110, 7.6.1, and the usual X-Forwarded-*."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import h11

Headers = list[tuple[bytes, bytes]]
_HOP_BY_HOP = {
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
    b"trailer", b"transfer-encoding", b"upgrade",
}  # fmt: skip
# A sender may name what else ends with its connection, but not what says where a request goes and where it ends: without
# its length the body would be cut off, and the application would carry out half of what was asked.
_ALWAYS_PASSED_ON = {b"content-length", b"host"}
_FORWARDED = {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"}


def _tokens(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> set[bytes]:
    return {
        token.strip().lower()
        for name, value in headers
        if name == wanted
        for token in value.split(b",")
        if token.strip()
    }


def wanted_upgrade(request: h11.Request) -> bytes:
    """Return the protocol that the client wants to change to, or b""."""
    if b"upgrade" not in _tokens(request.headers, b"connection"):
        return b""
    return next((value for name, value in request.headers if name == b"upgrade"), b"")


def _end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    pairs = list(headers)
    hop = _HOP_BY_HOP | _tokens(pairs, b"connection") - _ALWAYS_PASSED_ON
    return [(name, value) for name, value in pairs if name not in hop]


def answered(response: h11.Response) -> h11.Response:
    """Return the upstream's ``response`` as the client gets it, with one length."""
    headers = _end_to_end(response.headers)
    if any(name == b"transfer-encoding" for name, _ in response.headers):
        headers = [pair for pair in headers if pair[0] != b"content-length"]
    return h11.Response(status_code=response.status_code, headers=headers, reason=response.reason)


def onward(address: str, request: h11.Request, upgrade: bytes) -> Headers:
    """Return the headers for the upstream: who asked, how and for what, and how long the body is."""
    given = dict(request.headers)
    # only a proxy on this machine is believed about others
    known = {name: given[name] for name in _FORWARDED if name in given} if is_loopback(address) else {}
    before = known.get(b"x-forwarded-for")
    headers = [pair for pair in _end_to_end(request.headers) if pair[0] not in _FORWARDED]
    headers.append((b"x-forwarded-for", (before + b", " if before else b"") + address.encode()))
    headers.append((b"x-forwarded-proto", known.get(b"x-forwarded-proto", b"http")))
    if host := known.get(b"x-forwarded-host") or given.get(b"host"):
        headers.append((b"x-forwarded-host", host))
    if b"transfer-encoding" in given:
        headers.append((b"transfer-encoding", b"chunked"))
    if upgrade:
        headers += [(b"connection", b"upgrade"), (b"upgrade", upgrade)]
    else:
        headers.append((b"connection", b"close"))
    if b"host" not in given:
        headers.append((b"host", b""))  # HTTP/1.0 has none, HTTP/1.1 must
    return headers


def is_loopback(address: str) -> bool:
    """Return whether ``address`` is of this machine; False if it is no address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
