"""The fault injector strikes where it is told, once, and never in production."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import Action, Command
from runwright.engine.executor import no_faults
from runwright.errors import ActionError, DeadlineError, InputError
from runwright.testing.faults import HANG_VARIABLE, VARIABLE, Fault, Injector, from_environment, mark_of


def change(key: str = "deploy/green/start", **more: Any) -> Action[Any]:
    return Command(says="start it", key=key, argv=("true",), **more)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("kill@during:deploy/start/*", Fault("kill", "during", "deploy/start/*")),
        (" fail@before:migrate/api ", Fault("fail", "before", "migrate/api")),
        ("break@unsettled:a:b", Fault("break", "unsettled", "a:b")),
    ],
)
def test_a_fault_is_read_and_written_alike(text: str, fault: Fault) -> None:
    """Given a fault's words, they mean that fault, and it is written the same way."""
    assert Fault.parse(text) == fault
    assert str(fault) == text.strip()


@pytest.mark.parametrize("text", ["", "kill", "kill@during", "kill@during:", "burn@during:x", "kill@midnight:x"])
def test_what_is_no_fault_is_refused(text: str) -> None:
    """Given anything else, nothing is injected by mistake: the error lists what there is."""
    with pytest.raises(InputError, match="is not a fault") as caught:
        Fault.parse(text)
    assert "before" in caught.value.next


@pytest.mark.parametrize(
    ("key", "point", "strikes"),
    [
        ("deploy/green/start", "before", True),
        ("deploy/green/start-2", "before", True),
        ("deploy/green/start", "after", False),
        ("rollback/green/start", "before", False),
    ],
)
def test_it_strikes_at_its_point_of_its_keys_alone(tmp_path: Path, key: str, point: str, strikes: bool) -> None:
    """Given a pattern, only what it means is struck."""
    inject = Injector([Fault.parse("fail@before:deploy/*/start*")], tmp_path)
    if strikes:
        with pytest.raises(ActionError, match="injected"):
            inject(point, change(key))
    else:
        inject(point, change(key))


def test_it_strikes_once_also_for_the_process_that_comes_after(tmp_path: Path) -> None:
    """Given a fault that struck, neither this process nor a later one is struck again."""
    for inject in (Injector([Fault.parse("fail@before:*")], tmp_path) for _ in range(2)):
        if not any(tmp_path.iterdir()):
            with pytest.raises(ActionError):
                inject("before", change())
        inject("before", change())


def test_two_faults_do_not_hide_each_other(tmp_path: Path) -> None:
    """Given a fault of an earlier process, another fault in a later process still strikes."""
    with pytest.raises(ActionError):
        Injector([Fault.parse("fail@before:a")], tmp_path)("before", change("a"))
    with pytest.raises(ActionError):
        Injector([Fault.parse("fail@before:b")], tmp_path)("before", change("b"))


def test_what_is_broken_fails_every_time(tmp_path: Path) -> None:
    """Given ``break``, trying again does not help; it can be seen that it struck."""
    fault = Fault.parse("break@before:*")
    inject = Injector([fault], tmp_path)
    assert not mark_of(fault, tmp_path).exists()
    for _ in range(3):
        with pytest.raises(ActionError):
            inject("before", change())
    assert mark_of(fault, tmp_path).exists()


@pytest.mark.parametrize(("deadline", "limit"), [(0.05, None), (0.05, "60"), (600.0, "0.05")])
def test_a_hang_ends_at_the_deadline_or_at_the_limit_of_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deadline: float, limit: str | None
) -> None:
    """Given a hang, it lasts as long as the action may, or as the tests allow if that is shorter."""
    if limit:
        monkeypatch.setenv(HANG_VARIABLE, limit)
    begun = time.monotonic()
    with pytest.raises(DeadlineError):
        Injector([Fault.parse("hang@during:*")], tmp_path)("during", change(deadline_seconds=deadline))
    assert 0.05 <= time.monotonic() - begun < 50


@pytest.mark.parametrize(("kind", "number"), [("kill", signal.SIGKILL), ("stop", signal.SIGSTOP)])
def test_a_process_is_killed_or_stopped_where_it_is(tmp_path: Path, kind: str, number: int) -> None:
    """Given these kinds, this very process gets the signal, with no chance to tidy up."""
    fault = Fault.parse(f"{kind}@during:*")
    child = multiprocessing.get_context("fork").Process(target=Injector([fault], tmp_path), args=("during", change()))
    child.start()
    assert child.pid is not None
    _, status = os.waitpid(child.pid, os.WUNTRACED)
    if kind == "stop":
        assert os.WSTOPSIG(status) == number
        os.kill(child.pid, signal.SIGKILL)
        os.waitpid(child.pid, 0)
    else:
        assert os.WTERMSIG(status) == number


def test_without_the_variable_nothing_is_injected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given production's environment, there are no faults."""
    monkeypatch.delenv(VARIABLE, raising=False)
    assert from_environment() is no_faults


def test_the_variable_names_several_faults(monkeypatch: pytest.MonkeyPatch, runwright_home: Path) -> None:
    """Given faults joined by commas, each strikes; what they remember is in our home."""
    monkeypatch.setenv(VARIABLE, "fail@before:a,fail@after:b")
    inject = from_environment()
    for point, key in (("before", "a"), ("after", "b")):
        with pytest.raises(ActionError):
            inject(point, change(key))
    assert len(list((runwright_home / "faults").iterdir())) == 2
