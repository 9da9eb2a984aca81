"""Processes on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from runwright.runbook.base import Duration, EnvironmentKey, Model, Text, Words, example
from runwright.runbook.document import Mistake
from runwright.runbook.platforms.rungs import SAYS, Rungs
from runwright.runbook.platforms.rungs import mistakes as rungs_mistakes
from runwright.runbook.platforms.shape import Target
from runwright.runbook.words import Path

if TYPE_CHECKING:
    from runwright.runbook.environment import Environment
    from runwright.runbook.model import Runbook

PathPart = Annotated[str, Field(pattern=r"^/[^\s?#]*$|^$"), Words("a path that begins with a slash", "a path")]


class HostProcess(Model):
    """One program of a system that runs as processes on this machine."""

    command: list[Text] = example(
        ["python", "-m", "shop", "--port", "{port}"],
        "The program and its arguments, as a list; {port} is the port that it must listen on, {python} the Python that runs Runwright.",
        min_length=1,
    )
    env: dict[EnvironmentKey, str] = example({"LOG_LEVEL": "info"}, "Environment variables that are no secrets.", {})
    health: PathPart = example("/readyz", "The path that answers 200 when this version is ready.", "/")


class HostTarget(Target):
    """Processes on this machine, in two colours behind Caddy: nothing but what comes with Runwright is needed."""

    title: ClassVar[str] = "processes of this machine"
    enters: ClassVar[bool] = False

    platform: Literal["host"]
    process: HostProcess = example(
        {"command": ["{python}", "-m", "shop", "--port", "{port}"]}, "The program that serves."
    )
    directory: str = example(
        "/var/lib/shop",
        "Where processes, logs and data are kept, absolute or relative to this file. Default: a folder of Runwright's own.",
        "",
    )
    ready_timeout: Duration = example("60s", "How long a version may take until it is ready.", 60.0)
    strategy: Literal["blue_green", "canary", "rolling"] = example(
        "blue_green",
        "How one version gets the users of another. blue_green: all at once, when the new one has proven itself. canary: a part of the requests goes to it first. rolling: as blue_green, but the old one is stopped at once, and started again on the way back.",
        "blue_green",
    )
    rungs: Rungs = example([5, 25, 50], SAYS, [], apart=True)

    @property
    def routed(self) -> bool:
        """Always: there are two colours."""
        return True

    def service_names(self, book: Runbook) -> list[str]:
        """Return the components: each is one process."""
        return list(book.components)

    def own_urls(self) -> tuple[str, ...]:
        """Return ``front``: the router's address."""
        return ("front",)

    def mistakes(self, book: Runbook, place: Environment, path: Path) -> Iterator[Mistake]:
        """Yield what is missing for two colours, and what processes cannot be."""
        if place.router is None:
            what = "the host platform runs two colours and needs a `router` that sends traffic to one of them."
            yield Mistake(path, what, ("router: {kind: caddy, listen: 8080}",))
        yield from rungs_mistakes(self.strategy, self.rungs, (*path, "target"))
        for name, component in book.components.items():
            for key in ("image", "steps", "platforms", "max_gigabytes", "tags"):
                if getattr(component, key):
                    instead = " `command` turns the tree into what runs." if key == "steps" else ""
                    what = f"the host platform runs no images; leave it out.{instead}"
                    yield Mistake(("components", name, key), what)
        if "front" in place.urls:
            yield Mistake((*path, "urls", "front"), "`front` is the router's address by itself; leave it out.")
