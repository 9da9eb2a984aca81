"""A Docker Compose project on this machine."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from runwright.runbook.base import Duration, Model, Name, Port, ServiceName, Text, Words, example
from runwright.runbook.platforms.shape import Target

ProjectName = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$"),
    Words("a project name as Compose allows it: lower-case letters, digits, dashes and underscores", "a name"),
]


class Traffic(Model):
    """A service of which two versions run side by side for a while, and that gets users' requests through Runwright's switch."""

    port: Port = example(8000, "The port that the service listens on, in its container.")
    urls: list[Name] = example(
        ["api"],
        "The names in `urls` whose requests end at this service: the new version is asked at a door of its own in their place, before any user reaches it. Default: all of them if `traffic` has one service, else none.",
        [],
    )


class ComposeTarget(Target):
    """A Docker Compose application; its application services are replaced in place, or two versions run side by side."""

    title: ClassVar[str] = "Docker Compose"

    platform: Literal["compose"]
    project: ProjectName = example("shop", "The Compose project's name (`docker compose ls` shows it).")
    directory: Text = example(
        "/opt/shop",
        "The folder that the application is run from today, absolute or relative to this file: its env file and its data folders stay there and are never edited.",
    )
    files: list[Text] = example(
        ["docker-compose.yml"],
        "The Compose files, relative to the repository. Empty: what Compose itself would find, also by COMPOSE_FILE in the env file.",
        [],
    )
    env_file: Text | None = example(
        "/etc/shop/shop.env",
        "The env file that Compose interpolates from, absolute or relative to `directory`. Default: `.env` there if there is one.",
        None,
    )
    profiles: list[Text] = example(["production"], "Compose profiles to enable.", [])
    order: list[ServiceName] = example(
        ["api", "worker"], "The order in which services are replaced. Default: as components list them.", []
    )
    ready_timeout: Duration = example("3m", "How long the services may take until they are healthy.", 180.0)
    settle: Duration = example(
        "10s", "How long a service without a healthcheck must run without a restart to count as healthy.", 10.0
    )
    mounts: dict[Text, Literal["keep", "leave_out"]] = example(
        {"media": "keep"},
        "What becomes of a mount that hides files which the image has from the repository and whose own files git does not know: keep it, or leave it out. By the path in the repository, an absolute path, or the volume's name; the plan says so. Without it the release is refused.",
        {},
    )
    strategy: Literal["recreate", "blue_green"] = example(
        "blue_green",
        "How one version gets the users of another. recreate: the services are replaced in place. blue_green: the services in `traffic` run twice for a while, and users are moved when the new ones have proven themselves; all others are replaced in place.",
        "recreate",
        apart=True,
    )
    traffic: dict[ServiceName, Traffic] = example(
        {"api": {"port": 8000}},
        "The services that get users' requests, and may run twice for a while. Their names and published ports are taken over by a Caddy of Runwright's own, so that nothing else in the project changes.",
        {},
        apart=True,
    )
    orphans: Literal["stop", "leave"] = example(
        "leave",
        "What becomes of services that the version before has and the new one does not: `stop` before the new one starts (they are started again on the way back), or `leave` running. What Runwright did not release is never stopped.",
        "stop",
    )
    allow_source_mounts: bool = example(
        False,
        "Whether a service may have its source code mounted from the host. Then the code that runs is not the image's; development only.",
        False,
    )
