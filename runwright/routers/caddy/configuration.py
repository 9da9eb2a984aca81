"""Caddy's configuration: the same for every version that is ever served, so that it is never loaded a second time.

What changes is in files, which Caddy reads for each request. All paths are relative to the state folder, in which it runs:
a unix socket's path has room for a hundred characters only.
"""

from __future__ import annotations

import json
from typing import Any

FILE = "caddy.json"
TARGET = "target"
"""The file that names what is served: a slot, a space, host and port."""
PRIVATE = "private.sock"
"""Where it tells us what it serves and what it counted. Nobody else may ask: mode 0600, in a folder of mode 0700."""
FRONT = "front"
"""The name of the server that clients reach, in its metrics."""
MARKS = {"blue": "headers", "green": "request_body"}
"""By slot: the handler that its requests pass, which does nothing. Metrics tell handlers apart by their kind alone."""

HEADER_BYTES = 64 * 1024  # all headers of a request together
_NO_TARGET = "503 No version is served here yet.\n"
_NO_TUNNEL = "405 This is no proxy that one asks for other hosts.\n"
_WORDS = "{http.error.status_code} {http.error.status_text}: the application did not answer.\n"
_UPSTREAM: dict[str, Any] = {
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


def fault_socket(slot: str) -> str:
    """Return the socket that takes a slot's requests while a drill spoils them."""
    return f"fault-{slot}.sock"


def fault_sign(slot: str) -> str:
    """Return the file that says that a drill spoils a slot: Caddy looks for it at each request, and sees no sockets."""
    return f"fault-{slot}.on"


def configuration(host: str, port: int) -> bytes:
    """Return the configuration of a front door that listens on ``host`` and ``port``, as Caddy's JSON."""
    address = f"[{host}]" if ":" in host else host
    front = {
        "listen": [f"{address}:{port}"],
        "protocols": ["h1"],
        "automatic_https": {"disable": True},
        # a proxy on this machine, which ends TLS, is believed about who asked
        "trusted_proxies": {"source": "static", "ranges": ["127.0.0.0/8", "::1/128"]},
        "read_header_timeout": "10s",
        "idle_timeout": "75s",
        "max_header_bytes": HEADER_BYTES,
        "routes": [
            {"match": [{"method": ["CONNECT"]}], "handle": [_says("405", _NO_TUNNEL) | {"close": True}]},
            {"handle": [{"handler": "vars", TARGET: f"{{file.{TARGET}}}"}]},  # once: all that follows is of one target
            *(route for slot in MARKS for route in _of_slot(slot)),
            {"handle": [_says("503", _NO_TARGET, {"Retry-After": ["1"]})]},
        ],
        "errors": {"routes": [{"handle": [_says("{http.error.status_code}", _WORDS)]}]},
    }
    private = {
        "listen": [f"unix/{PRIVATE}|0600"],
        "automatic_https": {"disable": True},
        "routes": [
            {"match": [{"path": ["/metrics"]}], "handle": [{"handler": "metrics"}], "terminal": True},
            {"match": [{"path": [f"/{TARGET}"]}], "handle": [_says("200", f"{{file.{TARGET}}}")]},
        ],
    }
    log = {"output": "file", "filename": "errors.log", "roll_size_mb": 10, "roll_keep": 2}
    whole = {
        "admin": {"disabled": True, "config": {"persist": False}},
        "storage": {"module": "file_system", "root": "storage"},
        "logging": {"logs": {"default": {"level": "ERROR", "writer": log}}},
        "apps": {"http": {"grace_period": "10s", "metrics": {}, "servers": {FRONT: front, "private": private}}},
    }
    return json.dumps(whole, indent=1).encode() + b"\n"


def listens(content: bytes) -> tuple[str, int]:
    """Return the host and the port of a configuration of ours. Raise ValueError, LookupError or TypeError if it is none."""
    host, _, port = str(json.loads(content)["apps"]["http"]["servers"][FRONT]["listen"][0]).rpartition(":")
    return host.strip("[]"), int(port)


def _says(status: str, body: str, headers: dict[str, list[str]] | None = None) -> dict[str, Any]:
    plain = {"Content-Type": ["text/plain; charset=utf-8"], **(headers or {})}
    return {"handler": "static_response", "status_code": status, "headers": plain, "body": body}


def _of_slot(slot: str) -> list[dict[str, Any]]:
    """Return the routes of the requests that ``slot`` answers."""
    to = f"{{http.regexp.{slot}.1}}"
    spoilt = {
        "match": [{"file": {"root": ".", "try_files": [f"/{fault_sign(slot)}"]}}],
        # if nobody listens there any more, nothing is spoilt: the second one is the application itself
        "handle": [
            _UPSTREAM
            | {
                "upstreams": [{"dial": f"unix/{fault_socket(slot)}"}, {"dial": to}],
                "transport": {**_UPSTREAM["transport"], "keep_alive": {"enabled": False}},
                "load_balancing": {**_UPSTREAM["load_balancing"], "selection_policy": {"policy": "first"}},
                "health_checks": {"passive": {"fail_duration": "1s", "max_fails": 1}},
            }
        ],
        "terminal": True,
    }
    passed_on = {"handler": "subroute", "routes": [spoilt, {"handle": [_UPSTREAM | {"upstreams": [{"dial": to}]}]}]}
    mine = {"vars_regexp": {TARGET: {"name": slot, "pattern": rf"^{slot} ([^\s/{{}}]+:\d+)$"}}}
    # a websocket may stay open for days: it is not counted as a request in flight
    websocket = {"header_regexp": {"Upgrade": {"pattern": "(?i)^websocket$"}}}
    return [
        {"match": [mine | websocket], "handle": [passed_on], "terminal": True},
        {"match": [mine], "handle": [{"handler": MARKS[slot]}, passed_on], "terminal": True},
    ]
