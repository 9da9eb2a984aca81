"""The team's own router and one of ours inside: told at the same time, seen as one, and stopped as neither names."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest

from runwright.engine.actions import Do
from runwright.errors import VerificationError
from runwright.routers.paired import Paired
from runwright.routers.shape import Router, RouterFacts
from runwright.runbook.drill import Break
from runwright.testing.direct import Direct
from runwright.traffic import Counted, Upstream

BLUE, GREEN = Upstream("blue", "a", 1), Upstream("green", "b", 1)
DOOR = Upstream("green", "127.0.0.1", 4711)


class One:
    """A router that remembers what it was told."""

    breaks: frozenset[Break] = frozenset()

    def __init__(self, name: str, at: Upstream | None = BLUE, door: Upstream | None = None, left: int = 0) -> None:
        self.name, self.at, self.led, self.left = name, at, door, left
        self.told: list[Any] = []
        self.meets: threading.Barrier | None = None
        self.refuses = False

    def facts(self, do: Do) -> RouterFacts:
        return RouterFacts(True, self.at, self.at, f"http://{self.name}")

    def target(self, do: Do) -> Upstream | None:
        return self.at

    def announce(self, do: Do, key: str) -> None:
        self.told.append(("announce", key))

    def require(self, do: Do) -> None:
        self.told.append("require")

    def ensure(self, do: Do, key: str, first: Upstream | None = None) -> None:
        self.told.append(("ensure", key, first))

    def door(self, do: Do, slot: str) -> Upstream | None:
        return self.led

    def switch(self, do: Do, to: Upstream, key: str, share: int = 100, stays: Upstream | None = None) -> int:
        if self.meets is not None:
            self.meets.wait(10)
        if self.refuses:
            raise VerificationError(f"{self.name} does not")
        self.at = to
        self.told.append((key, share, stays))
        return self.left

    def inject(self, do: Do, slot: str, by: Break, seconds: float, key: str) -> None:
        self.told.append(("inject", slot))

    def in_flight(self, do: Do, slot: str) -> int:
        return self.left

    def counted(self, do: Do) -> Mapping[str, Counted]:
        return {self.name: Counted()}

    def stop(self, do: Do, key: str) -> None:
        self.told.append(("stop", key))


@pytest.fixture
def both() -> tuple[One, One, Router]:
    front, inside = One("front", left=2), One("inside", door=DOOR, left=1)
    return front, inside, Paired(front, inside)


def test_both_are_told_at_the_same_time(both: tuple[One, One, Router]) -> None:
    """Neither waits for what the other one drains; what is left is of both."""
    front, inside, pair = both
    front.meets = inside.meets = threading.Barrier(2)
    assert pair.switch(Direct(), GREEN, "deploy/switch", 10, BLUE) == 3
    assert front.told == [("deploy/switch/front/put", 10, BLUE)]
    assert inside.told == [("deploy/switch/inside/put", 10, BLUE)]


def test_one_that_refuses_is_an_error_of_both(both: tuple[One, One, Router]) -> None:
    """And what is seen then is that they differ: neither version may be stopped."""
    front, _, pair = both
    front.refuses = True
    with pytest.raises(VerificationError, match="front does not"):
        pair.switch(Direct(), GREEN, "deploy/switch")
    facts = pair.facts(Direct())
    assert not facts.agreed and facts.named == {"blue", "green"}
    assert facts.problem == "Users reach blue (a:1), but callers inside reach green (b:1)."


def test_as_one_they_are_what_users_reach(both: tuple[One, One, Router]) -> None:
    """The door to a candidate is the one inside, and is seen to first."""
    front, inside, pair = both
    facts = pair.facts(Direct())
    assert facts.agreed and facts.problem == "" and facts.front == "http://front"
    assert pair.target(Direct()) == BLUE and pair.door(Direct(), "green") == DOOR
    assert list(pair.counted(Direct())) == ["front"] and pair.in_flight(Direct(), "blue") == 3
    pair.require(Direct())
    pair.ensure(Direct(), "enter", BLUE)
    assert front.told == ["require", ("ensure", "enter", BLUE)]
    assert inside.told == [("ensure", "enter/inside", BLUE)]


def test_trouble_inside_is_trouble() -> None:
    """Though users notice nothing yet."""
    inside = One("inside")
    inside.facts = lambda do: RouterFacts(False, None, GREEN)  # type: ignore[method-assign]
    facts = Paired(One("front"), inside).facts(Direct())
    assert facts.problem == "For callers inside: The router does not run." and "green" in facts.named
