"""What the worlds of all platforms share: the example shop, v1.0.0 proven and serving, put back to that before each case."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from examples.make_repository import make
from runwright.ledger import Ledger, open_ledger
from runwright.ledger.release import Release
from runwright.runbook.environment import Environment
from runwright.runbook.loader import load
from runwright.testing.faults import Fault, mark_of
from tests.chaos.procedures import (
    CLOCK_VARIABLE,
    LEDGER_PATIENCE_SECONDS,
    PATIENCE_VARIABLE,
    TTL_SECONDS,
    TTL_VARIABLE,
    Order,
)
from tests.chaos.started import PATIENCE_SECONDS, Started, started
from tests.fixtures.example import patient_example

OLD, NEW = "v1.0.0", "v1.1.0"
WATCH_MINUTES = 0.02
HANG_SECONDS = 0.3

Mode = Literal["fail", "break", "break-unsettled", "hang", "kill-before", "kill-during", "kill-unsettled", "kill-after"]
Scene = Literal["deploy", "retry", "first", "in-run", "warm", "cold"]
"""deploy: the fault strikes the deploy of v1.1.0, which migrates.
retry: the same, but what comes after it is not the rollback: the same run is started again.
first: the fault strikes the deploy of v1.0.0 to a target on which nothing runs.
in-run: users cannot be sent to the new version, and the fault strikes while that same run puts the old one back.
warm: the deploy was killed once users had reached v1.1.0, and the fault strikes the rollback.
cold: as warm, but what the rollback could lean on was killed too (see the platform's ``cool``)."""


class World(ABC):
    """One home, one runbook and one target in ``root``. It is put back from a copy: paths are written in many places."""

    environment: ClassVar[str]
    """The example's environment that it is."""
    scenes: ClassVar[tuple[Scene, ...]] = ("deploy", "retry", "first", "in-run", "warm", "cold")
    """Those that make sense on the platform."""
    switched: ClassVar[str]
    """The change after which users reach the new version."""
    not_switched: ClassVar[str]
    """A fault that keeps users from reaching the new version, so that the run puts the old one back itself."""
    sample: ClassVar[frozenset[str]]
    """The cases that CI runs, by their names without the platform."""
    quick: ClassVar[frozenset[str]] = frozenset()
    """Those of them that ``make test`` runs too: one of each scene, and what is killed in a migration. At every change of its own
    each driver is failed and killed in tests/conformance."""
    needs_docker: ClassVar[bool] = False
    needs_cluster: ClassVar[bool] = False
    modes: ClassVar[tuple[Mode, ...]] = ()
    """How a fault strikes; none: in all ways."""
    signals: ClassVar[tuple[str, ...]] = ("before", "during", "unsettled", "after")
    """Where in a change of the deploy its run is cancelled, and stopped."""
    elsewhere: ClassVar[tuple[str, ...]] = ()
    """What the keys begin with of changes that are the same on another platform, where faults strike them."""

    system = "shop"
    watched = ".runwright/example"
    """Where in ``root`` a change to the target leaves its traces in files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.base = root.with_name(f"{root.name}-base")
        self.empty = root.with_name(f"{root.name}-empty")
        self.home = root / ".runwright"
        self.reports = root.with_name(f"{root.name}-reports")
        self.clock = root.with_name(f"{root.name}-clock")

        self.usual()

    def usual(self) -> None:
        """Forget what a test has changed of the surroundings of its procedures."""
        self.ledger_url = ""
        """The ledger, if it is not the one in ``home``."""
        self.lease_seconds, self.patience_seconds = TTL_SECONDS, LEDGER_PATIENCE_SECONDS

    # ---------------------------------------------------------------------------------------- what each platform tells

    @abstractmethod
    def runbook(self, text: str) -> str:
        """Return the example's runbook, ``text``, with what this world needs to differ."""

    @abstractmethod
    def start_again(self) -> None:
        """Start the live version and what is in front of it, with the data as they were kept."""

    @abstractmethod
    def clear(self) -> None:
        """Remove all that runs on the target, and its data."""

    @abstractmethod
    def cool(self) -> None:
        """Kill what a rollback of a version that was switched to could lean on."""

    @property
    @abstractmethod
    def serves(self) -> bool:
        """Whether any version of the shop runs."""

    @abstractmethod
    def running(self) -> dict[str, Any]:
        """Return what runs, so that two answers differ if anything was started or stopped in between."""

    @abstractmethod
    def front_url(self) -> str:
        """Return the address that users know."""

    @abstractmethod
    def revision(self) -> str:
        """Return the revision of the shop's database, read by itself."""

    @abstractmethod
    def schema(self) -> dict[str, list[str]]:
        """Return {table: columns} of the shop's database, read by itself."""

    def repository(self, dest: Path) -> None:
        """Make the shop's repository."""
        make(dest)

    def keep(self) -> None:  # noqa: B027 - most need nothing more
        """Keep, in ``root``, what a copy of ``root`` alone would lose."""

    def put_right(self, *, empty: bool) -> None:
        """Make the target ready for a copy of ``root``: called after all processes ended, before files are put back."""
        if empty:
            self.clear()

    def end(self) -> None:
        """Remove everything: nothing of this world is needed any more."""
        self.end_everything()
        self.clear()

    # ------------------------------------------------------------------------------------------------------- making it

    def make(self) -> None:
        """Release v1.0.0 for real, then keep a copy of everything."""
        (self.root / "examples").mkdir(parents=True)
        self.reports.mkdir()
        self.set_clock(0)
        text = patient_example()
        (self.root / "examples" / "shop.yaml").write_text(self.runbook(text))
        self.repository(self.home / "example" / "shop")
        shutil.copytree(self.root, self.empty, symlinks=True)
        first = self.deploy(OLD)
        assert first.ended() == 0, (first.report, first.log[-4000:])
        self.keep()
        self.end_everything()
        shutil.copytree(self.root, self.base, symlinks=True, ignore=shutil.ignore_patterns("*.sock"))

    def restore(self, *, empty: bool = False) -> None:
        """Put everything back to v1.0.0, proven and serving; or to nothing at all (``empty``)."""
        self.end_everything()
        self.set_clock(0)
        self.usual()
        self.put_right(empty=empty)
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.empty if empty else self.base, self.root, symlinks=True)
        if not empty:
            self.start_again()

    def live(self) -> Release:
        """Return the release that the ledger says is live."""
        with self.ledger() as ledger:
            live = ledger.releases.live(self.system, self.environment)
        assert live is not None and live.version is not None
        return live

    def place(self) -> Environment:
        """Return the environment's part of the runbook."""
        return load(self.root / "examples" / "shop.yaml").runbook.environments[self.environment]

    # ------------------------------------------------------------------------------------------------------ procedures

    def deploy(
        self,
        version: str,
        faults: str = "",
        *,
        hang_seconds: float = HANG_SECONDS,
        run_id: str = "",
        watch_minutes: float = WATCH_MINUTES,
        environment: str = "",
    ) -> Started:
        """Start a deploy, with faults; with the ``run_id`` of an earlier one: start that run again."""
        parameters = {
            "system": self.system,
            "environment": environment or self.environment,
            "version": version,
            "deployer": "chaos",
            "watch_minutes": watch_minutes,
        }
        return self._start("deploy", parameters, faults, hang_seconds, run_id or str(uuid.uuid4()))

    def drill(self, by: str, *, watch_minutes: float = 2.0) -> Started:
        """Start a drill of what serves."""
        parameters = {"system": self.system, "environment": self.environment, "by": by, "watch_minutes": watch_minutes}
        return self._start("drill", parameters, "", HANG_SECONDS, str(uuid.uuid4()))

    def rollback(
        self, failed: Started | None, reason: str, faults: str = "", *, hang_seconds: float = HANG_SECONDS
    ) -> Started:
        """Start a rollback as the automation would, with the id of the run that ended badly; or as a person would."""
        parameters = {"system": self.system, "environment": self.environment, "reason": reason}
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
            CLOCK_VARIABLE: str(self.clock),
            TTL_VARIABLE: str(self.lease_seconds),
            PATIENCE_VARIABLE: str(self.patience_seconds),
            **({"RUNWRIGHT_LEDGER_URL": self.ledger_url} if self.ledger_url else {}),
        }
        return started(Order(flow, run_id, parameters, environment, report))

    def set_clock(self, ahead_seconds: float) -> None:
        """Set the clock that procedures write their ledger by, those that run too. `restore` sets it right again."""
        written = self.clock.with_suffix(".new")
        written.write_text(str(ahead_seconds))
        written.replace(self.clock)

    def await_fault(self, process: Started, fault: str) -> None:
        """Wait until a fault has struck."""
        self.wait_until(process, lambda: self.has_struck(fault))

    def has_struck(self, fault: str) -> bool:
        """Return whether a fault has struck."""
        return mark_of(Fault.parse(fault), self.home / "faults").exists()

    def await_stopped(self, process: Started) -> None:
        """Wait until the process was stopped by its fault."""
        self.wait_until(process, lambda: process.stopped)

    def await_watch(self, process: Started) -> None:
        """Wait until the run watches its release."""

        def watching() -> bool:
            with self.ledger() as ledger:
                release = ledger.releases.of_run(process.run_id)
                return release is not None and ledger.releases.fact(release.id, "watch") is not None

        self.wait_until(process, watching)

    def wait_until(self, process: Started, true: Callable[[], bool]) -> None:
        """Wait until something is so while a process runs. Fails the test if the process ends before."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not true():
            assert process.process.exitcode is None, f"it ended before:\n{process.report}\n{process.log}"
            assert time.monotonic() < until, process.log
            time.sleep(0.03)

    # ------------------------------------------------------------------------------------------------------- looking

    @contextlib.contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The world's ledger."""
        with open_ledger(self.ledger_url or f"sqlite:///{self.home / 'ledger.db'}") as ledger:
            yield ledger

    def traces(self) -> dict[str, Any]:
        """Return everything that a change would leave a trace in: files, what runs, the schema, the journal."""
        ignored = {".log", ".db-wal", ".db-shm"}
        folder = self.root / self.watched
        files = {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix not in ignored and "/logs/" not in str(path) and path.name != "shop.db"
        }
        with self.ledger() as ledger:
            journal = [
                (release.id, release.state, [(e.key, e.attempt, e.state) for e in ledger.journal(release.id).entries()])
                for release in ledger.releases.find(self.system, self.environment)
            ]
        return {
            "files": files,
            "journal": journal,
            "running": self.running(),
            "schema": self.schema(),
            "revision": self.revision(),
        }

    def processes(self) -> list[int]:
        """Return every process of this machine that works in this world."""
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
        """End all processes of this machine that work in this world."""
        self.kill(self.processes())
