"""What a plan shows: exactly what would be done, nothing that is secret, and no guess."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import (
    UNKNOWN,
    Action,
    Branch,
    Command,
    Do,
    Http,
    Process,
    Read,
    Spawn,
    Stop,
    Together,
    Wait,
    WriteFile,
)
from runwright.engine.performer import Performer
from runwright.engine.planning import DependsError, Planner, exact

SECRET = "hunter2-correct-horse"
CHANGE: Command[None] = Command(says="change it", key="deploy/change", argv=("false",))


@pytest.fixture
def planner() -> Planner:
    return Planner(Performer())


def look(answer: Any, assume: Any = UNKNOWN) -> Read[Any]:
    return Read(says="look at it", function=lambda: answer, assume=assume)


def test_a_read_before_the_first_change_is_performed(planner: Planner) -> None:
    """Given a read at the start, the plan holds what is really there, not what is assumed."""
    assert planner(look("there", assume="assumed")) == "there"


def test_a_change_is_written_down_and_not_done(planner: Planner, tmp_path: Path) -> None:
    """Given a change, nothing happens, nothing is returned, and the plan has its key, its sentence and its words."""
    file = tmp_path / "file"
    assert planner(WriteFile(says="write it", key="deploy/file", path=file, content=b"four")) is None
    assert not file.exists()
    (step,) = planner.steps
    assert (step.key, step.says) == ("deploy/file", "write it")
    assert step.exact == f"write 4 bytes to {file} (mode 644)"


def test_a_read_after_a_change_is_assumed(planner: Planner) -> None:
    """Given a read that a change came before, its assumption is returned: the target is not as it would be then."""
    planner(CHANGE)
    assert planner(look("as it is now", assume="as it will be")) == "as it will be"


def test_a_read_that_no_change_touches_is_performed_all_the_same(planner: Planner) -> None:
    """Given a read of what no change before it touches, the plan holds what is really there."""
    planner(CHANGE)
    assert planner(Read(says="look at it", function=lambda: "there", untouched=True)) == "there"


@pytest.mark.parametrize("assumed", [None, 0, "", False])
def test_an_assumption_may_be_any_value(planner: Planner, assumed: Any) -> None:
    """Given an assumption that counts as false, it is an assumption all the same."""
    planner(CHANGE)
    assert planner(look("now", assume=assumed)) == assumed


def test_where_nothing_can_be_assumed_the_plan_says_what_it_depends_on(planner: Planner) -> None:
    """Given a read after a change that nobody can guess, the plan ends with that read's sentence, and keeps its steps."""
    planner(CHANGE)
    with pytest.raises(DependsError, match="From here on it depends on: look at it"):
        planner(look("now"))
    assert [step.key for step in planner.steps] == ["deploy/change"]


def test_a_wait_is_not_waited_for(planner: Planner) -> None:
    """Given a wait after a change, what its read assumes is the answer, unless the wait itself assumes something."""
    planner(CHANGE)
    read = look("never so", assume="so")
    waits = {"says": "wait until it is so", "read": read, "until": lambda answer: answer == "so"}
    assert planner(Wait(**waits)) == "so"
    assert planner(Wait(**waits, assume="just so")) == "just so"


def test_branches_are_planned_one_after_the_other(planner: Planner) -> None:
    """Given branches that would run together, the plan has the steps of each, in their order."""

    def branch(name: str) -> Branch[None]:
        def run(do: Do) -> None:
            for number in (1, 2):
                do(Command(says=f"{name} {number}", key=f"{name}/{number}", argv=("true",)))

        return Branch(name=name, run=run)

    planner(Together(says="both", branches=(branch("api"), branch("worker"))))
    assert [step.key for step in planner.steps] == ["api/1", "api/2", "worker/1", "worker/2"]


PROCESS = Process("here", 4711, 1)
EXACT: list[tuple[Action[Any], str]] = [
    (Command(says="", key="k", argv=("git", "fetch", "a b"), env={"TOKEN": SECRET}, stdin=SECRET.encode()), "git fetch 'a b'"),
    (Command(says="", key="k", argv=("dump",), stdout_to=Path("/a b"), stdin_from=Path("/in")), "dump < /in > '/a b'"),
    (Http(says="", key="k", method="PUT", url="http://x/y", headers={"authorization": SECRET}, body=SECRET.encode(), auth=("a", SECRET)), "PUT http://x/y"),
    (WriteFile(says="", key="k", path=Path("/etc/x"), content=SECRET.encode(), mode=0o600), "write 21 bytes to /etc/x (mode 600)"),
    (Spawn(says="", key="k", argv=("serve", "--port", "1"), env={"PASSWORD": SECRET}, log=Path("/l"), pid_file=Path("/p")), "serve --port 1 >> /l &"),
    (Stop(says="", key="k", process=PROCESS), "kill 4711"),
    (Read(says="look", function=lambda: SECRET), "look"),
]  # fmt: skip


@pytest.mark.parametrize(("action", "words"), EXACT, ids=[type(action).__name__ for action, _ in EXACT])
def test_what_is_done_is_shown_to_the_letter_and_without_secrets(action: Action[Any], words: str) -> None:
    """Given each kind of action, its words are shown; its environment, input, headers, login and body never are."""
    assert exact(action) == words
    assert SECRET not in exact(action)


def test_a_secret_in_the_words_of_a_command_is_masked() -> None:
    """Given a secret that somebody put into an argument, the plan does not show it either."""
    planner = Planner(Performer(clean=lambda text: text.replace(SECRET, "***")))
    planner(Command(says="log in", key="k", argv=("login", SECRET)))
    assert planner.steps[0].exact == "login ***"
