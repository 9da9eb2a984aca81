"""What every router says of itself in a runbook."""

from __future__ import annotations

from runwright.runbook.base import Registered


class Router(Registered):
    """Who sends an environment its traffic. ``kind`` is a `Literal` of one name in each."""

    kind: str

    def address(self) -> tuple[str, int] | None:
        """Return the address of this machine that clients use, as (host, port), if the runbook names one."""
        return None
