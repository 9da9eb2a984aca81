"""Where traffic goes: what platforms offer and routers send it to."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from runwright.engine.actions import Do

LOOPBACK = "127.0.0.1"
ANSWER_SECONDS = 3.0


@dataclass(frozen=True)
class Upstream:
    """Where traffic can be sent: an address, and the slot ("blue", "green") that serves there.

    more: the other addresses (host, port) of the same slot, where several instances of one version share its load.
    part: which of them are meant ("to-2"), "" for all.
    """

    slot: str
    host: str
    port: int
    more: tuple[tuple[str, int], ...] = ()
    part: str = ""

    @property
    def url(self) -> str:
        """The (first) address as a URL without a path."""
        return f"http://{self.host}:{self.port}"

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """All addresses, (host, port) each."""
        return ((self.host, self.port), *self.more)


@dataclass(frozen=True)
class Entry:
    """A service whose requests a router of ours takes in its place: clients know it by its names and ports.

    port: where its instances listen. names: what it is called on each network, {network: names}. published: the ports of this
    machine that lead to it, (address, port) each.
    """

    service: str
    port: int
    names: Mapping[str, tuple[str, ...]]
    published: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Stand:
    """Where a router that Runwright starts stands when what it serves are containers.

    project: what its own containers belong to. network: on which it reaches each slot, by the name `reached`; it is made by
    who starts the containers. entries: the services, at least one; the first one is what `front` means.
    moved: is called when a name leads to another container of ours than before, once while it leads to both and once when only
    the new one is left: who looked it up when he started has to look again. It takes what does, and what keys begin with.
    """

    project: str
    network: str
    entries: tuple[Entry, ...]
    moved: Callable[[Do, str], None] = field(default=lambda _do, _key: None, compare=False)


@dataclass(frozen=True)
class Counted:
    """What a router counted of one slot since it was started; websockets and event streams are left out but for ``streams``.

    errors: answers of 500 and above. streams: the websockets and event streams that are open now. seconds: {bound: how many
    requests took so many seconds or less}. fresh: where users are kept on one side by a cookie, the requests of those who came
    without it.
    """

    in_flight: int = 0
    requests: int = 0
    errors: int = 0
    streams: int = 0
    seconds: Mapping[float, int] = field(default_factory=dict)
    fresh: int = 0

    def __add__(self, other: Counted) -> Counted:
        bounds = {*self.seconds, *other.seconds}
        return Counted(
            self.in_flight + other.in_flight,
            self.requests + other.requests,
            self.errors + other.errors,
            self.streams + other.streams,
            {bound: self.seconds.get(bound, 0) + other.seconds.get(bound, 0) for bound in sorted(bounds)},
            self.fresh + other.fresh,
        )


def reached(service: str, slot: str, part: str = "") -> str:
    """Return the name by which a router reaches the containers of ``service`` in ``slot``, or only a part of them."""
    return "-".join(word for word in (service, slot, part) if word)


def up_to(row: int | str) -> str:
    """Return the part of a slot that its first ``row`` rows are."""
    return f"to-{row}"


def since(row: int) -> str:
    """Return the part of a slot that begins with ``row``."""
    return f"from-{row}"


def next_after(row: int | str) -> str:
    """Return the part of a slot that the one row after ``row`` is."""
    return f"after-{row}"


def status_of(port: int, path: str, host: str = LOOPBACK) -> int | None:
    """Return the status that ``path`` is answered with, or None if there is no answer in time."""
    connection = http.client.HTTPConnection(host.strip("[]"), port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
