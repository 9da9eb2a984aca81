"""The machine's gates: room on disks, programs and their versions, commands of one's own."""

from __future__ import annotations

import json
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import Output
from runwright.gates.command import command_passes
from runwright.gates.disk import disk_free
from runwright.gates.tool import tool_there
from runwright.policy.gates import GateState
from runwright.runbook.gates import DiskFree, RunCommand, Tool
from runwright.testing.direct import Direct
from runwright.testing.replies import Replies

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


# ------------------------------------------------------------------------------------------------------------ disk


@pytest.mark.parametrize(
    ("free", "state", "reason"),
    [
        (20 * 10**9, "pass", "20.0 GB are free on the disk of /srv, at least 20."),
        (20 * 10**9 - 10**8, "fail", "19.9 GB are free on the disk of /srv, fewer than 20."),
        (0, "fail", "0.0 GB"),
    ],
)
def test_there_must_be_room(free: int, state: str, reason: str) -> None:
    """The reason holds what is free and what is needed."""
    spec = DiskFree(path="/srv", gigabytes=20)
    result = disk_free(Replies({"free on the disk": (Path("/srv"), free)}), "disk", spec, now=NOW)
    assert result.state is GateState(state)
    assert reason in result.reason


def test_a_folder_that_is_not_there_yet_is_judged_by_its_disk(tmp_path: Path) -> None:
    """Backups may go to a folder that the first backup makes."""
    spec = DiskFree(path=str(tmp_path / "a" / "b"), gigabytes=0.000001)
    result = disk_free(Direct(), "disk", spec, now=NOW)
    assert result.state is GateState.PASS
    assert f"it will be in {tmp_path}" in result.reason


def test_a_real_disk_is_measured(tmp_path: Path) -> None:
    """What is told is what the file system says."""
    gigabytes = shutil.disk_usage(tmp_path).total / 1e9
    assert disk_free(Direct(), "d", DiskFree(path=str(tmp_path), gigabytes=gigabytes + 1), now=NOW).state == "fail"
    assert disk_free(Direct(), "d", DiskFree(path=str(tmp_path), gigabytes=1e-9), now=NOW).state == "pass"


# ----------------------------------------------------------------------------------------------------------- tools


def said(text: str, code: int = 0) -> Output:
    return Output(code, text.encode(), b"")


def docker(server: str | None, client: str = "28.2.2") -> str:
    return json.dumps({"Client": {"Version": client}, "Server": {"Version": server} if server else None})


TOOLS: list[tuple[str, str | None, Output, str, str]] = [
    ("git", "2.30", said("git version 2.39.5 (Apple Git-154)\n"), "pass", "git is 2.39.5, at least 2.30."),
    ("git", None, said("git version 2.39.5\n"), "pass", "git is 2.39.5."),
    ("git", "2.9", said("git version 2.39.5\n"), "pass", "git is 2.39.5"),
    ("git", "2.40", said("git version 2.39.5\n"), "fail", "git is 2.39.5, older than 2.40. Update it."),
    ("pg_dump", "15", said("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), "pass", "pg_dump is 15.18"),
    ("pg_dump", "16", said("pg_dump (PostgreSQL) 17beta1\n"), "pass", "pg_dump is 17"),
    ("curl", "7.88.1", said("curl 7.88.1 (x86_64-pc-linux-gnu) libcurl/7.88.1\n"), "pass", "curl is 7.88.1"),
    ("jq", "1.6", said("jq-1.6\n"), "pass", "jq is 1.6"),
    ("compose", "2.20", said("v2.26.1\n"), "pass", "compose is 2.26.1"),
    ("compose", "2.20", said("2.26.1-4\n"), "pass", "compose is 2.26.1"),
    ("compose", "2.20", said("1.29.2\n"), "fail", "compose is 1.29.2, older than 2.20"),
    ("compose", "2.20", said("", 125), "fail", "compose is not installed, or broken"),
    ("docker", "20.10", said(docker("20.10.24+dfsg1")), "pass", "docker is 20.10.24, at least 20.10."),
    ("docker", "24", said(docker("20.10.24+dfsg1")), "fail", "docker is 20.10.24, older than 24."),
    ("docker", "20.10", said(docker(None), 1), "fail", "The docker client is there (28.2.2), but no engine answers it"),
    ("docker", "20.10", said("segmentation fault", 139), "fail", "docker is there, but broken"),
    ("docker", "20.10", said("hello"), "blind", "docker did not tell its version"),
    ("git", "2.30", said("hello"), "blind", "git did not tell its version: 'hello'"),
    ("git", "2.30", said(""), "blind", "git did not tell its version"),
]


@pytest.mark.parametrize(("name", "at_least", "output", "state", "reason"), TOOLS)
def test_programs_are_judged_by_what_they_print(
    name: Any, at_least: str | None, output: Output, state: str, reason: str
) -> None:
    """Too old, missing and an engine that does not answer are three different sentences."""
    do = Replies({"on the PATH": f"/usr/bin/{name}", "for its version": output})
    result = tool_there(do, "tool", Tool(name=name, at_least=at_least), now=NOW)
    assert result.state is GateState(state)
    assert reason in result.reason


def test_a_program_that_is_not_there_is_not_asked() -> None:
    """The message says so, and how to get it."""
    do = Replies({"on the PATH": lambda _: None})
    result = tool_there(do, "tool", Tool(name="pg_dump", at_least="15"), now=NOW)
    assert result.state is GateState.FAIL
    assert result.reason.startswith("pg_dump is not installed (it is not on the PATH). Install PostgreSQL's client")
    assert len(do.actions) == 1


def test_real_programs_answer() -> None:
    """git is needed to run these tests at all, and prints its version as we think."""
    result = tool_there(Direct(), "tool", Tool(name="git", at_least="1.0"), now=NOW)
    assert result.state is GateState.PASS
    assert tool_there(Direct(), "tool", Tool(name="git", at_least="999"), now=NOW).state is GateState.FAIL


@pytest.mark.docker
def test_a_real_engine_and_compose_answer(docker: Any) -> None:
    """Both are asked through the docker program."""
    for name in ("docker", "compose"):
        result = tool_there(Direct(), "tool", Tool(name=name, at_least="1.0"), now=NOW)
        assert result.state is GateState.PASS, result.reason


@pytest.mark.docker
def test_a_real_client_without_an_engine_is_told_apart(
    docker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is wrong with the program; what is missing is the engine."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    result = tool_there(Direct(), "tool", Tool(name="docker", at_least="1.0"), now=NOW)
    assert result.state is GateState.FAIL
    assert "no engine answers it" in result.reason


# ----------------------------------------------------------------------------------------------- a command of one's own


def python(code: str, **more: Any) -> RunCommand:
    return RunCommand.model_validate({"argv": [sys.executable, "-c", code], **more})


@pytest.mark.parametrize(
    ("code", "more", "state", "reason"),
    [
        ("pass", {}, "pass", "exited with 0."),
        ("pass", {"equals": ""}, "pass", "exited with 0"),
        ("print(' yes ')", {"equals": "yes"}, "pass", "printed what is expected"),
        ("print('M file.py')", {"equals": ""}, "fail", "printed 'M file.py' (9 characters), not ''."),
        ("print('no')", {"equals": "yes"}, "fail", "printed 'no' (2 characters), not 'yes'"),
        ("exit(3)", {}, "fail", "exited with 3."),
        ("import sys; sys.exit('token s3cret-s3cret is bad')", {}, "fail", "exited with 1: token *** is bad."),
        ("import os; os.kill(os.getpid(), 9)", {}, "fail", "exited with -9"),
        ("import time; time.sleep(60)", {"timeout": "500ms"}, "blind", "longer than 0.5 s"),
    ],
)
def test_a_command_passes_if_it_exits_0_and_prints_what_is_expected(
    code: str, more: dict[str, Any], state: str, reason: str
) -> None:
    """What it printed is shown in one short line, without secrets."""
    result = command_passes(
        Direct(), "own", python(code, **more), now=NOW, clean=lambda text: text.replace("s3cret-s3cret", "***")
    )
    assert result.state is GateState(state)
    assert reason in result.reason


def test_a_command_that_is_not_there_is_blind(tmp_path: Path) -> None:
    """It told nothing about the system."""
    spec = RunCommand(argv=[str(tmp_path / "nosuch")])
    result = command_passes(Direct(), "own", spec, now=NOW, clean=str)
    assert result.state is GateState.BLIND
    assert "could not be started" in result.reason


def test_a_command_runs_in_the_folder_that_is_given(tmp_path: Path) -> None:
    """Such as the worktree of the commit."""
    spec = python("import os; print(os.getcwd())", equals=os.path.realpath(tmp_path))
    assert command_passes(Direct(), "own", spec, now=NOW, clean=str, cwd=tmp_path).state is GateState.PASS
