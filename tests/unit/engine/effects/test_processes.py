"""Programs that stay: started so that they can always be found, and ended so that nobody else is hurt."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from runwright.engine.actions import Process, Spawn, Stop
from runwright.engine.effects.files import write_file
from runwright.engine.effects.processes import alive, spawn, stop, this_process
from runwright.errors import ActionError


def start(tmp_path: Path, *argv: str) -> Process:
    action = Spawn(says="start", key="s", argv=argv, log=tmp_path / "log", pid_file=tmp_path / "pid.json")
    return spawn(action, "test/spawn#1")


def end(process: Process, grace_seconds: float = 2.0) -> None:
    stop(Stop(says="stop", key="x", process=process, grace_seconds=grace_seconds))


def test_it_stays_writes_its_pid_file_and_its_log(tmp_path: Path) -> None:
    """Given a program, it runs on in a session of its own; the pid file names it; its output is in the log."""
    process = start(tmp_path, "sh", "-c", "echo hello; exec sleep 60")
    try:
        while not (tmp_path / "log").read_text():
            assert alive(process)
        assert os.getsid(process.pid) == process.pid
        assert Process(**json.loads((tmp_path / "pid.json").read_text())) == process
    finally:
        end(process)
    assert not alive(process)
    assert (tmp_path / "log").read_text() == "hello\n"


def test_no_other_user_reads_what_it_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the usual umask, its log, and the home folder that is made for it, are for their owner alone; what is there
    already keeps its mode and is written on."""
    old = os.umask(0o022)
    try:
        monkeypatch.setenv("RUNWRIGHT_HOME", str(tmp_path / "sub" / "home"))
        log = tmp_path / "sub" / "home" / "logs" / "web.log"
        for _ in range(2):
            words = ("sh", "-c", "echo hello; umask > mask")
            action = Spawn(says="start", key="s", argv=words, log=log, pid_file=tmp_path / "pid", cwd=tmp_path)
            process = spawn(action, "test/spawn#1")
            while alive(process):
                pass
        modes = [path.stat().st_mode & 0o777 for path in (log, tmp_path / "sub" / "home", tmp_path / "sub")]
    finally:
        os.umask(old)
    assert modes == [0o600, 0o700, 0o755]
    assert log.read_text() == "hello\nhello\n"
    assert (tmp_path / "mask").read_text().strip() == "0022", "the application's own files are its own affair"


def test_a_home_that_was_made_by_hand_keeps_its_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A team may share it through a group."""
    monkeypatch.setenv("RUNWRIGHT_HOME", str(tmp_path / "shared"))
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o770)
    write_file(tmp_path / "shared" / "logs" / "x", b"", 0o600)
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o770


def test_a_stopped_session_is_ended_with_all_of_it(tmp_path: Path) -> None:
    """Given a program that was stopped (SIGSTOP) and has a child, both are ended."""
    process = start(tmp_path, "sh", "-c", "sleep 61 & echo $!; wait")
    while not (tmp_path / "log").read_text().strip():
        pass
    child = this_process(int((tmp_path / "log").read_text()))
    os.kill(process.pid, signal.SIGSTOP)
    end(process)
    assert not alive(process)
    assert not alive(child)


def test_a_reused_process_id_is_left_alone() -> None:
    """Given a pid that now belongs to another process, Stop ends nothing and says nothing."""
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        end(replace(this_process(other.pid), started=1))
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_one_that_has_ended_counts_as_ended(tmp_path: Path) -> None:
    """Given a process that is gone, Stop succeeds: repeated, it changes nothing."""
    process = start(tmp_path, "true")
    end(process)
    end(process)


def test_a_process_of_another_machine_is_refused() -> None:
    """Given a process of another host, Stop says where it runs instead of ending ours with that number."""
    with pytest.raises(ActionError, match="runs on elsewhere"):
        end(Process(host="elsewhere", pid=os.getpid(), started=1))
    assert alive(this_process(os.getpid()))
