"""The fake that drivers are tested with: it answers only what it was told to, and as the real thing would."""

from __future__ import annotations

from typing import Any

import pytest

from runwright.engine.actions import Branch, Command, Do, Http, Output, Read, Reply, Together, Wait
from runwright.errors import ActionError, DeadlineError, VerificationError
from runwright.testing.replies import Replies


def command(key: str | None = None, **more: Any) -> Command[str]:
    return Command(says="list the files", key=key, argv=("ls", "-l", "/tmp"), parse=lambda o: o.text.strip(), **more)


ASK: Http[str] = Http(says="ask it", method="GET", url="http://x/ready", parse=lambda r: r.text)


@pytest.mark.parametrize("name", ["deploy/list", "list the", "ls -l"])
def test_an_action_is_answered_by_its_key_its_sentence_or_its_words(name: str) -> None:
    """Given an entry that names an action in one of these ways, that is its answer."""
    assert Replies({name: Output(0, b"a\n", b"")})(command("deploy/list")) == "a"


def test_a_raw_answer_goes_through_the_actions_own_parser() -> None:
    """Given what a server really says, the driver's parser reads it."""
    assert Replies({"GET http://x/ready": Reply(200, {}, b"yes", 0.0)})(ASK) == "yes"


@pytest.mark.parametrize(("action", "given"), [(command(), Output(2, b"", b"")), (ASK, Reply(503, {}, b"", 0.0))])
def test_an_answer_that_is_not_ok_fails_as_it_would_for_real(action: Any, given: Any) -> None:
    """Given an exit code or a status that is a failure, the driver gets an ActionError."""
    with pytest.raises(ActionError):
        Replies({action.says: given})(action)


def test_an_exception_is_raised_and_a_function_is_asked() -> None:
    """Given these instead of a value, they do what they are for."""
    with pytest.raises(VerificationError):
        Replies({"list": VerificationError("no")})(command())
    assert Replies({"list": lambda action: action.argv[0]})(command()) == "ls"


def test_a_list_is_answered_item_by_item_and_its_last_item_for_ever() -> None:
    """Given a list, a driver that asks again sees the world change; the caller's list stays as it is."""
    table = {"list": ["a", "b"]}
    do = Replies(table)
    assert [do(command()) for _ in range(4)] == ["a", "b", "b", "b"]
    assert table == {"list": ["a", "b"]}


def test_what_nobody_answers_is_a_mistake_of_the_test() -> None:
    """Given an action without an entry, the test fails and says which."""
    with pytest.raises(AssertionError, match=r"no reply for: list the files \[deploy/list\] ls -l /tmp"):
        Replies({})(command("deploy/list"))


def test_a_lenient_table_lets_changes_succeed_and_reads_fail() -> None:
    """Given a lenient table, only what changes something needs no entry."""
    do = Replies({}, lenient=True)
    assert do(command("deploy/list")) is None
    with pytest.raises(AssertionError):
        do(command())


def test_what_was_asked_is_kept_in_order() -> None:
    """Given some actions, all are listed, and the changes among them by their keys."""
    do = Replies({"list": "x", "ask": "y"})
    do(command("one"))
    do(ASK)
    do(command("two"))
    assert (len(do.actions), do.keys) == (3, ["one", "two"])


def test_a_library_read_is_performed() -> None:
    """Given a read through Python without an entry, it is done: it reads what the test has prepared."""
    assert Replies({})(Read(says="look", function=lambda: 5)) == 5


def test_a_wait_ends_when_the_answer_is_right_and_not_later() -> None:
    """Given answers that become right, the wait returns; given none that do, its deadline passes."""
    read: Read[str] = Read(says="look", function=lambda: "never")

    def wait() -> Wait[str]:
        return Wait(says="wait", read=read, until=lambda answer: answer == "b")

    do = Replies({"look": [ActionError("not yet"), "a", "b", "c"]})
    assert do(wait()) == "b"
    assert len(do.actions) == 3
    with pytest.raises(DeadlineError):
        Replies({"look": "a"})(wait())


def test_branches_are_run() -> None:
    """Given branches, each of them is performed, and their results are in their order."""

    def branch(name: str) -> Branch[Any]:
        def run(do: Do) -> Any:
            return do(Command(says=name, key=f"{name}/do", argv=("true",)))

        return Branch(name=name, run=run)

    do = Replies({"a/do": 1, "b/do": 2})
    assert do(Together(says="both", branches=(branch("a"), branch("b")))) == (1, 2)
    assert sorted(do.keys) == ["a/do", "b/do"]
