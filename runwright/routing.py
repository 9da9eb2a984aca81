"""Who sends a system its traffic: what every router can be asked and told, whoever offers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from runwright.engine.actions import Do
from runwright.runbook.drill import Break
from runwright.traffic import Counted, Upstream


@dataclass(frozen=True)
class RouterFacts:
    """What a router does now, and what it would do after a restart.

    running: whether it answers. serving: what it serves, asked from itself (None: nothing, or it does not run); while two
    share the requests, the one that gets all that the other one does not. written: what its target file names, read so too.
    front: the address that clients use, "" if it never ran. shares: the percentage of new requests of each slot, asked from
    itself; written_shares: as its target file says. Both are empty if one slot gets all. inside: the same of who sends the
    system's own callers, where that is somebody else.
    """

    running: bool
    serving: Upstream | None
    written: Upstream | None
    front: str = ""
    shares: Mapping[str, int] = field(default_factory=dict)
    written_shares: Mapping[str, int] = field(default_factory=dict)
    inside: RouterFacts | None = None

    @property
    def agreed(self) -> bool:
        """Whether it runs, and serves what it would come back with; inside too, and the same there."""
        alone = self.running and self.serving == self.written and self.shares == self.written_shares
        return alone and (self.inside is None or (self.inside.agreed and _slots(self.inside) == _slots(self)))

    @property
    def named(self) -> frozenset[str]:
        """The slots that may not be stopped: what it serves, and what it would serve after a restart."""
        alone = (upstream.slot for upstream in (self.serving, self.written) if upstream is not None)
        inside = self.inside.named if self.inside is not None else ()
        return frozenset((*alone, *self.shares, *self.written_shares, *inside))

    def share(self, slot: str) -> int:
        """How many percent of the new requests ``slot`` gets, as the router itself says."""
        if self.shares:
            return self.shares.get(slot, 0)
        return 100 if self.serving is not None and self.serving.slot == slot else 0

    @property
    def problem(self) -> str:
        """What is wrong, as a sentence; "" if nothing is."""
        if not self.running:
            return "The router does not run."
        if self.inside is not None and (problem := self.inside.problem):
            return f"For callers inside: {problem}"
        if self.inside is not None and _slots(self.inside) != _slots(self):
            users, callers = _words(self.serving, self.shares), _words(self.inside.serving, self.inside.shares)
            return f"Users reach {users}, but callers inside reach {callers}."
        if not self.agreed:
            served, named = _words(self.serving, self.shares), _words(self.written, self.written_shares)
            return f"The router serves {served}, but its target file names {named}."
        return ""


def _slots(facts: RouterFacts) -> dict[str, int]:
    if facts.shares:
        return dict(facts.shares)
    return {facts.serving.slot: 100} if facts.serving is not None else {}


def _words(upstream: Upstream | None, shares: Mapping[str, int]) -> str:
    if shares:
        return " and ".join(f"{slot} with {share} %" for slot, share in shares.items())
    return f"{upstream.slot} ({upstream.host}:{upstream.port})" if upstream else "nothing"


class Router(Protocol):
    """Who sends a system its traffic. ``key`` starts the keys of the changes that a method makes."""

    @property
    def breaks(self) -> frozenset[Break]:
        """The ways in which it can spoil what it serves, for a drill."""
        ...

    @property
    def parts(self) -> bool:
        """Whether it can send requests to a part of what runs in a slot (`Upstream.part`)."""
        ...

    @property
    def leaves(self) -> bool:
        """Whether it is ours to be taken away, with all that it is told by."""
        return False

    @property
    def drain_seconds(self) -> float:
        """How long requests in flight elsewhere are waited for."""
        ...

    def facts(self, do: Do) -> RouterFacts:
        """Return what it serves and what its target file names. A router that is down is a fact, not an error."""
        ...

    def target(self, do: Do) -> Upstream | None:
        """Return what it serves now; what it would come back with if it is down; None if it was never told."""
        ...

    def announce(self, do: Do, key: str) -> None:
        """From here on, refuse changes of whoever has a lower token of the lease. Nothing where there is no lease.

        Raise FencedError if a higher one than ours was announced.
        """
        ...

    def require(self, do: Do) -> None:
        """Raise RefusedError if it is somebody else's and does not have what it needs; ActionError if it does not answer."""
        ...

    def make_ready(self, do: Do, key: str) -> None:
        """Make what it needs to be started, so that `ensure`, with the same ``key``, has but to start it: what it takes over from
        is stopped in between."""

    def ensure(self, do: Do, key: str, first: Upstream | None = None) -> None:
        """Start it if it does not run. It comes back with the target of its file; ``first`` if it was never told any."""
        ...

    def begin_with(self, do: Do, first: Upstream, key: str) -> None:
        """Note that it sends users to ``first`` if it was never told anything, as `ensure` with the same ``key`` does."""
        ...

    def door(self, do: Do, slot: str) -> Upstream | None:
        """Return an address of this machine that leads to ``slot`` alone, for us; None if there is none."""
        ...

    def switch(self, do: Do, to: Upstream, key: str, share: int = 100, stays: Upstream | None = None) -> int | None:
        """Send ``share`` percent of the new requests to ``to``, and the rest to ``stays``, which is needed below 100. With 100
        wait for those that are in flight elsewhere, up to the drain timeout.

        Return how many of those are still in flight then, None if it cannot tell; they are left to finish. Raise VerificationError if the router is not seen
        to do so afterwards, FencedError if somebody with a higher token of the lease has announced it.
        """
        ...

    def inject(self, do: Do, slot: str, by: Break, seconds: float, key: str) -> None:
        """Spoil what users get from ``slot`` on purpose, in one of the ways in ``breaks``. It ends by itself after
        ``seconds``, with the next switch, and with the router. Raise ActionError if it does not run."""
        ...

    def in_flight(self, do: Do, slot: str) -> int:
        """Return how many requests ``slot`` is answering now (without open websockets). Raise ActionError if down."""
        ...

    def counted(self, do: Do) -> Mapping[str, Counted]:
        """Return {slot: what it counted of it since it was started}; nothing if it cannot tell slots apart. Raise ActionError if
        it is down."""
        ...

    def stop(self, do: Do, key: str) -> None:
        """Stop it. Its target file stays."""
        ...

    def leave(self, do: Do, key: str) -> None:
        """Give up what it stands before, for good: it sends nobody anywhere any more, and forgets where it sent them. Raise
        InputError if it is not ours to be taken away (`leaves`)."""
        ...
