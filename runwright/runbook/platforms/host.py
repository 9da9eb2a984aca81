"""Processes on this machine."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from runwright.runbook.base import Duration, EnvironmentKey, Model, Text, Words, example
from runwright.runbook.platforms.shape import Target

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
