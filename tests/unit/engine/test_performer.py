"""How actions are performed: what a wait takes for an answer, and what an error shows."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import Action, Command, Output, Process, Read, Reply, Spawn, Wait
from runwright.engine.effects.processes import alive
from runwright.engine.performer import Performer
from runwright.errors import (
    ActionError,
    CancelledError,
    DeadlineError,
    FencedError,
    ObservationError,
    RunwrightError,
    VerificationError,
)
from runwright.testing.direct import Direct

SECRET = "hunter2-correct-horse"


def answers(*given: Any) -> tuple[Callable[[], Any], list[Any]]:
    """Return a function that gives one answer after the other (an exception is raised), and what it gave."""
    left, gave = list(given), []

    def answer() -> Any:
        value = left.pop(0) if len(left) > 1 else left[0]
        gave.append(value)
        if isinstance(value, Exception):
            raise value
        return value

    return answer, gave


def wait(*given: Any, deadline: float = 30.0) -> tuple[Wait[Any], list[Any]]:
    function, gave = answers(*given)
    read = Read(says="ask", function=function)
    action = Wait(
        says="wait until it is 3", read=read, until=lambda a: a == 3, every_seconds=0.001, deadline_seconds=deadline
    )
    return action, gave


@pytest.mark.parametrize(
    "not_yet", [1, ActionError("refused"), ObservationError("not understood"), DeadlineError("late")]
)
def test_a_wait_asks_again_until_the_answer_is_right(not_yet: Any) -> None:
    """Given answers that are not right yet, or reads that fail, the wait goes on and returns the one that is right."""
    action, gave = wait(not_yet, not_yet, 3)
    assert Direct()(action) == 3
    assert len(gave) == 3


@pytest.mark.parametrize(
    "final", [VerificationError("It has ended."), CancelledError("Cancelled."), FencedError("Lost.")]
)
def test_a_wait_ends_at_once_where_waiting_is_in_vain(final: RunwrightError) -> None:
    """Given a read that sees that it will never be right, nothing more is asked."""
    action, gave = wait(1, final, 3)
    with pytest.raises(type(final), match=final.what):
        Direct()(action)
    assert len(gave) == 2


@pytest.mark.parametrize(
    ("last", "told"),
    [(7, "the last answer was 7"), (ActionError("It is refused"), "the last try failed: It is refused")],
)
def test_a_wait_in_vain_tells_the_last_answer(last: Any, told: str) -> None:
    """Given a deadline that passes, the error says what was waited for, for how long, and what came last."""
    action, _ = wait(last, deadline=0.05)
    with pytest.raises(DeadlineError) as caught:
        Direct()(action)
    assert caught.value.what.startswith("Waited 0.05 s in vain: wait until it is 3;")
    assert told in caught.value.what


def test_a_wait_in_vain_shows_no_secret() -> None:
    """Given a last answer that holds a secret, the error does not."""
    performer = Performer(clean=lambda text: text.replace(SECRET, "***"))
    action, _ = wait(SECRET, deadline=0.01)

    def do(one: Action[Any]) -> Any:
        return performer.perform(one, do, "test", lambda _: None)

    with pytest.raises(DeadlineError) as caught:
        do(action)
    assert "***" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_read_that_asks_somebody_ends_on_its_deadline() -> None:
    """Whoever never answers is given up, and the error says who was asked."""
    never = threading.Event()
    with pytest.raises(DeadlineError, match=r"No answer within 0\.05 s: look at the certificate"):
        Direct()(Read(says="look at the certificate", function=never.wait, deadline_seconds=0.05, asks=True))
    never.set()


@pytest.mark.parametrize("error", [TimeoutError("its own"), VerificationError("wrong")])
def test_a_read_that_asks_somebody_raises_what_it_met(error: Exception) -> None:
    """A time limit of its own is not our deadline: it is told apart."""
    with pytest.raises(type(error) if isinstance(error, RunwrightError) else ObservationError):
        Direct()(Read(says="ask", function=answers(error)[0], asks=True))


def test_what_was_given_up_keeps_no_process_from_ending() -> None:
    """A process that gave up a read which never returns still exits by itself."""
    code = """
import threading
from runwright.engine.actions import Read
from runwright.errors import DeadlineError
from runwright.testing.direct import Direct
try:
    Direct()(Read(says="ask", function=threading.Event().wait, deadline_seconds=0.05, asks=True))
except DeadlineError:
    print("given up")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "given up\n"


def test_an_answer_that_cannot_be_parsed_is_an_observation_that_failed() -> None:
    """Given a parser that stumbles, the error names the action and the kind of the mistake, not what it could not read."""

    def parse(output: Output) -> int:
        return int(output.text)

    action = Command(says="count", argv=("echo", SECRET), parse=parse)
    with pytest.raises(ObservationError, match=r"not understood \(ValueError\): count") as caught:
        Performer(clean=lambda text: text).perform(action, Direct(), "test", lambda _: None)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_answer_that_takes_too_long_to_read_is_given_up() -> None:
    """The deadline holds for the parser as well, of a command and of a server's answer; a release does not hang in it."""
    never = threading.Event()

    def parse(_: Output) -> None:
        never.wait()

    action = Command(says="count", argv=("echo", "1"), parse=parse, deadline_seconds=0.1)
    with pytest.raises(ObservationError, match=r"^What it answered could not be read within 1 s: count"):
        Performer().perform(action, Direct(), "test", lambda _: None)
    never.set()


@pytest.mark.parametrize("error", [VerificationError, DeadlineError])
def test_an_error_of_ours_passes_a_parser_unchanged(error: type[RunwrightError]) -> None:
    """Given a parser that knows what is wrong, its own error arrives, also that something else took too long."""

    def parse(_: Reply | Output) -> None:
        raise error("It is another server.")

    with pytest.raises(error, match="another server"):
        Direct()(Command(says="ask", argv=("true",), parse=parse))


def test_a_program_that_failed_shows_its_last_lines() -> None:
    """Given a program that fails, the error has its exit code and the last lines that it printed, cleaned."""
    script = f"for i in 1 2 3 4 5 6 7 8; do echo line $i {SECRET} >&2; done; exit 3"
    performer = Performer(clean=lambda text: text.replace(SECRET, "***"))
    with pytest.raises(ActionError) as caught:
        performer.perform(Command(says="do it", argv=("sh", "-c", script)), Direct(), "test", lambda _: None)
    lines = caught.value.what.splitlines()
    assert lines[0] == "line 8 *** (sh exited with 3: do it)."
    assert lines[1:] == [f"  | line {i} ***" for i in range(3, 9)]
    assert caught.value.printed.splitlines() == [f"line {i} ***" for i in range(1, 9)]


def test_what_a_change_prints_on_either_stream_may_be_the_reason() -> None:
    """A migration says on standard output why it failed; a read's output is data and is not shown."""
    script = "echo ' Container shop-db-1  Running' >&2; echo the reason: no licence; exit 1"
    for key, shown in (("k", True), (None, False)):
        action = Command(says="do it", key=key, argv=("sh", "-c", script))
        with pytest.raises(ActionError) as caught:
            Direct()(action)
        assert ("the reason: no licence (sh exited with 1: do it)." in caught.value.what) is shown
        assert ("| the reason" in caught.value.what) is shown


def test_a_program_that_was_killed_says_by_which_signal() -> None:
    """Given a program that a signal ended, that is what is said, not an exit code."""
    with pytest.raises(ActionError, match="was killed by signal 9: do it"):
        Direct()(Command(says="do it", argv=("sh", "-c", "kill -9 $$")))


def test_a_program_that_cannot_be_journaled_does_not_stay(tmp_path: Path) -> None:
    """Given a lease that is lost while a program is started, the program is ended: nobody would know of it."""
    seen: list[Process] = []

    def started(process: Process) -> None:
        seen.append(process)
        raise FencedError("Somebody else took the lease.")

    action = Spawn(says="serve", key="s", argv=("sleep", "60"), log=tmp_path / "log", pid_file=tmp_path / "pid")
    with pytest.raises(FencedError):
        Performer().perform(action, Direct(), "test", started)
    assert not alive(seen[0])


COMES_BACK = """
import pathlib, sys
count = pathlib.Path(sys.argv[1])
tries = int(count.read_text()) + 1 if count.exists() else 1
count.write_text(str(tries))
if tries < 3:
    sys.exit("connection refused")
print("there")
"""


@pytest.mark.parametrize(
    ("key", "deadline", "ends"), [(None, 30.0, True), ("apply", 30.0, True), ("apply", 0.5, False)]
)
def test_who_was_not_reached_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str | None, deadline: float, ends: bool
) -> None:
    """Nothing was done then: whether it reads or changes something, it is tried again, as long as it has time."""
    monkeypatch.setattr("runwright.engine.performer.AGAIN_SECONDS", 0.01 if ends else 5.0)
    action: Command[str] = Command(
        says="ask",
        key=key,
        argv=(sys.executable, "-c", COMES_BACK, str(tmp_path / "tries")),
        deadline_seconds=deadline * 60 if ends else deadline,
        unreached=lambda output: b"connection refused" in output.stderr,
        parse=lambda output: output.text.strip(),
    )
    if ends:
        assert Direct()(action) == "there"
        assert (tmp_path / "tries").read_text() == "3"
        return
    with pytest.raises(ActionError):
        Direct()(action)
    tries = tmp_path / "tries"
    assert not tries.exists() or tries.read_text() in ("", "1")  # it may have been ended before it began


def test_what_was_reached_and_refused_it_is_not_asked_again(tmp_path: Path) -> None:
    """It may have been done, or it will be refused again."""
    argv = (sys.executable, "-c", COMES_BACK, str(tmp_path / "tries"))
    with pytest.raises(ActionError):
        Direct()(Command(says="ask", key="apply", argv=argv, unreached=lambda output: b"timeout" in output.stderr))
    assert (tmp_path / "tries").read_text() == "1"
