"""What a release runs on dies in its midst: Prefect's server, the worker, the machine with all that runs there."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from examples.client import Client
from examples.make_repository import make
from runwright.ledger.states import ReleaseState, reached
from tests.chaos.choice import SLOW
from tests.e2e.place import Place
from tests.fixtures.prefect import end, healthy, serve, started, working

AWAY_SECONDS = 15.0

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(900),
    SLOW,
]


class Server:
    """A Prefect server that can be killed and started again at the same address, with the same database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process, self.url = started(folder)

    def kill(self) -> None:
        """End it as a machine that loses its power does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def start_again(self) -> None:
        """Start it again, and wait until it answers."""
        port = urlsplit(self.url).port
        assert port is not None
        self.process, _ = serve(self.folder, port)
        assert healthy(self.process, self.url)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "server").mkdir()
    made = Server(tmp_path / "server")
    yield made
    end(made.process)


@pytest.fixture
def place(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    (tmp_path / "worker").mkdir()
    make(tmp_path / "repository")
    monkeypatch.setenv("RUNWRIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RUNWRIGHT_SYSTEMS", str(tmp_path / "systems"))
    with (
        working(tmp_path / "worker", server.url),
        temporary_settings({PREFECT_API_URL: server.url}),
        get_client(sync_client=True) as client,
    ):
        made = Place(client, tmp_path, "shop-away", tmp_path / "repository")
        yield made
        made.close()


def test_a_release_whose_orchestrator_goes_away_holds_and_goes_on(place: Place, server: Server) -> None:
    """Killed before the switch and back after a while, the server finds the release proven; no request was refused."""
    place.serving("v1.1.0")
    run = place.start("v1.6.0", 0.3)
    release = place.release_of(run)
    place.until(lambda: reached(place.ledger.releases.get(release.id).state, ReleaseState.PLANNED), "the plan")
    server.kill()
    assert place.version() in ("v1.1.0", "v1.6.0")
    time.sleep(AWAY_SECONDS)
    server.start_again()

    state = place.ended(run)
    assert state.is_completed(), state.message
    assert place.state_of(run) == "proven"
    assert place.version() == "v1.6.0"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["dies", "hangs"])
def test_a_breach_is_seen_and_put_back_without_the_orchestrator(place: Place, server: Server, number: int) -> None:
    """It is gone from the first sample on, or takes requests and answers none: users are not its business."""
    place.serving("v1.1.0")
    with Client(f"{place.front()}/items", seconds=600, rate=20):
        run = place.start("v1.4.0-errors", 10.0)
        release = place.release_of(run)
        place.until(lambda: reached(place.ledger.releases.get(release.id).state, ReleaseState.WATCHING), "the watch")
        os.killpg(server.process.pid, number)
        place.until(lambda: place.state_of(run) == "rolled_back", "the way back")
    assert place.version() == "v1.1.0"
    assert "rule errors" in str(place.ledger.releases.fact(release.id, "breach"))


def test_a_release_whose_worker_is_killed_ends_well(place: Place, server: Server, tmp_path: Path) -> None:
    """Nobody reads any more what its run says, which ends it; it is put right as soon as there is a worker again."""
    place.serving("v1.1.0")
    run = place.start("v1.6.0", 0.3)
    release = place.release_of(run)
    kill(processes(tmp_path, "worker"))
    (tmp_path / "another").mkdir()
    with working(tmp_path / "another", server.url):
        place.until(lambda: place.ledger.releases.get(release.id).ended, "the end of the release")
        assert place.version() == place.live()
        assert place.ended(run).is_final()


def test_a_machine_that_is_gone_in_mid_release_is_put_right_by_the_next_worker(
    place: Place, server: Server, tmp_path: Path
) -> None:
    """Worker and run are killed together, with users on what nobody had verified; nobody does anything but start a worker.

    The supervisor, started by its automation for the run that fell silent, finds it, and the rollback puts it right.
    """
    place.serving("v1.1.0")
    run = place.start("v1.6.0", faults="stop@after:deploy/switch/put")
    place.until(lambda: (place.live() == "v1.1.0" and place.version() == "v1.6.0") or None, "the switch")
    kill([*processes(tmp_path, "worker"), *processes(tmp_path, f"PREFECT__FLOW_RUN_ID={run}")])
    (tmp_path / "another").mkdir()
    with working(tmp_path / "another", server.url):
        assert place.ended(run).is_crashed()
        place.rolled_back(run)
        assert place.state_of(run) == "rolled_back"
        assert place.version() == "v1.1.0"


def processes(folder: Path, of: str) -> list[int]:
    """Return the worker in ``folder``, or the processes whose environment holds what is asked for."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes() if process.name.isdigit() else b""
            variables = (process / "environ").read_bytes() if words else b""
            is_worker = b"worker\0start" in words and f"PREFECT_HOME={folder / 'worker'}".encode() in variables
            if (of == "worker" and is_worker) or (of != "worker" and of.encode() in variables.split(b"\0")):
                found.append(int(process.name))
    assert found, f"no process: {of}"
    return found


def kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
