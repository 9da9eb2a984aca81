"""What is done about an action whose process died: what still runs of it is ended, or awaited, and nothing else is touched."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runwright.engine import recovery
from runwright.engine.actions import Process
from runwright.engine.effects.processes import MARK, alive, this_process
from runwright.engine.recovery import end_or_await, mark_of, still_running
from runwright.errors import ActionError, InDoubtError
from runwright.ledger.journal import Entry

Start = Callable[..., Process]
HERE = socket.gethostname()


@pytest.fixture
def release_id() -> str:
    """An id that no other test's processes carry."""
    return f"shop-test-{secrets.token_hex(6)}"


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a program in a session of its own, with a mark; it is ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def run(mark: str, *words: str) -> Process:
        argv = words or ("sleep", "60")
        child = subprocess.Popen(argv, env={**os.environ, MARK: mark}, start_new_session=True)
        started.append(child)
        until = time.monotonic() + 20
        while MARK.encode() not in Path(f"/proc/{child.pid}/environ").read_bytes():
            assert time.monotonic() < until
        return this_process(child.pid)

    yield run
    for child in started:
        child.kill()
        child.wait()


def entry(key: str = "deploy/start", **more: Any) -> Entry:
    values: dict[str, Any] = {"says": "start it", "state": "running", "token": 1, "repeatable": True}
    values |= {"attempt": 1, "safe_point": False, "intent_at": datetime.now(UTC), "host": HERE}
    return Entry(key=key, **(values | more))


def test_a_mark_names_release_key_and_attempt() -> None:
    """Two attempts at one change do not share a mark, nor do two releases."""
    marks = {mark_of(release, "deploy/start", attempt) for release in ("a", "b") for attempt in (1, 2)}
    assert len(marks) == 4


def test_a_process_is_found_by_its_mark_alone(release_id: str, start: Start) -> None:
    """Given a run that died before it could journal the process, its mark tells."""
    process = start(mark_of(release_id, "deploy/start"))
    assert still_running(release_id, entry(pid=None)) == [process]


def test_a_process_is_found_by_the_journal_alone(release_id: str, start: Start) -> None:
    """Given a program that cleaned its environment, the journal tells."""
    process = start("something else")
    found = still_running(release_id, entry(pid=process.pid, pid_started=process.started))
    assert found == [process]


@pytest.mark.parametrize("wrong", ["another release", "another key", "another attempt"])
def test_what_belongs_to_something_else_is_left_alone(release_id: str, start: Start, wrong: str) -> None:
    """Given processes of other releases, changes and attempts, they are not touched."""
    marks = {
        "another release": mark_of("somebody-else", "deploy/start"),
        "another key": mark_of(release_id, "deploy/start2"),
        "another attempt": mark_of(release_id, "deploy/start", 11),
    }
    process = start(marks[wrong])
    end_or_await(release_id, entry())
    assert alive(process)


def test_a_process_id_that_was_given_to_another_process_is_left_alone(release_id: str, start: Start) -> None:
    """Given a journaled id whose start time is another, the process that has it now is not ours."""
    process = start("something else")
    end_or_await(release_id, entry(pid=process.pid, pid_started=process.started - 100))
    assert alive(process)


def test_what_still_runs_is_ended(release_id: str, start: Start) -> None:
    """Given a process that goes on after its run died, it is ended."""
    process = start(mark_of(release_id, "deploy/start"))
    end_or_await(release_id, entry(pid=process.pid, pid_started=process.started))
    assert not alive(process)


def test_a_child_in_a_session_of_its_own_is_ended_too(release_id: str, start: Start) -> None:
    """Given a program that made itself a daemon, its mark gives it away."""
    code = "import os, sys, time; os.fork() and time.sleep(60); os.setsid(); time.sleep(60)"
    start(mark_of(release_id, "deploy/start"), sys.executable, "-S", "-c", code)
    until = time.monotonic() + 20
    while len({os.getsid(p.pid) for p in still_running(release_id, entry())}) < 2:
        assert time.monotonic() < until
        time.sleep(0.02)
    end_or_await(release_id, entry())
    assert still_running(release_id, entry()) == []


def test_an_action_with_a_safe_point_is_awaited_and_not_ended(release_id: str, start: Start, tmp_path: Path) -> None:
    """Given a migration that still runs, it is let finish."""
    done = tmp_path / "done"
    go = tmp_path / "go"
    start(
        mark_of(release_id, "deploy/migrate"),
        "sh", "-c", f"until [ -e {go} ]; do sleep 0.05; done; sleep 0.5; echo done > {done}",
    )  # fmt: skip
    go.touch()
    end_or_await(release_id, entry("deploy/migrate", safe_point=True, detail={"deadline_seconds": 60.0}))
    assert done.read_text() == "done\n"


def test_a_safe_point_that_does_not_come_is_said_and_nothing_is_ended(release_id: str, start: Start) -> None:
    """Given a migration that runs past its own deadline, a person is told, and it is still not ended."""
    process = start(mark_of(release_id, "deploy/migrate"))
    with pytest.raises(ActionError, match="may not be interrupted") as caught:
        end_or_await(release_id, entry("deploy/migrate", safe_point=True, detail={"deadline_seconds": 0.3}))
    assert "runwright rollback" in caught.value.next
    assert alive(process)


def test_what_was_started_on_another_machine_is_in_doubt(release_id: str) -> None:
    """Given a process on a machine that we cannot reach, nothing is assumed about it."""
    with pytest.raises(InDoubtError, match="may still run there") as caught:
        end_or_await(release_id, entry(host="elsewhere", pid=4711, pid_started=1))
    assert "elsewhere" in caught.value.next


def elsewhere(folder: Path, running: str = "cat") -> dict[str, Any]:
    """Return the detail of an action that started something which the file ``it`` stands for."""
    file = str(folder / "it")
    words = {
        "running": ["sh", "-c", f"{running} {file} 2>/dev/null || true"],
        "wait": ["true"],
        "end": ["rm", "-f", file],
    }
    return {"deadline_seconds": 30.0, "elsewhere": words}


def test_what_was_started_elsewhere_is_ended_there(release_id: str, tmp_path: Path) -> None:
    """Given a one-off container, the words that the journal kept end it, whichever machine started it."""
    (tmp_path / "it").write_text("runs")
    end_or_await(release_id, entry(host="another machine", pid=1, detail=elsewhere(tmp_path)))
    assert not (tmp_path / "it").exists()


def test_what_was_started_elsewhere_is_awaited_at_a_safe_point(release_id: str, tmp_path: Path, start: Start) -> None:
    """Given a migration in a container, it is awaited there, and not ended."""
    (tmp_path / "it").write_text("runs")
    waits = f"until [ -e {tmp_path / 'go'} ]; do sleep 0.05; done; sleep 0.5"
    start("something else", "sh", "-c", f"{waits}; mv {tmp_path / 'it'} {tmp_path / 'finished'}")
    (tmp_path / "go").touch()
    end_or_await(release_id, entry(safe_point=True, detail=elsewhere(tmp_path)))
    assert (tmp_path / "finished").exists()


def test_what_nobody_answers_for_has_not_ended(
    release_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a migration elsewhere, and an engine or a cluster that does not answer, it is asked again; then it may still run."""
    monkeypatch.setattr(recovery, "ANSWER_SECONDS", 1.0)
    asked, back = tmp_path / "asked", tmp_path / "back"
    words = ("sh", "-c", f"echo x >> {asked}; test -e {back}")
    detail = {"deadline_seconds": 30.0, "elsewhere": {"running": words, "wait": ("true",), "end": ("false",)}}
    with pytest.raises(ActionError, match="Nobody answers whether it still runs"):
        end_or_await(release_id, entry(safe_point=True, detail=detail))
    assert asked.read_text().count("x") > 1
    back.touch()
    end_or_await(release_id, entry(safe_point=True, detail=detail))
