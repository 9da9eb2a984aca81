"""What every router offers: who sends traffic where, seen from the router itself and from what it would come back with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from runwright.engine.actions import Do
from runwright.runbook.drill import Break
from runwright.site import Site
from runwright.traffic import Stand, Upstream


@dataclass(frozen=True)
class RouterFacts:
    """What a router does now, and what it would do after a restart.

    running: whether it answers. serving: what it serves, asked from itself (None: nothing, or it does not run).
    written: what its target file names. front: the address that clients use, "" if it never ran.
    """

    running: bool
    serving: Upstream | None
    written: Upstream | None
    front: str = ""

    @property
    def agreed(self) -> bool:
        """Whether it runs, and serves what it would come back with."""
        return self.running and self.serving == self.written

    @property
    def named(self) -> frozenset[str]:
        """The slots that may not be stopped: what it serves, and what it would serve after a restart."""
        return frozenset(upstream.slot for upstream in (self.serving, self.written) if upstream is not None)

    @property
    def problem(self) -> str:
        """What is wrong, as a sentence; "" if nothing is."""
        if not self.running:
            return "The router does not run."
        if not self.agreed:
            return f"The router serves {_words(self.serving)}, but its target file names {_words(self.written)}."
        return ""


def _words(upstream: Upstream | None) -> str:
    return f"{upstream.slot} ({upstream.host}:{upstream.port})" if upstream else "nothing"


class Router(Protocol):
    """Who sends a system its traffic. ``key`` starts the keys of the changes that a method makes."""

    breaks: ClassVar[frozenset[Break]]
    """The ways in which it can spoil what it serves, for a drill."""

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

    def ensure(self, do: Do, key: str) -> None:
        """Start it if it does not run. It comes back with the target of its file."""
        ...

    def door(self, do: Do, slot: str) -> Upstream | None:
        """Return an address of this machine that leads to ``slot`` alone, for us; None if there is none."""
        ...

    def switch(self, do: Do, to: Upstream, key: str) -> int:
        """Send every new request to ``to``, then wait for those in flight elsewhere, up to the drain timeout.

        Return how many of those are still in flight then; they are left to finish. Raise VerificationError if the router is not seen
        to serve ``to`` afterwards, FencedError if somebody with a higher token of the lease has announced it.
        """
        ...

    def inject(self, do: Do, slot: str, by: Break, seconds: float, key: str) -> None:
        """Spoil what users get from ``slot`` on purpose, in one of the ways in ``breaks``. It ends by itself after
        ``seconds``, with the next switch, and with the router. Raise ActionError if it does not run."""
        ...

    def in_flight(self, do: Do, slot: str) -> int:
        """Return how many requests ``slot`` is answering now (without open websockets). Raise ActionError if down."""
        ...

    def stop(self, do: Do, key: str) -> None:
        """Stop it. Its target file stays."""
        ...


class RouterKind(Protocol):
    """What a router is registered as: it makes its driver."""

    name: str
    """As the runbook names it."""

    def made(self, site: Site, token: int | None, stand: Stand | None = None) -> Router:
        """Return the driver for an environment. token: the fencing token of the lease under which it is changed, if it is.

        stand: where it stands if what it serves are containers.
        """
        ...
