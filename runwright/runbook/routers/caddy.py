"""Caddy as the front door of a host."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from runwright.runbook.base import example
from runwright.runbook.routers.shape import Router


class Caddy(Router):
    """The front door of a host: the Caddy on PATH where it is new enough, else the one that comes with Runwright. On Compose one
    in a container stands before each service that gets requests, with the service's own names and ports."""

    title: ClassVar[str] = "Caddy"
    parts: ClassVar[bool] = True

    kind: Literal["caddy"]
    listen: Annotated[int, Field(ge=0, le=65535)] = example(
        8080, "The port that clients use. 0: a free one, chosen once and kept.", 0
    )
    host: Annotated[str, Field(pattern=r"^[0-9a-zA-Z.:-]{1,253}$")] = example(
        "0.0.0.0",  # noqa: S104 - an example of what a team may choose
        "The address of this machine that it listens on. Default: only this machine reaches it.",
        "127.0.0.1",
    )

    sticky: bool = example(
        False,
        "Whether a user stays with the version that he met while two share the users (`strategy: canary`): by a cookie of ours, which is set meanwhile, and that both versions pass by.",
        False,
    )

    def address(self) -> tuple[str, int] | None:
        """Return the address that it listens on; None if a free port is chosen."""
        return (self.host, self.listen) if self.listen else None
