"""HAProxy as a router: a map file that says who serves, written first, and the same map in the process, replaced by its socket."""

from __future__ import annotations

from pathlib import Path

from runwright.engine.actions import Command, Do, Read, Wait
from runwright.errors import (
    CancelledError,
    DeadlineError,
    ObservationError,
    RefusedError,
    VerificationError,
)
from runwright.routers import containers
from runwright.routers.base import ASK_SECONDS, POLL_SECONDS
from runwright.routers.haproxy import socket
from runwright.routers.own import LINES, OwnRouter
from runwright.routers.target import ALL, Target
from runwright.runbook.routers.haproxy import HAProxy
from runwright.traffic import Counted, Stand, Upstream

OLDEST = (2, 4)
"""The first that replaces a whole map in one go."""
READY_SECONDS = 30.0
TELL = "runwright.routers.haproxy.tell"


class HAProxyRouter(OwnRouter):
    """A HAProxy that somebody else started. stand: where slots are found if they are containers."""

    def __init__(self, spec: HAProxy, python: str, token: int | None = None, stand: Stand | None = None) -> None:
        super().__init__(spec, Path(spec.map), token, stand)
        self._spec, self._python = spec, python
        self._socket = Path(spec.socket)
        self._inside = spec.map_inside or spec.map

    @property
    def _map(self) -> Path:
        return self._file

    def backend(self, slot: str) -> str:
        """Return what the backend of ``slot`` is called."""
        return f"{self._spec.name}-{slot}"

    # ------------------------------------------------------------------------------------------------------- reading

    def content(self, target: Target) -> bytes:
        """Return the map file: who serves, and where each is."""
        main = target.stays or target.to
        lines = {self._spec.name: f"{self.backend(target.to.slot)}/{target.share}/{self.backend(main.slot)}"}
        for one in (target.to, main):
            lines |= {f"{self.backend(one.slot)}.host": one.host, f"{self.backend(one.slot)}.port": str(one.port)}
        return "".join(f"{key} {value}\n" for key, value in lines.items()).encode()

    def _target(self, found: dict[str, str]) -> Target | None:
        said = found.get(self._spec.name)
        if not said:
            return None
        try:
            to, share, stays = said.split("/")
            return Target.of(self._at(to, found), int(share), self._at(stays, found) if int(share) < ALL else None)
        except (ValueError, KeyError) as error:
            raise ObservationError(
                f"What the map {self._map} says of {self._spec.name} is not understood: {said}.",
                state="Nothing was changed.",
                next="Nobody else may write it. Empty it; then HAProxy's `default_backend` serves, until a release is made.",
            ) from error

    def _at(self, backend: str, found: dict[str, str]) -> Upstream:
        slot = backend.removeprefix(f"{self._spec.name}-")
        if slot not in self.slots:
            raise ValueError(slot)
        return Upstream(slot, found[f"{backend}.host"], int(found[f"{backend}.port"]))

    def named(self) -> Target | None:
        """Return what the map file says."""
        return self._target(socket.in_file(self._map.read_text())) if self._map.exists() else None

    def served(self) -> Target | None:
        """Return what the map in the process says."""
        return self._target(socket.entries(self._socket, self._inside))

    def count(self) -> dict[str, Counted]:
        """Return what it counted; after a reload by somebody else it begins anew. A websocket counts as a request in flight."""
        rows = socket.statistics(self._socket)
        return {slot: _counted(rows.get(self.backend(slot), {})) for slot in self.slots}

    # ------------------------------------------------------------------------------------------------------ changing

    def require(self, do: Do) -> None:
        """Raise RefusedError if its configuration does not have what it needs, ActionError if it does not answer."""
        asked = Read(
            says="ask HAProxy what its configuration has",
            function=self._missing,
            asks=True,
            deadline_seconds=3 * ASK_SECONDS,
            assume="",
        )
        if missing := do(asked):
            raise RefusedError(missing, state="Nothing was changed.", next=LINES)
        if self._spec.container is not None:
            containers.require_folder(do, self._spec.container, self._inside, self._map)

    def _missing(self) -> str:
        if (version := socket.version(self._socket)) < OLDEST:
            return f"HAProxy is {version[0]}.{version[1]}, and must be {OLDEST[0]}.{OLDEST[1]} or newer."
        if self._inside not in socket.ask(self._socket, "show map"):
            return f"HAProxy's configuration has no map {self._inside}, or calls it otherwise."
        rows = socket.statistics(self._socket)
        missing = [self.backend(slot) for slot in self.slots if self.backend(slot) not in rows]
        return f"HAProxy's configuration has no backend {' and no backend '.join(missing)}." if missing else ""

    def await_ready(self, do: Do, target: Target) -> None:
        """Wait until a server of each backend is up."""

        def down() -> list[str]:
            rows = socket.statistics(self._socket)
            names = [self.backend(one.slot) for one in (target.to, target.main)]
            return sorted({name for name in names if not rows.get(name, {}).get("status", "").startswith("UP")})

        none: list[str] = []
        wait = Wait(
            read=Read(says="ask HAProxy whom it can reach", function=down, asks=True, assume=none),
            until=lambda found: not found,
            every_seconds=POLL_SECONDS,
            deadline_seconds=READY_SECONDS,
            says=f"wait until HAProxy reaches {target.to.slot}",
            assume=none,
        )
        try:
            do(wait)
        except CancelledError:
            raise
        except DeadlineError as error:
            raise VerificationError(
                f"HAProxy sees no server of {self.backend(target.to.slot)} that is up.",
                state="Its map was not changed: users reach what they did.",
                next="`show servers state` on its socket says how it sees them.",
            ) from error

    def tell(self, do: Do, target: Target, key: str) -> None:
        """Let the map in the process be what the file says."""
        same = Read(
            says="compare HAProxy's map with the file",
            function=lambda: socket.entries(self._socket, self._inside) == socket.in_file(self._map.read_text()),
            asks=True,
            assume=False,
        )
        if not do(same):
            words = (self._python, "-P", "-m", TELL, str(self._socket), self._inside, str(self._map))
            do(Command(argv=words, says=f"tell HAProxy to send {target}", key=f"{key}/told"))


def _counted(row: dict[str, str]) -> Counted:
    def number(column: str) -> int:
        return int(row.get(column) or 0)

    return Counted(in_flight=number("scur"), requests=number("stot"), errors=number("hrsp_5xx"))
