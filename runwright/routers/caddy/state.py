"""What a front door is asked, and what its folder tells of it."""

from __future__ import annotations

import http.client
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from runwright.errors import ActionError, ObservationError, RefusedError
from runwright.routers.caddy import configuration
from runwright.routers.caddy.configuration import FRONT, MARKS, PRIVATE, TARGET
from runwright.traffic import Upstream

ASK_SECONDS = 5.0
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on
_IN_FLIGHT, _ANSWERED = "caddy_http_requests_in_flight", "caddy_http_request_duration_seconds_count"


@dataclass(frozen=True)
class Counted:
    """What a front door counted of one slot since it was started; websockets are left out."""

    in_flight: int = 0
    requests: int = 0
    errors: int = 0


class _Private(http.client.HTTPConnection):
    """A connection to the front door's own socket, by way of the open folder: its path has room for a hundred characters."""

    def __init__(self, folder: int) -> None:
        super().__init__(FRONT, timeout=ASK_SECONDS)
        self._path = f"/proc/self/fd/{folder}/{PRIVATE}"

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(state: Path, path: str) -> str:
    """Return what the front door of ``state`` answers to us alone. Raise ActionError if it does not answer."""
    try:
        folder = os.open(state, os.O_PATH | os.O_DIRECTORY)
    except OSError as error:
        raise ActionError(f"The front door has no folder {state}: {error.strerror}.") from error
    connection = _Private(folder)
    try:
        connection.request("GET", f"/{path}")
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise ActionError(f"The front door does not answer ({type(error).__name__}).") from error
    finally:
        connection.close()
        os.close(folder)
    if answer.status != 200:
        raise ActionError(f"The front door answers {answer.status} to what we ask it alone.")
    return text


def served(state: Path) -> Upstream | None:
    """Return what Caddy sends requests to at this moment, as it says itself."""
    return upstream(ask(state, TARGET))


def named(state: Path) -> Upstream | None:
    """Return what the target file names; None if there is none. Raise ObservationError if it is not understood."""
    try:
        return upstream((state / TARGET).read_text())
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        return upstream("?")


def line(to: Upstream) -> bytes:
    """Return the content of the target file that names ``to``."""
    return f"{to.slot} {f'[{to.host}]' if ':' in to.host else to.host}:{to.port}\n".encode()


def upstream(text: str) -> Upstream | None:
    """Return what the content of a target file names. Raise ObservationError if it is not understood."""
    if not text.strip():
        return None
    slot, _, address = text.strip().partition(" ")
    host, _, port = address.rpartition(":")
    if slot not in MARKS or not host or " " in host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ObservationError(
            "What the front door's target file names is not understood.",
            state="Nothing was changed; clients get 503 while it is so.",
            next="It is one line, such as `blue 127.0.0.1:20001`. Write it so, with what shall serve.",
        )
    return Upstream(slot, host.strip("[]"), int(port))


def counted(state: Path) -> dict[str, Counted]:
    """Return what the front door counted, by slot. Raise ActionError if it does not answer."""
    found = {slot: [0, 0, 0] for slot in MARKS}
    slots = {mark: slot for slot, mark in MARKS.items()}
    for family in text_string_to_metric_families(ask(state, "metrics")):
        for sample in family.samples:
            slot = slots.get(sample.labels.get("handler", ""))
            if slot is None or sample.labels.get("server") != FRONT:
                continue
            if sample.name == _IN_FLIGHT:
                found[slot][0] += int(sample.value)
            elif sample.name == _ANSWERED:
                found[slot][1] += int(sample.value)
                found[slot][2] += int(sample.value) if sample.labels["code"].startswith("5") else 0
    return {slot: Counted(*numbers) for slot, numbers in found.items()}


def address(state: Path) -> tuple[str, int] | None:
    """Return the host and the port that it listens on, as its configuration says; None if it was never started."""
    try:
        return configuration.listens((state / configuration.FILE).read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError) as error:
        raise ObservationError(
            f"{state / configuration.FILE} is not understood.",
            state="Nothing was changed.",
            next="Remove it: it is written anew when the front door is started.",
        ) from error


def url(state: Path) -> str:
    """Return the address that clients know, one that can be asked from here; "" if it was never started."""
    found = address(state)
    if found is None:
        return ""
    host = "127.0.0.1" if found[0] in EVERYWHERE else found[0]
    return f"http://{f'[{host}]' if ':' in host else host}:{found[1]}"


def private(state: Path) -> bool:
    """Return whether ``state`` is there and closed to others.

    Raise RefusedError if it is a link, or belongs to somebody else, who could say where requests go.
    """
    try:
        found = state.lstat()
    except FileNotFoundError:
        return False
    if state.is_symlink() or found.st_uid != os.geteuid():
        raise RefusedError(
            f"{state} {'is a link' if state.is_symlink() else 'belongs to another user'}: it must be a folder of this user's own.",
            state="The front door was not touched.",
            next="Look at who put it there, then put a folder of your own in its place.",
        )
    return found.st_mode & 0o077 == 0


def free_port(host: str, port: int) -> int:
    """Return ``port``, or a free one if it is 0. Raise ActionError if somebody listens there.

    Caddy would not see that: two of them may share a port.
    """
    try:
        (family, _, _, _, where), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        with socket.create_server(where[:2], family=family) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        raise ActionError(
            f"The front door cannot listen on {host} port {port}: {error.strerror}.",
            state="It was not started; what listens there was left alone.",
            next="`ss -ltnp` shows who listens. End that, or give the router another `listen` or `host`, and run it again.",
        ) from error
