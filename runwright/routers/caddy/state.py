"""What a front door is asked, and what its folder tells of it."""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Callable
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from runwright.errors import ActionError, ObservationError, RefusedError
from runwright.routers.caddy import configuration, target
from runwright.routers.caddy.configuration import FRESH, FRONT, MARKS, PRIVATE, SHARES, STREAMS, TARGET, shares_as
from runwright.routers.target import Target
from runwright.traffic import Counted, Upstream

ASK_SECONDS = 5.0
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on
_IN_FLIGHT, _ANSWERED = "caddy_http_requests_in_flight", "caddy_http_request_duration_seconds_count"


At = Callable[[str], Upstream]
_SECONDS = "caddy_http_request_duration_seconds_bucket"


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


def served(state: Path, at: At | None = None) -> Target | None:
    """Return what Caddy sends requests to at this moment, as it says itself. at: as for `target.read`."""
    return target.read(ask(state, TARGET), at)


def shares(state: Path, *, sticky: bool = False) -> bool:
    """Return whether Caddy can share requests among two slots; ``sticky``: and keep users where they are."""
    can = ask(state, SHARES)
    return can == shares_as(sticky=True) or (not sticky and can == SHARES)


def named(file: Path, at: At | None = None) -> Target | None:
    """Return what a target file names; None if there is none. Raise ObservationError if it is not understood."""
    try:
        return target.read(file.read_text(), at)
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        return target.read("?", at)


def counted(state: Path) -> dict[str, Counted]:
    """Return what the front door counted, by slot. Raise ActionError if it does not answer."""
    found = {slot: Counted() for slot in MARKS}
    slots = {mark: slot for marks in (MARKS, STREAMS, FRESH) for slot, mark in marks.items()}
    for family in text_string_to_metric_families(ask(state, "metrics")):
        for sample in family.samples:
            slot = slots.get(sample.labels.get("handler", ""))
            if slot is not None and sample.labels.get("server") == FRONT:
                found[slot] += _one(sample, sample.labels["handler"])
    return found


def _one(sample: Sample, handler: str) -> Counted:
    """Return what one sample counts."""
    number = int(sample.value)
    if handler in FRESH.values():
        return Counted(fresh=number if sample.name == _ANSWERED else 0)
    if handler in STREAMS.values():
        return Counted(streams=number if sample.name == _IN_FLIGHT else 0)
    if sample.name == _IN_FLIGHT:
        return Counted(in_flight=number)
    if sample.name == _ANSWERED:
        return Counted(requests=number, errors=number if sample.labels["code"].startswith("5") else 0)
    return Counted(seconds={float(sample.labels["le"]): number}) if sample.name == _SECONDS else Counted()


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
