"""The nginx that a team has already."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from runwright.runbook.base import Name, Text, example
from runwright.runbook.routers.shape import Router

Address = Annotated[str, Field(pattern=r"^http://[^\s/]+(/\S*)?$")]


class Nginx(Router):
    """An nginx of your own: one included file says who serves, and each change of that is one reload.

    What has to be in its configuration once is in docs/how-to/zero-downtime.md. A reload closes idle kept connections: from
    1.27.4 `keepalive_min_timeout` keeps them a while, and before that a request that is just being sent on one can be lost.
    """

    title: ClassVar[str] = "an nginx of your own"

    kind: Literal["nginx"]
    name: Name = example("web", "What its variables are called after: $runwright_NAME and $runwright_NAME_told.", "web")
    file: Text = example(
        "/opt/shop/front/runwright/web.conf",
        "The included file, on this machine; nobody else writes it. Its folder is mounted, not the file.",
    )
    file_inside: Text | None = example(
        "/etc/nginx/runwright/web.conf",
        "The same file as nginx's configuration names it. Default: the same path.",
        None,
    )
    container: Text | None = example("shop-front-1", "The container that it runs in, if it does.", None)
    command: list[Text] = example(
        ["sudo", "nginx"],
        "How nginx is called, on this machine or in its container, for `-t` and `-s reload`.",
        ["nginx"],
        min_length=1,
    )
    told: Address = example("http://127.0.0.1:8091/runwright/web", "Where it answers with what it was told.")
    front: Annotated[str, Field(pattern=r"^http://[^\s/]+$")] = example(
        "http://127.0.0.1:8080", "The address at which clients reach it, as seen from this machine."
    )
    keepalive: Annotated[int, Field(ge=0, le=1024)] = example(
        16, "How many idle connections to the application each worker keeps. 0: none.", 0
    )
