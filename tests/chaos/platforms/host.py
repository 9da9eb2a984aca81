"""The shop as processes of this machine, in two colours behind the front door."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runwright.platforms.host import Host
from runwright.routers.caddy.driver import CaddyRouter
from runwright.runbook.platforms.host import HostTarget
from runwright.testing.direct import Direct
from tests.chaos.world import World
from tests.fixtures.example import exchanged
from tests.fixtures.ports import lasting_port


class HostWorld(World):
    """Its target is a folder of ``root``: files, and processes that are started again."""

    environment = "local"
    switched = "deploy/switch/put"
    not_switched = "break@before:deploy/switch/put"
    watched = ".runwright/example/local"
    sample = frozenset(
        {
            "kill-during-prepare/mirror/fetch",
            "fail-prepare/build/web/web",
            "break-deploy/backup/*/copy",
            "kill-during-deploy/migrate",
            "break-unsettled-deploy/migrate",
            "hang-deploy/green/start",
            "kill-after-deploy/switch/fence",
            "kill-unsettled-deploy/switch/put",
            "retry-kill-unsettled-deploy/switch/put",
            "first-kill-unsettled-deploy/router/first",
            "in-run-kill-after-back*/green/stop",
            "warm-kill-unsettled-back*/switch/put",
            "cold-kill-during-back*/blue/start",
            "cold-kill-before-back*/router/start*",
        }
    )
    quick = frozenset(
        {
            "kill-during-deploy/migrate",
            "break-unsettled-deploy/migrate",
            "retry-kill-unsettled-deploy/switch/put",
            "first-kill-unsettled-deploy/router/first",
            "in-run-kill-after-back*/green/stop",
            "warm-kill-unsettled-back*/switch/put",
            "cold-kill-during-back*/blue/start",
        }
    )

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.target = self.home / "example" / "local"

    def runbook(self, text: str) -> str:
        """Return it with a port of this world's own for the front door."""
        return exchanged(text, "listen: 0", f"listen: {lasting_port()}")

    def start_again(self) -> None:
        """Start the live version and the front door, as they were."""
        live = self.live()
        assert live.version is not None
        do, router, host = Direct(), self._router(), self._host()
        target = router.target(do)
        assert target is not None
        host.start(do, live.version, target.slot, "again", live.id)
        router.ensure(do, "again")
        found = host.upstream(do, target.slot)
        assert found is not None
        if found != target:
            router.switch(do, found, "again")

    def clear(self) -> None:
        """Nothing is left: its processes ended with all others of this world, and its data are files of ``root``."""

    def cool(self) -> None:
        """Kill the old version, which still runs beside the new one, and the front door."""
        self.kill([*self.pids(slot="blue"), *self.pids(words="caddy.json")])

    def _host(self) -> Host:
        target = self.place().target
        assert isinstance(target, HostTarget)
        return Host(target, self.target, {}, sys.executable)

    def _router(self) -> CaddyRouter:
        spec = self.place().router
        assert spec is not None
        return CaddyRouter(spec, self.target / "caddy", sys.executable)

    # ------------------------------------------------------------------------------------------------------- looking

    @property
    def serves(self) -> bool:
        """Whether any version of the shop runs."""
        return bool(self.pids(slot="blue") or self.pids(slot="green"))

    def running(self) -> dict[str, Any]:
        """Return the processes of each slot, and where the front door sends traffic."""
        slots = {slot: sorted(self.pids(slot=slot)) for slot in ("blue", "green")}
        return {**slots, "front": self._router().target(Direct())}

    def front_url(self) -> str:
        """Return the front door's address."""
        return self._router().facts(Direct()).front

    def revision(self) -> str:
        """Return the revision, as sqlite3 tells it."""
        with self._database() as connection:
            return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])

    def schema(self) -> dict[str, list[str]]:
        """Return {table: columns}, as sqlite3 tells them."""
        with self._database() as connection:
            tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {t: [row[1] for row in connection.execute(f"PRAGMA table_info({t})")] for t in tables}

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(f"file:{self.target / 'data' / 'shop.db'}?mode=ro", uri=True)
        try:
            yield connection
        finally:
            connection.close()

    def pids(self, *, slot: str = "", words: str = "") -> list[int]:
        """Return the processes of this world that serve in ``slot``, or whose command line holds ``words``."""
        found = []
        for pid in self.processes():
            with contextlib.suppress(OSError):
                environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                if (slot and f"RUNWRIGHT_SLOT={slot}".encode() in environment) or (words and words.encode() in command):
                    found.append(pid)
        return found
