"""What a runbook says of who makes a component's artifact."""

from __future__ import annotations

from typing import Literal

from runwright.runbook.base import Registered


class Builder(Registered):
    """Who makes an artifact. ``kind`` is a `Literal` of one name in each."""

    kind: str


class DockerBuilder(Builder):
    """An image, by Docker: by the component's `context`, or as the system's Compose files say."""

    kind: Literal["docker"]


class FolderBuilder(Builder):
    """A folder of the commit's files, and what the component's `command` makes of them."""

    kind: Literal["folder"]
