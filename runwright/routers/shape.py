"""What every router offers, and what it is registered as."""

from __future__ import annotations

from typing import Protocol

from runwright.routing import Router, RouterFacts
from runwright.site import Site
from runwright.traffic import Stand

__all__ = ["Router", "RouterFacts", "RouterKind"]


class RouterKind(Protocol):
    """What a router is registered as: it makes its driver."""

    name: str
    """As the runbook names it."""
    stands: bool
    """Whether what it makes can stand before containers in their place, with their names and ports."""

    def made(self, site: Site, token: int | None, stand: Stand | None = None) -> Router:
        """Return the driver for an environment. token: the fencing token of the lease under which it is changed, if it is.

        stand: where it stands if what it serves are containers.
        """
        ...
