"""What is open on a version that is about to be stopped."""

from __future__ import annotations

from typing import Any

import pytest

from runwright.errors import ActionError, CancelledError, ObservationError
from runwright.release import streams
from runwright.release.work import Work
from runwright.traffic import Counted
from tests.unit.release.conftest import Opener


class Router:
    """What takes the place of the cutover: it answers, or raises, one thing after the other."""

    def __init__(self, *answers: dict[str, Counted] | Exception) -> None:
        self.answers = list(answers)

    def counted(self, _do: Any) -> dict[str, Counted]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


OPEN = {"blue": Counted(streams=1), "green": Counted(streams=5)}


@pytest.fixture
def let_end(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that waits for what a router tells one after the other, and returns what was not asked any more."""
    monkeypatch.setattr(streams, "ASK_EVERY_SECONDS", 0.0)

    def waited(*answers: dict[str, Counted] | Exception) -> list[Any]:
        router, work = Router(*answers), opened()
        monkeypatch.setattr(Work, "cutover", router)
        streams.let_end(work, work.do, ["blue"])
        return router.answers

    return waited


def test_it_is_waited_for_what_is_open_there_and_nowhere_else(let_end: Any) -> None:
    """A stream of the other colour holds nobody up."""
    assert let_end(OPEN, OPEN, {**OPEN, "blue": Counted(in_flight=1)}, {**OPEN, "blue": Counted()}) == []


@pytest.mark.parametrize("error", [ActionError("refused"), ObservationError("no JSON")])
def test_on_a_router_that_is_down_nothing_is_open(let_end: Any, error: Exception) -> None:
    """Nobody waits for what cannot be told."""
    assert let_end(OPEN, error) == []


def test_a_cancel_ends_the_run(let_end: Any) -> None:
    """It is an ActionError too, and is not taken for a router that is down: what serves would be stopped after it."""
    with pytest.raises(CancelledError):
        let_end(OPEN, CancelledError("It was cancelled."))
