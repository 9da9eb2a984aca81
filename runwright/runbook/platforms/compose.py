"""A Docker Compose project on this machine."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from runwright.engine.there.address import SSH_ADDRESS
from runwright.runbook.base import Duration, Model, Name, Port, ServiceName, Text, Words, example
from runwright.runbook.document import Mistake
from runwright.runbook.nearest import unknown
from runwright.runbook.platforms.rungs import SAYS, Rungs
from runwright.runbook.platforms.rungs import mistakes as rungs_mistakes
from runwright.runbook.platforms.shape import Target
from runwright.runbook.words import Path

if TYPE_CHECKING:
    from runwright.runbook.environment import Environment
    from runwright.runbook.model import Runbook

ProjectName = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$"),
    Words("a project name as Compose allows it: lower-case letters, digits, dashes and underscores", "a name"),
]


SshAddress = Annotated[
    str,
    Field(pattern=SSH_ADDRESS),
    Words(
        "a host for ssh, such as ssh://deploy@shop.example.com or ssh://deploy@shop.example.com:2222", "a host for ssh"
    ),
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
    on: SshAddress | None = example(
        "ssh://deploy@shop.example.com",
        "The host that it runs on, logged in to by ssh: ssh://USER@HOST or ssh://USER@HOST:PORT. Every path of this environment is a path there, programs run there, and a loopback address in `urls` or `metrics` is the one there. Default: the host that Runwright runs on.",
        None,
        apart=True,
    )
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
    strategy: Literal["recreate", "blue_green", "canary", "rolling"] = example(
        "blue_green",
        "How one version gets the users of another. recreate: the services are replaced in place. blue_green: the services in `traffic` run twice for a while, and users are moved when the new ones have proven themselves; all others are replaced in place. canary: the same, but a part of the requests goes to the new ones first. rolling: one more container at a time is started beside the old ones, verified, and takes the place of one of them, which is stopped.",
        "recreate",
        apart=True,
    )
    rungs: Rungs = example([5, 25, 50], SAYS, [], apart=True)
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

    def host(self) -> str | None:
        """Return the host that it runs on, None: this one."""
        return self.on

    @property
    def routed(self) -> bool:
        """Whether there are two colours."""
        return self.strategy != "recreate"

    def mistakes(self, book: Runbook, place: Environment, path: Path) -> Iterator[Mistake]:
        """Yield what does not fit the components, and what only development may do."""
        services = book.services()
        yield from self._elsewhere(book, place, path)
        yield from self._colours(services, place, path)
        yield from rungs_mistakes(self.strategy, self.rungs, (*path, "target"))
        for i, service in enumerate(self.order):
            here = (*path, "target", "order", i)
            if service not in services:
                yield Mistake(here, unknown("service", service, services), needs=("components",))
            elif service in self.order[:i]:
                yield Mistake(here, f"`{service}` is in this list already.")
        if self.order and set(self.order) < set(services):
            missing = ", ".join(sorted(set(services) - set(self.order)))
            what = f"an order names all services, and {missing} is not in it."
            yield Mistake((*path, "target", "order"), what, needs=("components",))
        if self.allow_source_mounts and place.tier != "development":
            what = "source code mounted from the host is for development only: the code that runs would not be the image's, and no way back would change it."
            yield Mistake((*path, "target", "allow_source_mounts"), what)

    def _elsewhere(self, book: Runbook, place: Environment, path: Path) -> Iterator[Mistake]:
        """Yield what cannot be done on another host yet."""
        if self.on is None:
            return
        paths = {(*path, "target", "directory"): self.directory}
        paths |= {("backup", "directory"): book.backup.directory} if book.backup is not None else {}
        for where, text in paths.items():
            if not text.startswith("/"):
                what = f"this is a path on {self.on}, where nothing is relative to this file: write all of it, from the first slash."
                yield Mistake(where, what)
        if self.routed:
            what = f"`strategy: {self.strategy}` is for the host that Runwright runs on: the switch before the two versions is asked on this machine. With `on`, say `strategy: recreate`; or run a worker on that host and leave `on` out."
            yield Mistake((*path, "target", "strategy"), what)
        for name, component in book.components.items():
            if component.steps:
                what = f"steps before the build are run by Runwright itself, which does not run on {self.on}. Let CI build that image, or let its Dockerfile do them; or run a worker on that host and leave `on` out."
                yield Mistake(("components", name, "steps"), what)
        if place.database is not None and place.database.by_us:
            what = f"a database of kind `{place.database.kind}` is read by Runwright itself, which does not run on {self.on}. Leave `database` out; or run a worker on that host and leave `on` out."
            yield Mistake((*path, "database"), what)

    def _colours(self, services: Collection[str], place: Environment, path: Path) -> Iterator[Mistake]:
        here = (*path, "target", "traffic")
        if self.strategy == "recreate":
            if self.traffic:
                what = "`traffic` is for services that run twice for a while, and `strategy: recreate` replaces all in place. Leave it out, or say `strategy: blue_green`."
                yield Mistake(here, what)
            return
        if not self.traffic:
            what = (
                f"`strategy: {self.strategy}` needs `traffic`: the services that get users' requests, and their ports."
            )
            yield Mistake((*path, "target"), what, ("traffic: {api: {port: 8000}}",))
        if place.router is None:
            what = f"`strategy: {self.strategy}` needs a `router` that sends users to one of two colours."
            yield Mistake(path, what, ("router: {kind: caddy}",))
        elif self.strategy == "rolling" and not place.router.parts:
            what = f"`strategy: rolling` needs a router that can send users to some of a version's containers, and {place.router.title} cannot."
            yield Mistake((*path, "router"), what, ("router: {kind: caddy}",))
        for service, traffic in self.traffic.items():
            if service not in services:
                yield Mistake((*here, service), unknown("service", service, services), needs=("components",))
            for i, name in enumerate(traffic.urls):
                if name not in place.urls:
                    yield Mistake((*here, service, "urls", i), unknown("address", name, place.urls), needs=("urls",))
