"""Two routers as one: the team's own sends the users, and one of ours stands inside, with the names of what it sends them to.

Among containers a name belongs to whatever claims it. So that the system's own callers move when its users do, and a candidate
has a door before anybody meets it, ours stands there for both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from runwright.engine.actions import Branch, Do, Together
from runwright.routers.shape import Router, RouterFacts
from runwright.runbook.drill import Break
from runwright.traffic import Counted, Upstream


class Paired:
    """``front`` sends the users, ``inside`` the system's own callers; both are told at the same time."""

    def __init__(self, front: Router, inside: Router) -> None:
        self.front, self.inside = front, inside

    @property
    def breaks(self) -> frozenset[Break]:
        """The ways in which what users get can be spoilt."""
        return self.front.breaks

    @property
    def parts(self) -> bool:
        """Whether both can send to a part of a slot."""
        return self.front.parts and self.inside.parts

    @property
    def leaves(self) -> bool:
        """No: the team's own would go on to ask for the colours."""
        return False

    @property
    def drain_seconds(self) -> float:
        """How long both wait for what is in flight elsewhere."""
        return max(self.front.drain_seconds, self.inside.drain_seconds)

    def facts(self, do: Do) -> RouterFacts:
        """Return what users reach, and with it what callers inside do."""
        return replace(self.front.facts(do), inside=self.inside.facts(do))

    def target(self, do: Do) -> Upstream | None:
        """Return what users reach."""
        return self.front.target(do)

    def announce(self, do: Do, key: str) -> None:
        """Let both refuse whoever has a lower token."""
        self.inside.announce(do, f"{key}/inside")
        self.front.announce(do, key)

    def require(self, do: Do) -> None:
        """Raise RefusedError if the team's own does not have what it needs."""
        self.front.require(do)

    def make_ready(self, do: Do, key: str) -> None:
        """Make what the one inside needs to be started; the other one runs."""
        self.inside.make_ready(do, f"{key}/inside")

    def ensure(self, do: Do, key: str, first: Upstream | None = None) -> None:
        """See to both, first to the one inside: a candidate is asked there."""
        self.inside.ensure(do, f"{key}/inside", first)
        self.front.ensure(do, key, first)

    def begin_with(self, do: Do, first: Upstream, key: str) -> None:
        """Note it for both."""
        self.inside.begin_with(do, first, f"{key}/inside")
        self.front.begin_with(do, first, key)

    def door(self, do: Do, slot: str) -> Upstream | None:
        """Return the one inside's address for ``slot`` alone."""
        return self.inside.door(do, slot)

    def switch(self, do: Do, to: Upstream, key: str, share: int = 100, stays: Upstream | None = None) -> int:
        """Tell both at the same time: neither waits for what the other one lets come to its end."""

        def told(name: str, router: Router) -> Branch[int | None]:
            return Branch(name=name, run=lambda do: router.switch(do, to, f"{key}/{name}/put", share, stays))

        both = (told("inside", self.inside), told("front", self.front))
        left: tuple[int | None, ...] = do(Together(branches=both, says=f"send users and callers inside to {to.slot}"))
        return sum(one or 0 for one in left)

    def inject(self, do: Do, slot: str, by: Break, seconds: float, key: str) -> None:
        """Spoil what users get."""
        self.front.inject(do, slot, by, seconds, key)

    def in_flight(self, do: Do, slot: str) -> int:
        """Return how many requests of users, and of callers inside, ``slot`` is answering."""
        return self.front.in_flight(do, slot) + self.inside.in_flight(do, slot)

    def counted(self, do: Do) -> Mapping[str, Counted]:
        """Return what was counted of the users: callers inside are no measure of what they see."""
        return self.front.counted(do)

    def leave(self, do: Do, key: str) -> None:
        """Raise InputError: the team's own is not ours to be taken away."""
        self.front.leave(do, key)

    def stop(self, do: Do, key: str) -> None:
        """Stop the one inside; the other one is not ours."""
        self.front.stop(do, key)
        self.inside.stop(do, f"{key}/inside")
