"""What every router says of itself in a runbook."""

from __future__ import annotations

from typing import ClassVar

from runwright.runbook.base import Duration, Registered, Text, example


class Router(Registered):
    """Who sends an environment its traffic. ``kind`` is a `Literal` of one name in each."""

    parts: ClassVar[bool] = False
    """Whether it can send requests to some of a version's instances, as `rolling` needs it."""

    kind: str
    drain_timeout: Duration = example(
        "10s", "How long requests in flight may finish on the old version after a switch.", 10.0
    )
    image: Text = example(
        "caddy:2.10",
        "On Compose, where a Caddy stands before each service that gets requests: its image, 2.10 or newer.",
        "caddy:2",
    )

    def address(self) -> tuple[str, int] | None:
        """Return the address of this machine that clients use, as (host, port), if the runbook names one."""
        return None
