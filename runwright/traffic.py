"""Where traffic goes: what platforms offer and routers send it to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Upstream:
    """Where traffic can be sent: an address, and the slot ("blue", "green") that serves there."""

    slot: str
    host: str
    port: int

    @property
    def url(self) -> str:
        """The address as a URL without a path."""
        return f"http://{self.host}:{self.port}"
