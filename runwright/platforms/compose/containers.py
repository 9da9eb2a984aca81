"""What the containers of a project are and how they fare. Only the fields below are read; environments never are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from runwright.engine.actions import Command, Do, Output
from runwright.engine.effects.reasons import reason
from runwright.errors import ActionError, DeadlineError, ObservationError
from runwright.platforms.shape import ServiceFact
from runwright.plural import few

PROJECT = "com.docker.compose.project"
RELEASE, COMMIT, SYSTEM, ENVIRONMENT, KEY, BESIDE, SERVICE, SLOT, ROW = (
    f"runwright.{name}"
    for name in ("release", "commit", "system", "environment", "key", "beside", "service", "slot", "row")
)
STANDS = "runwright.switch"
"""The label of what stands before a project's colours: the project's name."""
_LABELS = {
    "project": PROJECT,
    "service": "com.docker.compose.service",
    "oneoff": "com.docker.compose.oneoff",
    "files": "com.docker.compose.project.config_files",
    "directory": "com.docker.compose.project.working_dir",
    "env_files": "com.docker.compose.project.environment_file",
    "release": RELEASE,
    "commit": COMMIT,
    "system": SYSTEM,
    "environment": ENVIRONMENT,
    "of": SERVICE,
    "slot": SLOT,
    "row": ROW,
    "stands": STANDS,
}
# .ID and not .Id: with the latter docker falls back to untyped data, where a missing healthcheck is an error
_FORMAT = (
    '{"id":{{json .ID}},"name":{{json .Name}},"image":{{json .Image}},"state":{{json .State.Status}},'
    '"exit_code":{{.State.ExitCode}},"oom_killed":{{.State.OOMKilled}},"created":{{json .Created}},"started":{{json .State.StartedAt}},'
    '"restarts":{{.RestartCount}},"ports":{{json .NetworkSettings.Ports}},"mounts":{{json .Mounts}},'
    '"networks":{{json .NetworkSettings.Networks}},'
    '"shares":[{{json .HostConfig.NetworkMode}},{{json .HostConfig.PidMode}},{{json .HostConfig.IpcMode}}],'
    '"health":{{if .State.Health}}{{json .State.Health.Status}}{{else}}null{{end}}'
    + "".join(f',"{name}":{{{{json (index .Config.Labels "{label}")}}}}' for name, label in _LABELS.items())
    + "}"
)
KEPT = "once it is put back, the file that `runwright show` names"
STOP_SECONDS = 120.0
"""How long stopping may take on top of starting: Docker's own grace is ten seconds unless a service asks for more."""
_LEFTOVER = re.compile(r"[0-9a-f]{12}_(?P<name>.+)")


@dataclass(frozen=True)
class Container:
    """One container of a project.

    state: created, running, restarting, paused, exited or dead. health: starting, healthy, unhealthy, or None if it
    has no healthcheck. image: the image id that it really runs. release, commit, system, environment: "" if we did not
    start it.
    mounts: what is mounted from the host and which volumes, as (source or the volume's name, path in the container). written:
    the sources of those that it may write to.
    created, started: ISO 8601. files, directory, env_files: what Compose wrote down when it made it.
    project: "" if it is not Compose's. networks: their names. published: (address, port) of this machine.
    shares: ids or names of the containers whose network, processes or memory it uses. slot: the colour of its service, "" if
    that has none. row: where it stands in its colour, as its label says. stands: the project before whose colours it stands,
    which it is none of. aliases: what it is called on its networks, besides its name.
    """

    id: str
    name: str
    service: str
    image: str
    state: str
    exit_code: int = 0
    oom_killed: bool = False
    restarts: int = 0
    health: str | None = None
    created: str = ""
    started: str = ""
    oneoff: bool = False
    port: int | None = None
    release: str = ""
    commit: str = ""
    files: tuple[str, ...] = ()
    directory: str = ""
    env_files: tuple[str, ...] = ()
    system: str = ""
    environment: str = ""
    mounts: tuple[tuple[str, str], ...] = ()
    written: frozenset[str] = frozenset()
    project: str = ""
    networks: frozenset[str] = frozenset()
    published: tuple[tuple[str, int], ...] = ()
    shares: tuple[str, ...] = ()
    slot: str = ""
    row: str = ""
    stands: str = ""
    aliases: frozenset[str] = frozenset()

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return self.state == "running"

    @property
    def meant_name(self) -> str | None:
        """The name that it was to get when an interrupted Compose left it; None if it is no leftover."""
        found = _LEFTOVER.fullmatch(self.name)
        return found["name"] if found else None

    def trouble(self, restarts_before: int = 0) -> str:
        """Return what is wrong with it that waiting does not mend: it ended, or was restarted since it had
        ``restarts_before``. "" if it is neither; one that is unhealthy may still get well.
        """
        ended = f"exit code {self.exit_code}, OOMKilled {'yes' if self.oom_killed else 'no'}"
        if self.state in ("exited", "dead", "removing"):
            return f"{self.name} ended ({ended})"
        again = self.restarts - restarts_before
        if self.state == "restarting" or again > 0:
            return f"{self.name} was restarted {'once' if again == 1 else f'{again} times'} ({ended})"
        return ""

    @property
    def condition(self) -> str:
        """How it fares, in a few words: for those who waited for it."""
        if not self.running:
            return f"{self.name} is {self.state}"
        return f"{self.name} runs, and " + {
            "starting": "its healthcheck has not passed yet",
            "unhealthy": "its healthcheck fails: Docker calls it unhealthy",
            "healthy": "is healthy",
        }.get(self.health or "", "has no healthcheck")

    def fact(self) -> ServiceFact:
        """Return it the way every platform tells it."""
        return ServiceFact(
            service=self.service,
            instance=self.name,
            identity=self.image,
            running=self.running,
            healthy=None if self.health is None else self.health == "healthy",
            restarts=self.restarts,
            commit=self.commit,
            release=self.release,
            slot=self.slot,
            port=self.port,
            mounts=self.mounts,
        )


def containers_of(do: Do, project: str) -> tuple[Container, ...] | None:
    """Return the containers of ``project``, one-off ones too; None in a plan, where nobody knows yet."""
    ids = do(
        Command(
            says=f"list the containers of {project}",
            argv=("docker", "ps", "-a", "--no-trunc", "--filter", f"label={PROJECT}={project}", "--format", "{{.ID}}"),
            parse=ids_of,
            assume=None,
        )
    )
    if not ids:
        return ids if ids is None else ()
    return do(inspect(ids))


def ours(services: Iterable[str], there: Iterable[Container] | None) -> tuple[Container, ...]:
    """Return the containers of the application's own services, without those of one-off jobs."""
    return tuple(c for c in there or () if c.service in services and not c.oneoff)


def running_here(do: Do) -> tuple[Container, ...]:
    """Return all containers that run on this machine, whoever started them; none in a plan, where nobody knows yet."""
    ids = do(
        Command(
            says="list the containers that run on this machine",
            argv=("docker", "ps", "--no-trunc", "--format", "{{.ID}}"),
            parse=ids_of,
            assume=None,
        )
    )
    found = do(inspect(ids)) if ids else None
    return found or ()


def inspect(ids: Iterable[str], *, says: str = "look at the containers") -> Command[tuple[Container, ...] | None]:
    """Return the read that tells how the containers ``ids`` fare. One that vanished is left out."""
    # 1 is its exit code if one of them vanished meanwhile; the others are printed all the same
    return Command(
        says=says,
        argv=("docker", "container", "inspect", "--format", _FORMAT, *ids),
        ok=frozenset({0, 1}),
        parse=parse_containers,
        assume=None,
    )


def all_volumes(do: Do) -> frozenset[str]:
    """Return the names of all volumes of this machine."""
    found = do(Command(says="list the volumes", argv=("docker", "volume", "ls", "--quiet"), parse=ids_of, assume=None))
    return frozenset(found or ())


def volumes_of(project: str) -> Command[tuple[str, ...] | None]:
    """Return the read that lists the volumes of ``project``, also those whose containers were removed."""
    return Command(
        says=f"list the volumes of {project}",
        argv=("docker", "volume", "ls", "--quiet", "--filter", f"label={PROJECT}={project}"),
        parse=ids_of,
        assume=None,
    )


def ids_of(output: Output) -> tuple[str, ...] | None:
    """Return the ids that a list holds."""
    return tuple(output.text.split())


def parse_containers(output: Output) -> tuple[Container, ...]:
    """Return the containers of an inspection, by name. Raise ObservationError if docker could not be asked."""
    error = output.stderr.decode("utf-8", "replace")
    if output.code and "no such container" not in error.lower():
        raise ObservationError(
            f"Docker could not tell about the containers: {reason(error) or 'it did not say why'}.",
            next="Start the engine, or let this user use it, then run again.",
        )
    return tuple(
        sorted(
            (_container(json.loads(line)) for line in output.text.splitlines() if line.strip()), key=lambda c: c.name
        )
    )


def _container(raw: dict[str, object]) -> Container:
    mounts, published = raw.pop("mounts", None), _published(raw.pop("ports"))
    networks, shares = raw.pop("networks"), raw.pop("shares")
    of, slot, row, stands = (raw.pop(name, None) for name in ("of", "slot", "row", "stands"))
    raw["service"] = of or raw["service"]
    given = {name: value for name, value in raw.items() if name not in ("name", "oneoff", "files", "env_files")}
    return Container(
        **given,  # type: ignore[arg-type]
        name=str(raw["name"]).removeprefix("/"),
        oneoff=str(raw["oneoff"]).lower() == "true",
        files=_list(raw["files"]),
        env_files=_list(raw["env_files"]),
        mounts=_mounts(mounts),
        written=frozenset(source for source, _ in _mounts(mounts, only_written=True)),
        port=published[0][1] if published else None,
        networks=frozenset(networks if isinstance(networks, dict) else ()),
        aliases=_aliases(networks),
        published=published,
        shares=_shared(shares),
        slot=str(slot or ""),
        row=str(row or ""),
        stands=str(stands or ""),
    )


def _mounts(raw: object, *, only_written: bool = False) -> tuple[tuple[str, str], ...]:
    listed = raw if isinstance(raw, list) else []
    return tuple(
        (str(m["Source"] if m["Type"] == "bind" else m.get("Name", "")), str(m["Destination"]))
        for m in listed
        if m.get("Type") in ("bind", "volume") and (m.get("RW", True) or not only_written)
    )


def _list(raw: object) -> tuple[str, ...]:
    return tuple(part for part in str(raw or "").split(",") if part)


def _published(ports: object) -> tuple[tuple[str, int], ...]:
    if not isinstance(ports, dict):
        return ()
    bindings = [b for some in ports.values() for b in some or () if b.get("HostPort")]
    return tuple((str(b.get("HostIp") or ""), int(b["HostPort"])) for b in bindings)


def _aliases(networks: object) -> frozenset[str]:
    found = networks.values() if isinstance(networks, dict) else ()
    return frozenset(str(name) for network in found for name in (network or {}).get("Aliases") or ())


def _shared(modes: object) -> tuple[str, ...]:
    found = (str(mode).partition(":") for mode in (modes if isinstance(modes, list) else ()))
    return tuple(of for kind, _, of in found if kind == "container")


class Settled:
    """Answers whether containers have settled: healthy, or (without a healthcheck) running for ``seconds`` unchanged.

    One that ended or was restarted ends the waiting at once: `require_sound` then tells what happened. One that is
    unhealthy does not: Docker goes on asking it, and on a busy machine it answers in time a little later.
    restarts: how often containers had been restarted before, by id; those say nothing about this start.
    """

    def __init__(
        self, seconds: float, clock: Callable[[], float], restarts: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._restarts = restarts
        self._since: dict[tuple[str, str], float] = {}

    def __call__(self, containers: tuple[Container, ...] | None) -> bool:
        seen = containers or ()
        settled = [self._one(c) for c in seen]  # each one's clock starts when it is first seen to run
        return any(c.trouble(self._restarts.get(c.id, 0)) for c in seen) or all(settled)

    def _one(self, container: Container) -> bool:
        if not container.running:
            return False
        if container.health is not None:
            return container.health == "healthy"
        now = self._clock()
        return now - self._since.setdefault((container.id, container.started), now) >= self._seconds


def require_sound(
    containers: Iterable[Container], images: Mapping[str, str], restarts: Mapping[str, int] = MappingProxyType({})
) -> None:
    """Raise ActionError if a container ended, was restarted or runs another image than ``images`` says for its service.

    restarts: as for `Settled`.
    """
    for container in containers:
        what = container.trouble(restarts.get(container.id, 0))
        wanted = images.get(container.service)
        if not what and wanted and container.image != wanted:
            what = f"{container.name} runs image {container.image[:19]}, not {wanted[:19]}"
        if what:
            raise ActionError(
                f"{what}.",
                state=f"Service {container.service} is not serving.",
                next=f"Read what it printed: docker logs --tail 100 {container.name}, or {KEPT}.",
            )


def never_ready(containers: Iterable[Container], waited_seconds: float) -> Command[None]:
    """Return the read that raises DeadlineError for ``containers`` that did not get healthy in time: how each of them fares,
    what the healthcheck of the first said, and where to look."""
    late = [c for c in containers if not c.running or c.health not in (None, "healthy")]
    name = late[0].name if late else "CONTAINER"

    def tell(output: Output) -> None:
        said = _healthcheck(output)
        raise DeadlineError(
            f"{f'{said} ({name}): w' if said else 'W'}aited {waited_seconds:g} s in vain: "
            f"{few((c.condition for c in late), '; ') or 'nothing settled'}.",
            state="The containers were left as they are.",
            next=f"Read what it printed (docker logs --tail 100 {name}, or {KEPT}). If it only needs longer, raise "
            "`ready_timeout` of the target.",
        )

    return Command(
        says=f"read what the healthcheck of {name} said",
        argv=("docker", "container", "inspect", "--format", "{{json .State.Health}}", name),
        ok=frozenset(range(256)),
        parse=tell,  # which is cleaned of secrets on its way: a healthcheck may print anything
        assume=None,
    )


def _healthcheck(output: Output) -> str:
    try:
        log = (json.loads(output.text) or {}).get("Log") or [{}]
    except (ValueError, AttributeError):
        return ""
    lines = [line.strip() for line in str(log[-1].get("Output") or "").splitlines() if line.strip()]
    return lines[-1][:200].rstrip(".") if lines and log[-1].get("ExitCode") else ""
