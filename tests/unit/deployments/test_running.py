"""What runs here is known, whatever became of the file that remembers it, and is compared with what it should be."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from deployments import own_server, running
from deployments.running import Running, differences, pid_file, read_running
from runwright.engine.actions import Process
from runwright.engine.effects.processes import environment_of, listens, stopped, this_process

URL = "http://127.0.0.1:4/api"
LISTENS = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); time.sleep(60)"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    """A process that takes connections to a port, which is its first line; it was started for the API at URL."""
    words = [sys.executable, "-S", "-c", LISTENS]
    made = subprocess.Popen(words, env={"PREFECT_API_URL": URL, "A": "a"}, stdout=subprocess.PIPE, text=True)
    yield made
    made.kill()
    made.communicate()


def written(name: str, process: Process) -> None:
    pid_file(name).parent.mkdir(parents=True, exist_ok=True)
    pid_file(name).write_text(json.dumps(asdict(process)))


@pytest.mark.parametrize(
    "spoilt", [None, "", "{", "[]", '{"api_url": 1}', '{"api_url": "x", "server": 4, "worker": []}']
)
def test_what_runs_is_found_without_the_file_that_remembers_it(
    child: subprocess.Popen[str], spoilt: str | None
) -> None:
    """Nothing is started a second time beside it: two servers would share one database."""
    process = this_process(child.pid)
    written("worker", process)
    if spoilt is not None:
        running.state_file().write_text(spoilt)
    assert read_running() == Running(URL, None, process)
    written("server", process)
    port = own_server.take_port(None)
    assert read_running() == Running(f"http://127.0.0.1:{port}/api", process, process)


def test_what_has_ended_is_not_found_again() -> None:
    """Its id may mean another process by now."""
    assert read_running() is None
    written("server", Process(socket.gethostname(), os.getpid(), 1))
    assert read_running() is None


def test_only_our_own_process_is_taken_for_our_server(child: subprocess.Popen[str]) -> None:
    """A port of this machine is anybody's: who has it is asked of the kernel, and not of who answers."""
    assert child.stdout is not None
    port, process = int(child.stdout.readline()), this_process(child.pid)
    assert listens(process, port)
    assert not listens(process, port + 1)
    assert not listens(this_process(os.getpid()), port)
    assert Running(f"http://127.0.0.1:{port}/api", process, None).serves
    assert not Running(f"http://127.0.0.1:{port}/api", None, process).serves
    child.kill()
    child.wait()
    assert not listens(process, port)


def test_what_a_process_was_started_with_is_compared_with_what_it_should_have(child: subprocess.Popen[str]) -> None:
    """The name of each variable that differs is told, and no value."""
    process = this_process(child.pid)
    started = pid_file("worker")
    assert environment_of(process)["A"] == "a"
    assert differences(process, {"A": "a"}, started) == []
    assert differences(process, {"A": "b", "PREFECT_API_URL": URL, "LOGIN": "s3cret"}, started) == [
        "it was started with another A",
        "it was started without LOGIN",
    ]


def test_what_was_started_before_its_code_was_changed_is_told(
    child: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkout was brought up to date, or Prefect was, while it ran."""
    process = this_process(child.pid)
    written("worker", process)
    assert 0 < running.code_changed_at() < time.time()
    for changed, told in ((time.time() - 60, []), (time.time() + 60, ["the code of Runwright was changed"])):
        monkeypatch.setattr(running, "code_changed_at", lambda at=changed: at)
        found = differences(process, {}, pid_file("worker"))
        assert len(found) == len(told) and all(part in line for part, line in zip(told, found, strict=True))


def test_a_halted_process_is_seen(child: subprocess.Popen[str]) -> None:
    """It lives, and does nothing."""
    process = this_process(child.pid)
    assert not stopped(process)
    child.send_signal(signal.SIGSTOP)
    until = time.monotonic() + 20
    while not stopped(process):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_process_of_somebody_else_has_no_environment_for_us(tmp_path: Path) -> None:
    """Nor has one that has ended."""
    assert environment_of(Process("here", 2**22 + 1, 1)) == {}
