"""Caddy's configuration: the same for every version that is ever served, so that it is never loaded a second time.

What changes is in files, which Caddy reads for each request. All paths are relative to the state folder, in which it runs:
a unix socket's path has room for a hundred characters only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

FILE = "caddy.json"
TARGET = "target"
"""The file that names what is served: see target.py."""
PRIVATE = "private.sock"
"""Where it tells us what it serves and what it counted. Nobody else may ask: mode 0600, in a folder of mode 0700."""
FRONT = "front"
"""The name of the server that clients reach, in its metrics."""
MARKS = {"blue": "headers", "green": "request_body"}
"""By slot: the handler that its requests pass, which does nothing. Metrics tell handlers apart by their kind alone."""
STREAMS = {"blue": "rewrite", "green": "push"}
"""The same for its websockets and event streams, which may stay open for days: they are no requests in flight."""
FRESH = {"blue": "map", "green": "log_append"}
"""The same for requests of users without our cookie, who get one: those that come with it were counted when they got theirs."""
COOKIE = "runwright-canary"
"""Holds four hexadecimal digits by which a user stays on one side while two versions share the users."""
COOKIE_SECONDS = 86400
_NEW = {"vars": {"fresh": ["yes"]}}
SHARES = "shares"
"""What we ask to learn whether it knows a target of two slots: a front door that an earlier Runwright started does not."""

HEADER_BYTES = 64 * 1024  # all headers of a request together
_SPLIT = r"^(?P<to>\S+(?: \S+:\d+)?) (?P<bound>[0-9a-f]{4}) (?P<stays>\S.*)$"
_NO_TARGET = "503 No version is served here yet.\n"
_NO_TUNNEL = "405 This is no proxy that one asks for other hosts.\n"
_WORDS = "{http.error.status_code} {http.error.status_text}: the application did not answer.\n"
UPSTREAM: dict[str, Any] = {
    "handler": "reverse_proxy",
    # Go would ask for gzip and unpack it; and an application that closes a connection which was idle for two seconds
    # (gunicorn; uvicorn and node: five) must not meet a request that is not sent twice
    "transport": {
        "protocol": "http",
        "compression": False,
        "dial_timeout": "5s",
        "keep_alive": {"enabled": True, "idle_timeout": "1s", "max_idle_conns_per_host": 256},
        "response_header_timeout": "5m",
    },
    # a refused connection is tried again for a moment: nothing was sent yet; what was sent is never sent twice
    "load_balancing": {"try_duration": "1s", "try_interval": "20ms", "retry_match": [{"method": ["NEVER"]}]},
    "flush_interval": "10ms",
}


@dataclass(frozen=True)
class Way:
    """How a slot is reached. mine: what matches a target that names it. dial: its address. handler: what asks it."""

    slot: str
    mine: dict[str, Any]
    dial: str
    handler: dict[str, Any]


def fault_socket(slot: str) -> str:
    """Return the socket that takes a slot's requests while a drill spoils them."""
    return f"fault-{slot}.sock"


def fault_sign(slot: str) -> str:
    """Return the file that says that a drill spoils a slot: Caddy looks for it at each request, and sees no sockets."""
    return f"fault-{slot}.on"


def configuration(host: str, port: int, *, sticky: bool = False) -> bytes:
    """Return the configuration of a front door that listens on ``host`` and ``port``, as Caddy's JSON."""
    address = f"[{host}]" if ":" in host else host
    front = server(f"{address}:{port}", routes(TARGET, [_addressed(slot) for slot in MARKS], sticky=sticky))
    front |= {
        # a proxy on this machine, which ends TLS, is believed about who asked
        "trusted_proxies": {"source": "static", "ranges": ["127.0.0.0/8", "::1/128"]},
        "idle_timeout": "75s",
    }
    return whole({FRONT: front, "private": private(TARGET, sticky=sticky)})


def _addressed(slot: str) -> Way:
    """Return how a slot is reached whose address is in the target."""
    mine = {"vars_regexp": {TARGET: {"name": slot, "pattern": rf"^{slot} ([^\s/{{}}]+:\d+)$"}}}
    dial = f"{{http.regexp.{slot}.1}}"
    return Way(slot, mine, dial, UPSTREAM | {"upstreams": [{"dial": dial}]})


def server(listen: str, handled: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a server of HTTP on ``listen`` with these routes."""
    return {
        "listen": [listen],
        "protocols": ["h1"],
        "automatic_https": {"disable": True},
        "read_header_timeout": "10s",
        "max_header_bytes": HEADER_BYTES,
        "routes": [
            {"match": [{"method": ["CONNECT"]}], "handle": [_says("405", _NO_TUNNEL) | {"close": True}]},
            *handled,
        ],
        "errors": {"routes": [{"handle": [_says("{http.error.status_code}", _WORDS)]}]},
    }


def shares_as(*, sticky: bool) -> str:
    """Return what a front door answers that shares its users, by their requests or by their cookies."""
    return f"{SHARES} {COOKIE}" if sticky else SHARES


def private(target: str, *, sticky: bool = False) -> dict[str, Any]:
    """Return the server that tells us alone what is served, by the file ``target``, and what was counted."""
    return {
        "listen": [f"unix/{PRIVATE}|0600"],
        "automatic_https": {"disable": True},
        "routes": [
            {"match": [{"path": ["/metrics"]}], "handle": [{"handler": "metrics"}], "terminal": True},
            {"match": [{"path": [f"/{TARGET}"]}], "handle": [_says("200", f"{{file.{target}}}")]},
            {"match": [{"path": [f"/{SHARES}"]}], "handle": [_says("200", shares_as(sticky=sticky))]},
        ],
    }


def whole(servers: dict[str, Any]) -> bytes:
    """Return the configuration of a Caddy with these servers, as Caddy's JSON."""
    log = {"output": "file", "filename": "errors.log", "roll_size_mb": 10, "roll_keep": 2}
    everything = {
        "admin": {"disabled": True, "config": {"persist": False}},
        "storage": {"module": "file_system", "root": "storage"},
        "logging": {"logs": {"default": {"level": "ERROR", "writer": log}}},
        "apps": {"http": {"grace_period": "10s", "metrics": {}, "servers": servers}},
    }
    return json.dumps(everything, indent=1).encode() + b"\n"


def listens(content: bytes) -> tuple[str, int]:
    """Return the host and the port of a configuration of ours. Raise ValueError, LookupError or TypeError if it is none."""
    host, _, port = str(json.loads(content)["apps"]["http"]["servers"][FRONT]["listen"][0]).rpartition(":")
    return host.strip("[]"), int(port)


def _says(status: str, body: str, headers: dict[str, list[str]] | None = None) -> dict[str, Any]:
    plain = {"Content-Type": ["text/plain; charset=utf-8"], **(headers or {})}
    return {"handler": "static_response", "status_code": status, "headers": plain, "body": body}


def routes(target: str, ways: Sequence[Way], *, sticky: bool = False) -> list[dict[str, Any]]:
    """Return the routes of what clients ask: to what the file ``target`` names at this moment. sticky: whether a user stays with
    the version that he met, while two share them."""
    return [
        {"handle": [{"handler": "vars", TARGET: f"{{file.{target}}}"}]},  # once: all that follows is of one target
        _split(sticky=sticky),
        *(route for way in ways for route in _of_slot(way, sticky=sticky)),
        {"handle": [_says("503", _NO_TARGET, {"Retry-After": ["1"]})]},
    ]


def _split(*, sticky: bool) -> dict[str, Any]:
    """Return the route that makes a target of one slot out of one of two: by the request's own random number, or the user's."""
    split = {"vars_regexp": {TARGET: {"name": "split", "pattern": _SPLIT}}}
    first, second = ({"handler": "vars", TARGET: f"{{http.regexp.split.{name}}}"} for name in ("to", "stays"))
    number = "http.vars.user" if sticky else "http.request.uuid"
    chosen = {"match": [{"expression": f"{{{number}}} < {{http.regexp.split.bound}}"}], "handle": [first]}
    # each route of its own: matchers of one route are asked in no order; and the first one leaves nothing to split
    return {
        "match": [split],
        "handle": [
            {
                "handler": "subroute",
                "routes": [*(_users() if sticky else ()), chosen, {"match": [split], "handle": [second]}],
            }
        ],
    }


def _users() -> list[dict[str, Any]]:
    """Return the routes that find a user's number: in the cookie, or the first digits of the request's own, for a new one."""
    given = {"vars_regexp": {"given": {"name": "given", "pattern": "^[0-9a-f]{4}$"}}}
    drawn = {"vars_regexp": {"drawn": {"name": "drawn", "pattern": "^[0-9a-f]{4}"}}}
    return [
        {"handle": [{"handler": "vars", "given": f"{{http.request.cookie.{COOKIE}}}", "drawn": "{http.request.uuid}"}]},
        {"match": [given], "handle": [{"handler": "vars", "user": "{http.regexp.given.0}"}]},
        {
            "match": [{"not": [given]} | drawn],
            "handle": [{"handler": "vars", "user": "{http.regexp.drawn.0}", "fresh": "yes"}],
        },
    ]


def _fresh(way: Way) -> dict[str, Any]:
    """Return the route that gives a new user a cookie with the answer."""
    # the handler "headers" would say it in a word, but that is how requests of blue are counted
    headers = way.handler.get("headers", {})
    cookie = f"{COOKIE}={{http.vars.user}}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Lax"
    answer = headers.get("response", {}) | {"add": {"Set-Cookie": [cookie]}}
    return {"match": [_NEW], "handle": [way.handler | {"headers": headers | {"response": answer}}], "terminal": True}


def _counts_fresh(way: Way) -> dict[str, Any]:
    """Return the route by which requests of new users are counted: among those of the server itself, as others are not."""
    kinds: dict[str, dict[str, Any]] = {
        "map": {"source": "{http.vars.user}", "destinations": ["{runwright_user}"], "defaults": ["new"]},
        "log_append": {"key": "runwright_user", "value": "new"},
    }
    mark = FRESH[way.slot]
    return {"match": [way.mine | _NEW], "handle": [{"handler": mark, **kinds[mark]}]}


def _of_slot(way: Way, *, sticky: bool = False) -> list[dict[str, Any]]:
    """Return the routes of the requests that a slot answers."""
    spoilt = {
        "match": [{"file": {"root": ".", "try_files": [f"/{fault_sign(way.slot)}"]}}],
        # if nobody listens there any more, nothing is spoilt: the second one is the application itself
        "handle": [
            UPSTREAM
            | {
                "upstreams": [{"dial": f"unix/{fault_socket(way.slot)}"}, {"dial": way.dial}],
                "transport": {**UPSTREAM["transport"], "keep_alive": {"enabled": False}},
                "load_balancing": {**UPSTREAM["load_balancing"], "selection_policy": {"policy": "first"}},
                "health_checks": {"passive": {"fail_duration": "1s", "max_fails": 1}},
            }
        ],
        "terminal": True,
    }
    passed_on = {
        "handler": "subroute",
        "routes": [spoilt, *([_fresh(way)] if sticky else []), {"handle": [way.handler]}],
    }
    websocket = {"header_regexp": {"Upgrade": {"pattern": "(?i)^websocket$"}}}
    events = {"header_regexp": {"Accept": {"pattern": r"(?i)^\s*text/event-stream\b"}}}
    stream = [way.mine | websocket, way.mine | events]
    return [
        *([_counts_fresh(way)] if sticky else []),
        {"match": stream, "handle": [{"handler": STREAMS[way.slot]}, passed_on], "terminal": True},
        {"match": [way.mine], "handle": [{"handler": MARKS[way.slot]}, passed_on], "terminal": True},
    ]
