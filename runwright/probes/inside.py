"""A request from inside of the system: made by what one of its services has, Python, curl or Node.

What is sent goes over standard input, so that no login is in the words of a program. What comes back is one line that names
the client, and then what it printed: never trusted, for some of it is what a server has answered.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from runwright.engine.actions import Output
from runwright.engine.visible import visible
from runwright.errors import InputError, ObservationError
from runwright.probes.shape import Answer
from runwright.runbook.base import as_duration

MAX_BODY_BYTES: Final = 512 * 2**10
"""Less than of an answer from here: what a program has printed that changes something is kept up to a megabyte."""
ENTERING_SECONDS: Final = 15.0
"""What it may take to get in, besides the time that the answer has."""

_SCRIPT: Final = """\
read -r request
if command -v python3 >/dev/null 2>&1; then echo python; printf '%s\\n' "$request" | exec python3 -c "$0"
elif command -v curl >/dev/null 2>&1; then echo curl; { curl --disable --config -; printf ' %s' $?; } | head -c "$2"
elif command -v node >/dev/null 2>&1; then echo node; printf '%s\\n' "$request" | exec node -e "$1"
else echo none; fi
"""
_PYTHON: Final = """\
import base64, http.client, json, signal, socket, ssl, sys, time
asked = json.loads(sys.stdin.readline()); found = {}; phases = {}; begun = last = time.monotonic()
def late(*_): raise socket.timeout()
signal.signal(signal.SIGALRM, late); signal.setitimer(signal.ITIMER_REAL, asked["seconds"])
def done(phase):
    global last
    now = time.monotonic(); phases[phase] = now - last; last = now
try:
    places = socket.getaddrinfo(asked["host"], asked["port"], type=socket.SOCK_STREAM); done("dns")
    for number, place in enumerate(places):
        try: line = socket.create_connection(place[4][:2], asked["seconds"]); break
        except OSError:
            if number == len(places) - 1: raise
    done("connect")
    if asked["tls"]: line = ssl.create_default_context().wrap_socket(line, server_hostname=asked["host"]); done("tls")
    way = http.client.HTTPConnection(asked["host"], asked["port"]); way.sock = line
    way.putrequest(asked["method"], asked["path"], skip_host=True, skip_accept_encoding=True)
    for name, value in asked["headers"].items(): way.putheader(name, value.encode())
    way.endheaders(asked["body"].encode() if asked["body"] is not None else None)
    answer = way.getresponse(); done("first_byte")
    headers = {}
    for name, value in answer.getheaders(): headers[name.lower()] = ", ".join(filter(None, (headers.get(name.lower()), value)))
    body = b"" if asked["method"] == "HEAD" else answer.read(asked["most"])
    found = {"status": answer.status, "headers": headers, "body": base64.b64encode(body).decode()}
except socket.gaierror: found = {"error": "name"}
except socket.timeout: found = {"error": "timeout"}
except ConnectionRefusedError: found = {"error": "refused"}
except ssl.SSLError as error: found = {"error": "certificate" if "CERTIFICATE" in str(error) else "tls"}
except (ConnectionError, http.client.RemoteDisconnected): found = {"error": "broken"}
except http.client.HTTPException: found = {"error": "garbled"}
except OSError: found = {"error": "network"}
phases["total"] = time.monotonic() - begun
print(json.dumps(dict(found, phases=phases)))
"""
_NODE: Final = """\
const asked = JSON.parse(require('fs').readFileSync(0, 'utf8').split('\\n')[0]), phases = {}
const begun = process.hrtime.bigint(); let last = begun, ended = false, address = false
const since = (from) => Number(process.hrtime.bigint() - from) / 1e9
const done = (phase) => { phases[phase] = since(last); last = process.hrtime.bigint() }
const tell = (found) => { if (ended) return; ended = true; phases.total = since(begun)
  process.stdout.write(JSON.stringify(Object.assign(found, {phases})) + '\\n', () => process.exit(0)) }
setTimeout(() => tell({error: 'timeout'}), asked.seconds * 1000)
const request = require(asked.tls ? 'https' : 'http').request({host: asked.host, port: asked.port, path: asked.path,
  method: asked.method, headers: asked.headers, agent: false}, (answer) => {
  done('first_byte'); const parts = []; let size = 0
  const whole = () => tell({status: answer.statusCode, headers: Object.fromEntries(Object.entries(answer.headers).map(
    ([name, value]) => [name, [].concat(value).join(', ')])), body: Buffer.concat(parts).subarray(0, asked.most).toString('base64')})
  answer.on('data', (part) => { parts.push(part); size += part.length; if (size > asked.most) { whole(); answer.destroy() } })
  answer.on('end', whole); answer.on('error', () => tell({error: 'broken'})) })
request.on('socket', (socket) => { socket.on('lookup', () => { address = true; done('dns') }); socket.on('connect', () => done('connect'))
  socket.on('secureConnect', () => done('tls')) })
const errors = {ENOTFOUND: 'name', EAI_AGAIN: 'name', ECONNREFUSED: 'refused', ECONNRESET: 'broken', EPIPE: 'broken', ENETUNREACH: 'network'}
request.on('error', (error) => tell({error: errors[error.code] || (/CERT|SIGNED|SIGNATURE|ALTNAME/.test(error.code) ? 'certificate'
  : /^(ERR_SSL|EPROTO)/.test(error.code) ? 'tls' : /^HPE_/.test(error.code) ? 'garbled' : 'network')}))
request.end(asked.body === null ? undefined : asked.body)
"""
_CURL_ERRORS: Final = {6: "name", 7: "refused", 28: "timeout", 35: "tls", 52: "broken", 56: "broken", 60: "certificate", 1: "garbled", 8: "garbled"}  # fmt: skip
_REASONS: Final = {
    "refused": "it refused the connection",
    "broken": "it broke the connection",
    "garbled": "it answered something that is no HTTP",
    "tls": "no TLS connection: the handshake failed",
    "certificate": "its certificate is not valid",
}
_OURS: Final = {
    "name": "its name could not be resolved in there",
    "network": "the network in there could not be reached",
}
_CLIENTS: Final = "python3, curl and node"
_TRAILER: Final = re.compile(rb"\nrunwright-curl" + 6 * rb" ([0-9.,]{1,20})" + rb" ([0-9]{1,3})\s*\Z")


@dataclass(frozen=True)
class Sent:
    """A request. headers, body: may hold secrets."""

    method: str
    url: str
    seconds: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    auth: tuple[str, str] | None = field(default=None, repr=False)


def words() -> tuple[str, ...]:
    """Return the program that asks; what it asks is `stdin`."""
    return ("sh", "-c", _SCRIPT, _PYTHON, _NODE, str(MAX_BODY_BYTES + 2**14))


def stdin(sent: Sent) -> bytes:
    """Return what the program reads: a line of JSON for Python and Node, then the same for curl."""
    parts = urlsplit(sent.url)
    headers = {"host": parts.netloc.rpartition("@")[2], "accept": "*/*", **sent.headers}
    if sent.auth is not None:
        headers["authorization"] = "Basic " + base64.b64encode(":".join(sent.auth).encode()).decode()
    if any(character in value for value in headers.values() for character in "\r\n"):
        raise InputError(
            "A header that is to be sent has a line end in it.", next="Look at the secrets that it is made of."
        )
    body = sent.body.decode() if sent.body is not None else None
    if body is not None:
        headers["content-length"] = str(len(sent.body or b""))
    asked = {
        "method": sent.method,
        "host": parts.hostname or "",
        "port": parts.port or (443 if parts.scheme == "https" else 80),
        "tls": parts.scheme == "https",
        "path": (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        "headers": headers,
        "body": body,
        "seconds": sent.seconds,
        "most": MAX_BODY_BYTES,
    }
    trailer = "\\nrunwright-curl " + " ".join(
        f"%{{{name}}}"
        for name in ("time_namelookup", "time_connect", "time_appconnect", "time_pretransfer", "time_starttransfer", "time_total")
    )  # fmt: skip
    options: list[tuple[str, str]] = [
        ("url", sent.url),
        ("noproxy", "*"),
        ("max-time", f"{sent.seconds:g}"),
        ("write-out", trailer),
    ]
    options += [("header", f"{name}: {value}") for name, value in headers.items() if name != "content-length"]
    if body is not None:
        options.append(("data-raw", body))
    flags = ["silent", "include", "globoff", *(["head"] if sent.method == "HEAD" else [])]
    if sent.method != "HEAD":
        options.append(("request", sent.method))
    lines = [*flags, *(f'{name} = "{_escaped(value) if name != "write-out" else value}"' for name, value in options)]
    return "\n".join([json.dumps(asked), *lines, ""]).encode()


def _escaped(text: str) -> str:
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
    return "".join(escapes.get(character, character) for character in text)


def answer(output: Output, seconds: float) -> Answer:
    """Return what was answered to a request that had so many ``seconds``.

    Raise ObservationError if it could not be asked: no client, no way in, no network in there.
    """
    client, _, printed = output.stdout.partition(b"\n")
    if output.code != 0:
        lines = output.stderr.decode("utf-8", "replace").strip().splitlines()
        why = visible(lines[-1])[:200] if lines else f"it exited with {output.code}"
        raise _not_asked(f"it could not be asked from inside: {why}")
    match client.strip():
        case b"python" | b"node":
            found = _told(printed)
        case b"curl":
            found = _curled(printed)
        case b"none":
            raise _not_asked(f"there is nothing in there that could ask: one of {_CLIENTS} is needed")
        case _:
            raise _not_asked("what asked in there did not say what it is")
    return _answer(found, seconds)


def _answer(found: Mapping[str, Any], seconds: float) -> Answer:
    phases = _phases(found.get("phases"))
    total = phases.get("total", seconds)
    error = found.get("error")
    if error == "timeout":
        return Answer(b"", total, wrong=(f"no answer within {as_duration(seconds)}",), heard=False)
    if error is not None:
        if error in _REASONS:
            return Answer(b"", total, wrong=(_REASONS[str(error)],), heard=False)
        raise _not_asked(_OURS.get(str(error), "it could not be asked from inside"))
    status, headers, body = found.get("status"), found.get("headers"), found.get("body")
    if (
        type(status) is not int
        or not 100 <= status <= 999
        or not isinstance(headers, dict)
        or not isinstance(body, bytes)
    ):
        raise _not_asked("what asked in there did not tell the answer")
    kept = {str(name).lower(): str(value) for name, value in headers.items()}
    return Answer(body, total, status, kept, phases)


def _told(printed: bytes) -> dict[str, Any]:
    """Return what our own script has told: it may have been ended half-way."""
    try:
        found = json.loads(printed)
        if isinstance(found, dict) and isinstance(found.get("body"), str):
            found["body"] = base64.b64decode(found["body"], validate=True)
    except (ValueError, RecursionError, binascii.Error):
        found = None
    if not isinstance(found, dict):
        raise _not_asked("what asked in there did not tell the answer")
    return found


def _curled(printed: bytes) -> dict[str, Any]:
    """Return what curl has told: the answer with its headers, its times, and its exit code."""
    trailer = _TRAILER.search(printed)
    phases: dict[str, float] = {}
    if trailer is not None:
        code = int(trailer[7])
        if code != 0:
            return {"error": _CURL_ERRORS.get(code, "network"), "phases": {"total": _seconds(trailer[6])}}
        found, connected, agreed, ready, first, total = (_seconds(trailer[n]) for n in range(1, 7))
        phases = {"dns": found, "connect": connected - found, "first_byte": first - ready, "total": total}
        if agreed > 0:
            phases["tls"] = agreed - connected
        printed = printed[: trailer.start()]
    while True:  # an answer may be preceded by one that says to go on
        head, _, rest = printed.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        first_line = lines[0].split(" ")
        if (
            not first_line[0].startswith("HTTP/")
            or len(first_line) < 2
            or not re.fullmatch(r"[1-9]\d\d", first_line[1], re.ASCII)
        ):
            raise _not_asked("what asked in there did not tell the answer")
        printed = rest
        if not 100 <= int(first_line[1]) < 200:
            break
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
    return {"status": int(first_line[1]), "headers": headers, "body": printed[:MAX_BODY_BYTES], "phases": phases}


def _seconds(text: bytes) -> float:
    try:
        return float(text.replace(b",", b"."))  # as some languages write it
    except ValueError:
        return 0.0


def _phases(given: Any) -> dict[str, float]:
    known = ("dns", "connect", "tls", "first_byte", "total")
    pairs = given.items() if isinstance(given, dict) else ()
    return {
        name: max(0.0, float(value))
        for name, value in pairs
        if name in known and isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def _not_asked(why: str) -> ObservationError:
    return ObservationError(
        why, state="Nothing was decided from it.", next="Ask from inside of another service, or from here."
    )
