"""What `up` starts is remembered, and exactly that is ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments import server
from runwright import home
from runwright.engine.actions import Process
from runwright.engine.effects.processes import alive, marked, this_process
from runwright.errors import RunwrightError

# What `up` does in another process, with a small program as its server and its worker; a server "is healthy" as soon as
# the file that is named first is there.
UP = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where whoever runs the tests has their children ignore it
from deployments import server
server._python = lambda *words: (sys.executable, "-S", "-c", "import time; time.sleep(60)")
def healthy(url, process):
    print("waiting", flush=True)
    while not Path(sys.argv[1]).exists():
        time.sleep(0.02)
server._wait_until_healthy = healthy
server.start()
print("up", flush=True)
"""

URL = "http://127.0.0.1:4/api"


@pytest.fixture
def three() -> Iterator[list[Process]]:
    """Three processes that would run for a minute, each in a session of its own."""
    words = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
    children = [subprocess.Popen(words, start_new_session=True) for _ in range(3)]
    yield [this_process(child.pid) for child in children]
    for child in children:
        child.kill()
        child.wait()


def remember(running: server.Running) -> None:
    server.state_file().parent.mkdir(parents=True, exist_ok=True)
    server.state_file().write_text(json.dumps(asdict(running)))


def test_what_runs_is_read_as_it_was_written(three: list[Process]) -> None:
    """Another shell finds the server, the worker, and the address."""
    assert server.read_running() is None
    running = server.Running(URL, three[0], three[1])
    remember(running)
    assert server.read_running() == running
    assert running.ui_url == "http://127.0.0.1:4"


def test_exactly_what_was_started_is_ended(three: list[Process]) -> None:
    """The worker and the server end, the worker first; another process goes on."""
    remember(server.Running(URL, three[0], three[1]))
    ended = server.end()
    assert [word.partition(" ")[0] for word in ended] == ["worker", "server"]
    assert [alive(process) for process in three] == [False, False, True]
    assert server.end() == [], "a second time there is nothing to end"


def test_a_process_id_that_was_given_to_another_process_is_left_alone(three: list[Process]) -> None:
    """After a restart of the machine the ids that were noted mean other processes."""
    stale = replace(three[0], started=three[0].started - 1)
    remember(server.Running(URL, stale, None))
    assert server.end() == []
    assert alive(three[0])


def test_without_a_server_one_is_told_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """No command waits for a server that was never there."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        pytest.raises(RunwrightError, match="no Prefect server"),
    ):
        server.connect()


def test_nothing_is_started_on_a_full_disk(monkeypatch: pytest.MonkeyPatch, runwright_home: Path) -> None:
    """A server would end while it makes its database, and could not even write down why."""
    monkeypatch.setattr(home, "NO_ROOM_BYTES", 2**80)
    with pytest.raises(RunwrightError, match=r"is full .*neither the ledger nor Prefect") as caught:
        server.start()
    assert "Nothing was started" in caught.value.state
    assert not (runwright_home / "prefect").exists()


def test_runs_find_the_ledger_and_the_runbooks_wherever_they_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A worker has another current folder: paths are absolute."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUNWRIGHT_HOME", "state")
    monkeypatch.setenv("RUNWRIGHT_SYSTEMS", "systems:more")
    found = server.environment()
    assert found["RUNWRIGHT_HOME"] == str(tmp_path / "state")
    assert found["RUNWRIGHT_LEDGER_URL"] == f"sqlite:///{tmp_path / 'state' / 'ledger.db'}"
    assert found["RUNWRIGHT_SYSTEMS"] == f"{tmp_path / 'systems'}:{tmp_path / 'more'}"


def test_no_password_of_the_ledger_reaches_prefect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody who reaches its API can read job variables: a password before the @ stays with the worker, one among the
    options is refused, and the path of a file that holds it may be known."""
    monkeypatch.setenv("RUNWRIGHT_LEDGER_URL", "postgresql://u:hunter2-hunter2@db/runwright")
    assert "RUNWRIGHT_LEDGER_URL" not in server.environment()
    for option in ("password", "sslpassword"):
        monkeypatch.setenv("RUNWRIGHT_LEDGER_URL", f"postgresql://u@db/runwright?{option}=hunter2-hunter2")
        with pytest.raises(RunwrightError, match=r"~/\.pgpass") as refused:
            server.environment()
        assert "hunter2" not in str(refused.value)
    harmless = "postgresql://u@db/runwright?passfile=/etc/runwright/pgpass&sslmode=verify-full"
    monkeypatch.setenv("RUNWRIGHT_LEDGER_URL", harmless)
    assert server.environment()["RUNWRIGHT_LEDGER_URL"] == harmless


def test_runs_find_the_runbook_of_the_folder_where_it_was_registered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is found there without a variable, and a run starts elsewhere."""
    monkeypatch.chdir(tmp_path)
    assert "RUNWRIGHT_SYSTEMS" not in server.environment()
    (tmp_path / "runwright.yaml").write_text("system: shop")
    assert server.environment()["RUNWRIGHT_SYSTEMS"] == str(tmp_path / "runwright.yaml")


def test_a_server_that_was_started_is_seen_by_a_process_that_has_read_its_settings_before(tmp_path: Path) -> None:
    """`up` asks Prefect whether a server is configured, starts one, and registers deployments there."""
    remember(server.Running(URL, None, None))
    script = (
        "from deployments import server; server.settle(); assert server.configured_url() is None; server.connect(); "
        "from prefect.client.orchestration import get_client; print(get_client(sync_client=True).api_url)"
    )
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PYTHONPATH": str(server.ROOT),
        "RUNWRIGHT_HOME": str(server.home()),
        "PREFECT_HOME": str(tmp_path / "prefect"),
    }
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().rstrip("/") == URL


def test_a_server_that_does_not_answer_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait has a deadline, and says what to look at."""
    monkeypatch.setattr(server, "START_SECONDS", 0.3)
    began = time.monotonic()
    with pytest.raises(RunwrightError, match="does not answer"):
        server._wait_until_healthy("http://127.0.0.1:1/api", None)
    assert time.monotonic() - began >= 0.3


def test_a_server_that_ends_while_it_starts_is_told_at_once(three: list[Process]) -> None:
    """Its log says why; nobody waits two minutes for it."""
    gone = replace(three[0], started=three[0].started - 1)
    with pytest.raises(RunwrightError, match="ended while it was starting"):
        server._wait_until_healthy("http://127.0.0.1:1/api", gone)


@pytest.fixture
def up(tmp_path: Path, runwright_home: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start an `up` in a process of its own, and end whatever it left behind."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PYTHONPATH": str(server.ROOT),
        "RUNWRIGHT_HOME": str(runwright_home),
        "PREFECT_HOME": str(tmp_path / "prefect"),
    }
    children = []

    def started() -> subprocess.Popen[str]:
        words = [sys.executable, "-c", UP, str(tmp_path / "healthy")]
        children.append(subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True))
        return children[-1]

    yield started
    for child in children:
        child.kill()
        child.communicate()
    for process in here(runwright_home):
        os.kill(process.pid, signal.SIGKILL)


def here(folder: Path) -> list[Process]:
    """The servers and workers that were started in that folder, whoever remembers them."""
    folder_of = f"RUNWRIGHT_HOME={folder}".encode()

    def its(process: Process) -> bool:
        with contextlib.suppress(OSError):  # one of another test's, which has just ended
            return folder_of in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
        return False

    return [one for mark in ("up/server", "up/worker") for one in marked(mark) if its(one)]


def read(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def test_two_at_once_start_one_server_and_one_worker(
    up: Callable[[], subprocess.Popen[str]], tmp_path: Path, runwright_home: Path
) -> None:
    """Given a second `up` while the first waits for its server, it takes what the first has started."""
    first = up()
    assert read(first) == "waiting"
    second, until = up(), time.monotonic() + 120
    while f"FLOCK  ADVISORY  WRITE {second.pid} " not in Path("/proc/locks").read_text():
        assert second.poll() is None and time.monotonic() < until, "it did not wait for the first"
        time.sleep(0.02)
    (tmp_path / "healthy").touch()
    assert [first.communicate(timeout=60)[0], second.communicate(timeout=60)[0]] == ["up\n", "waiting\nup\n"]
    assert len(here(runwright_home)) == 2
    assert len(server.end()) == 2
    assert here(runwright_home) == []


def test_what_an_interrupted_start_left_is_found_and_ended(
    up: Callable[[], subprocess.Popen[str]], tmp_path: Path, runwright_home: Path
) -> None:
    """Given Ctrl-C, or a kill, while the server is waited for: the next `up` goes on with that server, `down` ends it."""
    for number in (signal.SIGINT, signal.SIGKILL):
        child = up()
        assert read(child) == "waiting"
        child.send_signal(number)
        child.wait(60)
    (alone,) = here(runwright_home)
    (tmp_path / "healthy").touch()
    assert up().wait(60) == 0
    assert len(here(runwright_home)) == 2 and alone in here(runwright_home)
    assert len(server.end()) == 2
    assert here(runwright_home) == []


def test_an_interrupted_start_can_be_taken_back(up: Callable[[], subprocess.Popen[str]], runwright_home: Path) -> None:
    """Also without another `up`."""
    child = up()
    assert read(child) == "waiting"
    child.send_signal(signal.SIGINT)
    child.wait(60)
    assert [word.partition(" ")[0] for word in server.end()] == ["server"]
    assert here(runwright_home) == []


def test_ending_leaves_no_folder_where_nothing_was_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`down` in a wrong folder makes nothing there."""
    monkeypatch.setenv("RUNWRIGHT_HOME", str(tmp_path / "wrong"))
    assert server.end() == []
    assert not (tmp_path / "wrong").exists()
