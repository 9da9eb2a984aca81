"""The HAProxy that a team has already."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from runwright.runbook.base import Name, Text, example
from runwright.runbook.routers.shape import Router


class HAProxy(Router):
    """A HAProxy of your own, 2.4 or newer: it is told by its socket, never reloaded, and keeps its configuration.

    What has to be in that once is in docs/how-to/zero-downtime.md.
    """

    title: ClassVar[str] = "a HAProxy of your own"

    kind: Literal["haproxy"]
    name: Name = example("web", "The key in the map file; the backends are called NAME-blue and NAME-green.", "web")
    socket: Text = example("/opt/shop/front/admin.sock", "Its `stats socket` with `level admin`, on this machine.")
    map: Text = example(
        "/opt/shop/front/maps/web.map",
        "The map file, on this machine; nobody else writes it. Its folder is mounted, not the file.",
    )
    map_inside: Text | None = example(
        "/usr/local/etc/haproxy/maps/web.map",
        "The same file as HAProxy's configuration names it. Default: the same path.",
        None,
    )
    container: Text | None = example("shop-front-1", "The container that it runs in, if it does.", None)
    front: Annotated[str, Field(pattern=r"^http://[^\s/]+$")] = example(
        "http://127.0.0.1:8080", "The address at which clients reach it, as seen from this machine."
    )
