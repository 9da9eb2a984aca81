"""A small world for every case: the example shop, v1.0.0 proven and serving, put back to that before each case."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from examples.make_repository import make
from runwright.ledger import Ledger, open_ledger
from runwright.platforms.host import Host
from runwright.routers.forwarder import ForwarderRouter
from runwright.runbook.loader import load
from runwright.runbook.targets import HostTarget
from runwright.testing.direct import Direct
from runwright.testing.faults import Fault, mark_of
from runwright.traffic import Upstream
from tests.chaos.procedures import Order, Report, run

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
OLD, NEW = "v1.0.0", "v1.1.0"
SYSTEM, ENVIRONMENT = "shop", "local"
WATCH_MINUTES = 0.02
PATIENCE_SECONDS = 180.0  # a busy machine; a case that hangs is ended and told
HANG_SECONDS = 0.3

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.chaos.procedures"])


@dataclass(frozen=True)
class Started:
    """A procedure that runs in a process of its own."""

    process: ForkServerProcess
    run_id: str
    report_file: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process.pid is not None
        return self.process.pid

    def ended(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait for its end and return its exit code: negative if a signal ended it."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            os.kill(self.pid, signal.SIGKILL)
            self.process.join()
            raise AssertionError(f"it did not end within {seconds:g} s:\n{self.log[-3000:]}")
        return self.process.exitcode

    @property
    def report(self) -> Report:
        """How it ended; an empty report if it was killed."""
        with contextlib.suppress(FileNotFoundError):
            return Report(**json.loads(self.report_file.read_text()))
        return Report()

    @property
    def log(self) -> str:
        """What it said."""
        file = self.report_file.with_suffix(".log")
        return file.read_text(errors="replace") if file.exists() else ""

    @property
    def stopped(self) -> bool:
        """Whether a signal has stopped it (and it can be continued)."""
        with contextlib.suppress(OSError):
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        return False


class World:
    """One home, one runbook and one target in ``root``. It is put back from a copy: paths are written in many places."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.base = root.with_name(f"{root.name}-base")
        self.empty = root.with_name(f"{root.name}-empty")
        self.home = root / ".runwright"
        self.target = self.home / "example" / "local"
        self.reports = root.with_name(f"{root.name}-reports")

    # ------------------------------------------------------------------------------------------------------- making it

    def make(self) -> None:
        """Release v1.0.0 for real, then keep a copy of everything, with nothing running."""
        (self.root / "examples").mkdir(parents=True)
        self.reports.mkdir()
        text = (EXAMPLES / "shop.yaml").read_text()
        # the machine that runs this may be busy with other tests
        for quick, patient in (("ready_timeout: 20s", "ready_timeout: 90s"), ("within: 20s", "within: 60s")):
            assert quick in text
            text = text.replace(quick, patient)
        (self.root / "examples" / "shop.yaml").write_text(text)
        make(self.home / "example" / "shop")
        shutil.copytree(self.root, self.empty, symlinks=True)
        first = self.deploy(OLD)
        assert first.ended() == 0, (first.report, first.log[-4000:])
        self.end_everything()
        shutil.copytree(self.root, self.base, symlinks=True)

    def restore(self, *, empty: bool = False) -> None:
        """Put everything back to v1.0.0, proven and serving; or to nothing at all (``empty``)."""
        self.end_everything()
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.empty if empty else self.base, self.root, symlinks=True)
        if not empty:
            self.start_again()

    def start_again(self) -> None:
        """Start the live version and the front door, as they were."""
        with self.ledger() as ledger:
            live = ledger.releases.live(SYSTEM, ENVIRONMENT)
        assert live is not None and live.version is not None
        do = Direct()
        router, host = self._router(), self._host()
        target = router.target(do)
        assert target is not None
        host.start(do, live.version, target.slot, "again", live.id)
        router.ensure(do, "again")
        found = host.upstream(do, target.slot)
        assert found is not None
        if found != target:
            router.switch(do, found, "again")

    def _host(self) -> Host:
        target = self._place().target
        assert isinstance(target, HostTarget)
        return Host(target, self.target, {}, sys.executable)

    def _router(self) -> ForwarderRouter:
        spec = self._place().router
        assert spec is not None
        return ForwarderRouter(spec, self.target / "forwarder", sys.executable)

    def _place(self) -> Any:
        return load(self.root / "examples" / "shop.yaml").runbook.environments[ENVIRONMENT]

    # ------------------------------------------------------------------------------------------------------ procedures

    def deploy(
        self, version: str, faults: str = "", *, hang_seconds: float = HANG_SECONDS, run_id: str = ""
    ) -> Started:
        """Start a deploy, with faults; with the ``run_id`` of an earlier one: start that run again."""
        parameters = {
            "system": SYSTEM,
            "environment": ENVIRONMENT,
            "version": version,
            "deployer": "chaos",
            "watch_minutes": WATCH_MINUTES,
        }
        return self._start("deploy", parameters, faults, hang_seconds, run_id or str(uuid.uuid4()))

    def rollback(
        self, failed: Started | None, reason: str, faults: str = "", *, hang_seconds: float = HANG_SECONDS
    ) -> Started:
        """Start a rollback as the automation would, with the id of the run that ended badly; or as a person would."""
        parameters = {"system": SYSTEM, "environment": ENVIRONMENT, "reason": reason}
        if failed is not None:
            parameters |= {"failed_run_id": failed.run_id, "deployer": "the automation"}
        return self._start("rollback", parameters, faults, hang_seconds, str(uuid.uuid4()))

    def _start(self, flow: str, parameters: dict[str, Any], faults: str, hang_seconds: float, run_id: str) -> Started:
        report = self.reports / f"{flow}-{uuid.uuid4().hex[:8]}.json"
        environment = {
            "RUNWRIGHT_HOME": str(self.home),
            "RUNWRIGHT_SYSTEMS": str(self.root / "examples"),
            "RUNWRIGHT_FAULTS": faults,
            "RUNWRIGHT_FAULT_HANG_SECONDS": str(hang_seconds),
        }
        order = Order(flow, run_id, parameters, environment, report)
        process = _CONTEXT.Process(target=run, args=(order,), daemon=False)
        process.start()
        return Started(process, run_id, report)

    def await_fault(self, started: Started, fault: str) -> None:
        """Wait until a fault has struck."""
        self._await(started, lambda: self.has_struck(fault))

    def has_struck(self, fault: str) -> bool:
        """Return whether a fault has struck."""
        return mark_of(Fault.parse(fault), self.home / "faults").exists()

    def await_stopped(self, started: Started) -> None:
        """Wait until the process was stopped by its fault."""
        self._await(started, lambda: started.stopped)

    def await_watch(self, started: Started) -> None:
        """Wait until the run watches its release."""

        def watching() -> bool:
            with self.ledger() as ledger:
                release = ledger.releases.of_run(started.run_id)
                return release is not None and ledger.releases.fact(release.id, "watch") is not None

        self._await(started, watching)

    def _await(self, started: Started, true: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while not true():
            assert started.process.exitcode is None, f"it ended before:\n{started.report}\n{started.log}"
            assert time.monotonic() < until, started.log
            time.sleep(0.03)

    # ------------------------------------------------------------------------------------------------------- looking

    @contextlib.contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The world's ledger."""
        with open_ledger(f"sqlite:///{self.home / 'ledger.db'}") as ledger:
            yield ledger

    def traces(self) -> dict[str, Any]:
        """Return everything that a change would leave a trace in: files, processes, the router, the schema, the journal."""
        ignored = {".log", ".db-wal", ".db-shm"}
        files = {
            str(path.relative_to(self.target)): path.read_bytes()
            for path in sorted(self.target.rglob("*"))
            if path.is_file() and path.suffix not in ignored and "/logs/" not in str(path) and path.name != "shop.db"
        }
        with self.ledger() as ledger:
            journal = [
                (release.id, release.state, [(e.key, e.attempt, e.state) for e in ledger.journal(release.id).entries()])
                for release in ledger.releases.find(SYSTEM, ENVIRONMENT)
            ]
        slots = {slot: sorted(self.pids(slot=slot)) for slot in ("blue", "green")}
        return {
            "files": files,
            "journal": journal,
            "slots": slots,
            "front": self.front(),
            "schema": self.schema(),
            "revision": self.revision(),
        }

    @property
    def serves(self) -> bool:
        """Whether any version of the shop runs."""
        return bool(self.pids(slot="blue") or self.pids(slot="green"))

    def revision(self) -> str:
        """Return the revision of the shop's database, read by itself."""
        connection = sqlite3.connect(f"file:{self.target / 'data' / 'shop.db'}?mode=ro", uri=True)
        try:
            return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
        finally:
            connection.close()

    def schema(self) -> dict[str, list[str]]:
        """Return {table: columns} of the shop's database, read by itself."""
        connection = sqlite3.connect(f"file:{self.target / 'data' / 'shop.db'}?mode=ro", uri=True)
        try:
            tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {t: [row[1] for row in connection.execute(f"PRAGMA table_info({t})")] for t in tables}
        finally:
            connection.close()

    def processes(self) -> list[int]:
        """Return every process that works in this world."""
        wanted = str(self.root).encode() + b"/"
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and int(folder.name) != os.getpid():
                with contextlib.suppress(OSError):
                    words = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
                    if wanted in words:
                        found.append(int(folder.name))
        return found

    def kill(self, pids: list[int]) -> None:
        """Kill processes of this world, and wait until they are gone."""
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until = time.monotonic() + 20
        while set(pids) & set(self.processes()) and time.monotonic() < until:
            time.sleep(0.02)

    def end_everything(self) -> None:
        """End all that runs in this world."""
        self.kill(self.processes())

    def front(self) -> Upstream | None:
        """Return where the front door sends traffic, as the forwarder says."""
        return self._router().target(Direct())

    def front_url(self) -> str:
        """Return the address that users know."""
        return f"http://127.0.0.1:{json.loads((self.target / 'forwarder' / 'listen.json').read_text())['port']}"

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
