"""How a command is run: bounded, ended with all that it started, and told at once."""

from __future__ import annotations

import os
import signal
import sys
import time
import uuid
from pathlib import Path

import pytest

from runwright.engine.actions import Command, Elsewhere, Output, Process
from runwright.engine.effects import commands, streams
from runwright.engine.effects.processes import MARK, alive, marked, this_process
from runwright.errors import ActionError, DeadlineError, FencedError

KEY = f"test/key-{uuid.uuid4()}#1"
"""Of this process alone: these tests end what carries it, and another process may run them at the same time."""


def run(*argv: str, **more: object) -> Output:
    return commands.run(Command(says="do it", argv=argv, **more), KEY, lambda _: None)  # type: ignore[arg-type]


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_a_command_leaves_its_code_and_both_streams() -> None:
    """Given a program that writes to both streams and fails, all three are returned."""
    output = run(*python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"))
    assert (output.code, output.stdout, output.stderr) == (3, b"out\n", b"err\n")


def test_standard_input_reaches_it_and_is_empty_otherwise() -> None:
    """Given input it arrives whole; given none the program reads its end at once instead of waiting for ever."""
    big = b"x" * 1_000_000
    assert run(*python("import sys; print(len(sys.stdin.buffer.read()))"), stdin=big).text == "1000000\n"
    assert run("cat").stdout == b""


def test_our_own_environment_does_not_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a secret in our environment, a child sees it only if the action says so."""
    monkeypatch.setenv("SECRET_OF_OURS", "hunter2hunter2")
    names = run(*python("import os; print(sorted(os.environ))"), env={"GIVEN": "1"}).text
    assert "SECRET_OF_OURS" not in names
    assert "GIVEN" in names
    assert MARK in names


def test_output_goes_to_a_private_file(tmp_path: Path) -> None:
    """Given ``stdout_to``, the output is in that file, which only we can read."""
    target = tmp_path / "dump"
    assert run(*python("print('data')"), stdout_to=target).stdout == b""
    assert target.read_text() == "data\n"
    assert target.stat().st_mode & 0o777 == 0o600


def test_on_its_deadline_it_is_ended_with_its_children(tmp_path: Path) -> None:
    """Given a program that starts another and hangs, both are gone when the DeadlineError arrives."""
    pid_file = tmp_path / "pid"
    code = f"import subprocess,time; p=subprocess.Popen(['sleep','60']); open({str(pid_file)!r},'w').write(str(p.pid)); time.sleep(60)"

    def begun(_: Process) -> None:
        until = time.monotonic() + 60
        while not (pid_file.exists() and pid_file.read_text()) and time.monotonic() < until:
            time.sleep(0.02)

    with pytest.raises(DeadlineError, match=r"longer than 1"):
        commands.run(Command(says="hang", argv=python(code), deadline_seconds=1.0), KEY, begun)
    assert not alive(this_process(int(pid_file.read_text())))


def test_one_that_ignores_being_asked_is_killed() -> None:
    """Given a program that ignores SIGTERM, it is killed after the grace time."""
    code = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    seen: list[Process] = []
    with pytest.raises(DeadlineError):
        commands.run(Command(says="hang", argv=python(code), deadline_seconds=1.0), "test/stubborn#1", seen.append)
    assert not alive(seen[0])


def test_what_it_started_elsewhere_is_ended_on_the_deadline(tmp_path: Path) -> None:
    """Given words that end what runs elsewhere, they are run when the command is ended."""
    proof = tmp_path / "ended"
    elsewhere = Elsewhere(running=("true",), wait=("true",), end=("touch", str(proof)))
    with pytest.raises(DeadlineError):
        run("sleep", "60", deadline_seconds=0.3, elsewhere=elsewhere)
    assert proof.exists()


@pytest.mark.parametrize("argv, code", [(("sleep", "60"), 124), (("/nowhere/kubectl",), 127), (("false",), 1)])
def test_who_is_asked_and_hangs_or_is_not_there_has_not_answered(
    argv: tuple[str, ...], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an exit code like any other, and no error of Python's own."""
    monkeypatch.setattr(commands, "ASK_SECONDS", 0.3)
    assert commands.ask(argv) == (code, b"")


def test_a_daemon_that_it_leaves_behind_does_not_hold_us_up() -> None:
    """Given a program that ends but leaves a child with its outputs open, we go on after a moment."""
    begun = time.monotonic()
    output = run(*python("import subprocess; subprocess.Popen(['sleep','30']); print('done')"), deadline_seconds=25.0)
    assert output.text == "done\n"
    assert time.monotonic() - begun < 20
    for process in marked(KEY):
        os.kill(process.pid, signal.SIGKILL)


def test_endless_output_is_an_error_and_not_our_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a program that prints without end, it is ended."""
    monkeypatch.setattr(streams, "MAX_OUTPUT_BYTES", 100_000)
    with pytest.raises(ActionError, match="printed more than"):
        run("yes", deadline_seconds=20.0)


def test_of_what_nobody_parses_the_end_is_kept_however_much_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a change, or a read of the last output alone, that prints too much, it goes on to its end, and that is kept."""
    monkeypatch.setattr(streams, "MAX_OUTPUT_BYTES", 100_000)
    monkeypatch.setattr(streams, "KEPT_BYTES", 1000)
    loud = python(
        "import sys; sys.stdout.write('x' * 10**6); sys.stdout.buffer.write(b'\\xff\\n'); print('the reason')"
    )
    for how in ({"key": "k", "safe_point": True}, {"last": True}):
        output = run(*loud, **how)
        assert (output.code, output.stdout) == (0, b"the reason\n")


def test_a_missing_program_and_a_missing_folder_are_told_apart(tmp_path: Path) -> None:
    """Given either, the error names what is missing."""
    with pytest.raises(ActionError, match="No such file") as missing:
        run("no-such-program-of-ours")
    assert "Install" in missing.value.next
    with pytest.raises(ActionError, match="is not there"):
        run("true", cwd=tmp_path / "nowhere")


@pytest.mark.parametrize(("safe_point", "survives"), [(False, False), (True, True)])
def test_a_lost_lease_ends_a_change_but_not_before_its_safe_point(safe_point: bool, survives: bool) -> None:
    """Given a lease that is lost meanwhile, a change is ended at once; one with a safe point runs to its end."""
    action = Command(says="change", key="k", argv=("sleep", "0.6"), safe_point=safe_point)

    def lost() -> FencedError:
        return FencedError("The lease is lost.")

    if survives:
        assert commands.run(action, "test/fence#1", lambda _: None, lost).code == 0
    else:
        with pytest.raises(FencedError):
            commands.run(action, "test/fence#1", lambda _: None, lost)


def test_a_process_is_told_while_it_runs_and_found_by_its_mark(tmp_path: Path) -> None:
    """Given a running command, its process is told at once, and its mark finds it."""
    seen: list[bool] = []
    end = tmp_path / "end"

    def started(process: Process) -> None:
        until = time.monotonic() + 20
        while not seen and time.monotonic() < until:  # its environment is not there at once
            seen.extend([True] if process in list(marked(KEY)) else [])
        end.touch()

    waits = 'until [ -e "$0" ]; do sleep 0.05; done'
    commands.run(Command(says="wait", argv=("sh", "-c", waits, str(end))), KEY, started)
    assert seen == [True]
    assert list(marked(KEY)) == []


def test_what_is_kept_begins_with_a_whole_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a secret alone would not be known as one; of one endless line a half is kept."""
    monkeypatch.setattr(streams, "KEPT_BYTES", 1000)
    lines = "import sys; sys.stderr.write('password=' + 'x' * 990 + 'geheim\\nlast\\n')"
    assert run(*python(lines)).stderr == b"last\n"
    endless = run(*python("import sys; sys.stderr.write('x' * 5000)")).stderr
    assert endless == b"x" * 500
