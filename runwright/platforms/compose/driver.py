"""The Compose platform: replaces a project's application services in place, one version for another."""

from __future__ import annotations

import hashlib
import re
import shlex
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from runwright.actions import Command, Do, Elsewhere, Output, Read, Wait, WriteFile, nothing
from runwright.errors import ActionError, DeadlineError, InputError
from runwright.platforms.compose import containers
from runwright.platforms.compose.adopt import adopt
from runwright.platforms.compose.cli import Project
from runwright.platforms.compose.containers import (
    Container,
    Settled,
    containers_of,
    inspect,
    never_ready,
    require_sound,
    volumes_of,
)
from runwright.platforms.compose.images import Image, image_of
from runwright.platforms.compose.override import ServiceOverride, override_file
from runwright.platforms.compose.printed import printed
from runwright.platforms.compose.release import Place, env_of, project_in_tree, put_in_place
from runwright.platforms.compose.spoiling import spoil
from runwright.platforms.shape import Observed, Strategy
from runwright.runbook.drill import Break, require_way
from runwright.runbook.targets import ComposeTarget
from runwright.traffic import Upstream
from runwright.versions import Version

POLL_SECONDS = 0.25
"""How often containers are looked at while they start: every second of it is downtime."""

STOP_SECONDS = 120.0
"""How long stopping may take on top of starting: Docker's own grace is ten seconds unless a service asks for more."""


class Compose:
    """A Compose project whose services named in ``services`` ({service: component}, in the order of replacement) are ours.

    tree: where the clean worktree of a commit is when `prepare` is called. state: our own folder for this environment.
    env: what Compose interpolates from besides the env file; may hold secrets, and DOCKER_CONFIG for pulls.
    """

    strategy: Strategy = "recreate"
    breaks: ClassVar[frozenset[Break]] = frozenset({"kill", "errors", "latency"})

    def __init__(
        self,
        target: ComposeTarget,
        services: Mapping[str, str],
        tree: Path,
        state: Path,
        env: Mapping[str, str] | None = None,
        *,
        system: str,
        environment: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.target = target
        self.services = dict(services)
        self.tree = tree
        self.state = state
        self.env = dict(env or {})
        self._names = (system, environment)
        self._clock = clock

    # ------------------------------------------------------------------------------------------------- what is there

    def observe(self, do: Do) -> Observed:
        """Return what runs now: image ids, health and releases of the application's own containers."""
        return Observed(tuple(c.fact() for c in self._ours(containers_of(do, self.target.project))))

    def is_new(self, do: Do, *, prepared: bool = False) -> bool:
        """Return whether nothing of the project was ever started here: it has no container, and no volume with data.

        prepared: a job of ours ran here before, and Compose made the volumes for it; they say nothing then.
        """
        if containers_of(do, self.target.project):
            return False
        return prepared or not do(volumes_of(self.target.project))

    def upstream(self, do: Do, slot: str) -> Upstream | None:  # noqa: ARG002 - this platform has no slots
        """Return None: the project's own proxy finds the services by name."""
        return None

    def build_argv(self, do: Do) -> tuple[str, ...]:
        """Return the words of ``docker compose`` that a builder puts before ``build``, for what is in ``tree``."""
        return project_in_tree(do, self._place(""))[0].argv()

    def exec_argv(self, service: str) -> tuple[str, ...]:
        """Return the words before a program that is to run inside the container of ``service``; stdin is passed on."""
        return ("docker", "compose", "-p", self.target.project, "exec", "-T", service)

    @property
    def compose_env(self) -> dict[str, str]:
        """The environment for commands that begin with `build_argv`; may hold secrets."""
        return env_of(self.target, self.env)

    def expected(self, version: Version) -> dict[str, str]:
        """Return {service: image id} that `observe` shows when ``version``, which was prepared, runs.

        A service that the runbook of ``version`` had and this one has no more is left alone, and so not shown.
        """
        return {name: image for name, image in version.extra.get("images", {}).items() if name in self.services}

    # ------------------------------------------------------------------------------------------------- new versions

    def prepare(self, do: Do, version: Version, prefix: str) -> Version:
        """Put in place what ``version`` needs and prove that its images exist; stop nothing.

        A version that was prepared or adopted before needs its images and files only, and not the tree.
        Raise ActionError if something is missing, RefusedError if source code is mounted over the images' own.
        """
        if version.extra.get("files"):
            project = self._project(version)
            gone = do(
                Read(says="look for the files of this version", function=lambda: _missing(project)),
            )
            if not gone:
                self._require_images(do, version)
                return version
        if not version.commit or version.adopted:
            raise ActionError(
                f"Version {version.name} was adopted and its files are gone.",
                state="Nothing was started or stopped.",
                next="Release another version; this one cannot be started again.",
            )
        return put_in_place(do, self._place(version.commit[:12]), self.services, version, prefix)

    def run_job(
        self,
        do: Do,
        version: Version,
        argv: tuple[str, ...],
        *,
        service: str,
        key: str | None,
        says: str,
        release_id: str,
        deadline_seconds: float,
    ) -> bytes:
        """Run ``argv`` in a new container of ``version``'s image with the configuration of ``service``.

        The image's entrypoint script runs first, as it does for the service; an entrypoint that would take ``argv`` for
        its own arguments is replaced. The container carries release and key as labels and is removed at the end.
        """
        name = job_name(self.target.project, release_id, key or " ".join((service, *argv)))
        words = ["run", "--rm", "--no-deps", "-T", "--name", name, "--label", f"{containers.RELEASE}={release_id}"]
        words += ["--label", f"{containers.KEY}={key}"] if key else []
        command = argv
        if service in version.extra.get("bare", ()):
            words += ["--entrypoint", shlex.quote(argv[0])]
            command = argv[1:]
        project = self._project(version)
        printed = do(
            Command(
                says=says,
                key=key,
                argv=project.argv(*words, service, *command),
                env=project.env,
                deadline_seconds=deadline_seconds,
                repeatable=key is None,
                safe_point=key is not None,
                parse=nothing if key else _stdout,
                elsewhere=Elsewhere(
                    running=("docker", "ps", "-q", "--filter", f"name=^/?{re.escape(name)}$"),
                    wait=("docker", "wait", name),
                    end=("docker", "rm", "-f", name),
                ),
            )
        )
        return printed or b""

    def start_dependencies(self, do: Do, version: Version, prefix: str) -> None:
        """Start what the application depends on (its database, above all) if it does not run, and wait until it is
        healthy. A first release needs this before it can migrate."""
        there = containers_of(do, self.target.project)
        project = self._project(version)
        self._start_others(do, project, version.extra["dependencies"], there, f"{prefix}/dependencies")

    def start(
        self,
        do: Do,
        version: Version,
        slot: str,  # noqa: ARG002
        prefix: str,
        release_id: str,
        *,
        keep: bool = False,
        anew: bool = False,
    ) -> None:
        """Make ``version``, which was prepared, run in place of what runs, and wait until it is healthy.

        What it depends on is started first if it does not run; nothing else in the project is touched. With ``keep``
        the containers of ``version`` that ``release_id`` did not make are left as they are, and only started again if
        they were stopped: Compose would make them anew if an env file was changed since, and a system that serves
        would take over a mistake in it on its way back. With ``anew`` containers are replaced although they are of ``version``
        already, but for those that are kept.
        Raise DeadlineError if it does not get healthy in time, ActionError as soon as a container ends or is restarted.
        """
        self._require_images(do, version)
        there = containers_of(do, self.target.project)
        before = _restarts(there)
        self._finish_leftovers(do, there, prefix)
        kept = self._kept(do, version, there, prefix, release_id) if keep else set()
        # what the way back makes anew carries its name, so that another try of it does not keep that too
        stay = [] if anew else [c for c in there or () if not keep or c.service in kept]
        path = self._label(do, version, stay, prefix, release_id)
        project = self._project(version).plus(path)
        self._start_others(do, project, version.extra["dependencies"], there, f"{prefix}/dependencies")
        groups = [left for group in self._groups(version) if (left := [s for s in group if s not in kept])]
        for number, group in enumerate(groups, 1):
            name = f"{prefix}/up" if len(groups) == 1 else f"{prefix}/up/{'+'.join(group)}"
            flags = ["--no-deps", *(["--force-recreate"] if anew else []), *_scale(group, there, version)]
            self._up(do, project, flags, group, name)
            if number < len(groups):
                self._settle(do, version, group, 0.0, before)
        self._settle(
            do, version, [s for s in self.services if s in version.extra["images"]], self.target.settle, before
        )

    def start_rest(self, do: Do, version: Version, prefix: str) -> None:
        """Start what has no container yet besides the application (a proxy, mostly), as `docker compose up` would.

        Only a first release may do so: later on, what somebody has left out or removed stays away.
        """
        there = containers_of(do, self.target.project)
        known = {c.service for c in there or () if c.state != "created"}
        never = [name for name in version.extra["others"] if name not in known]
        self._start_others(do, self._project(version), never, there, f"{prefix}/others", self.target.settle)

    def stop(self, do: Do, slot: str, prefix: str) -> None:  # noqa: ARG002
        """Stop the application's own services; database, proxy and the rest stay up."""
        running = [
            c for c in self._ours(containers_of(do, self.target.project)) if c.state not in ("exited", "created")
        ]
        if running:
            do(
                Command(
                    says=f"stop {', '.join(c.name for c in running)}",
                    key=f"{prefix}/stop",
                    argv=("docker", "stop", *(c.id for c in running)),
                    deadline_seconds=STOP_SECONDS,
                )
            )

    def spoil(self, do: Do, slot: str, by: Break, prefix: str) -> None:  # noqa: ARG002
        """Break the application's own containers; database, proxy and the rest stay as they are."""
        require_way(self.breaks, by)
        spoil(do, [c for c in self._ours(containers_of(do, self.target.project)) if c.running], by, prefix)

    def printed(self, do: Do, release_id: str) -> str:
        """Return what the containers that ``release_id`` started printed last, "" if there are none. May hold secrets."""
        return printed(do, [c for c in self._ours(containers_of(do, self.target.project)) if c.release == release_id])

    def adopt(self, do: Do, prefix: str) -> Version | None:
        """Return what runs now as a version that can be started again, or None if nothing of ours runs.

        ``extra["drifted"]`` names the services whose files or env file were changed since they were started.
        """
        there = [c for c in self._ours(containers_of(do, self.target.project)) if c.running]
        if not there:
            return None
        system, environment = self._names
        blank = Version(system, environment, "", "")
        project = Project(
            self.target.project, Path(self.target.directory), (), (), tuple(self.target.profiles), self.compose_env
        )
        return adopt(do, there, self.services, blank, self.state, project, prefix)

    # ------------------------------------------------------------------------------------------------------- details

    def _place(self, name: str) -> Place:
        return Place(self.target, self.tree, self.state / "releases" / name, self.env)

    def _project(self, version: Version) -> Project:
        if not version.extra.get("files"):
            raise InputError(
                f"Version {version.name} was not prepared.", next="Call `prepare` first and use the version it returns."
            )
        return Project.from_json(self.target.project, version.extra, self.compose_env)

    def _ours(self, there: Iterable[Container] | None) -> tuple[Container, ...]:
        return tuple(c for c in there or () if c.service in self.services and not c.oneoff)

    def _require_images(self, do: Do, version: Version) -> None:
        for image in dict.fromkeys(version.extra["images"].values()):
            if image_of(do, image, assume=Image(image)) is None:
                raise ActionError(
                    f"Image {image[:19]} of version {version.name} is not on this machine.",
                    state="Nothing was started or stopped.",
                    next="Build or pull this version again, then run again.",
                )

    def _finish_leftovers(self, do: Do, there: Iterable[Container] | None, prefix: str) -> None:
        """Finish what an interrupted Compose left: a new container beside the old one, or one that was never renamed."""
        names = {c.name for c in there or ()}
        for container in self._ours(there):
            meant = container.meant_name
            if meant is None:
                continue
            argv = (
                ("docker", "rm", "-f", container.name)
                if meant in names
                else ("docker", "rename", container.name, meant)
            )
            do(
                Command(
                    says=f"{'remove' if meant in names else 'rename'} {container.name}, which an interrupted Compose left",
                    key=f"{prefix}/leftover/{container.name}",
                    argv=argv,
                )
            )
            names.add(meant)

    def _kept(
        self, do: Do, version: Version, there: Iterable[Container] | None, prefix: str, release_id: str
    ) -> set[str]:
        """Return the services whose containers are those of ``version``; start the stopped ones of them again."""
        kept = set()
        for service, image in version.extra["images"].items():
            mine = [c for c in self._ours(there) if c.service == service]
            known = all(
                c.image == image
                and c.release != release_id
                and c.meant_name is None
                and (c.commit == version.commit or (version.adopted and not c.release))
                for c in mine
            )
            sound = all(c.state == "exited" or (c.running and c.health in (None, "healthy")) for c in mine)
            if not (mine and known and sound):
                continue
            kept.add(service)
            if stopped := [c for c in mine if not c.running]:
                do(
                    Command(
                        says=f"start {', '.join(c.name for c in stopped)} again",
                        key=f"{prefix}/again/{service}",
                        argv=("docker", "start", *(c.id for c in stopped)),
                        deadline_seconds=STOP_SECONDS,
                    )
                )
        return kept

    def _label(self, do: Do, version: Version, there: Iterable[Container] | None, prefix: str, release_id: str) -> Path:
        """Write which release starts each service. One that runs this version already keeps its label, and so is
        not replaced for a label's sake."""
        already = {
            c.service: c.release
            for c in self._ours(there)
            if c.running
            and c.release
            and c.commit == version.commit
            and c.image == version.extra["images"].get(c.service)
        }
        overrides = {
            s: ServiceOverride(labels={containers.RELEASE: already.get(s, release_id)}) for s in version.extra["images"]
        }
        path = Path(version.extra["files"][-1]).with_name(f"release-{_word(release_id)}.yml")
        content = override_file(overrides)
        do(WriteFile(says=f"write {path}", key=f"{prefix}/labels", path=path, content=content, mode=0o600))
        return path

    def _groups(self, version: Version) -> list[list[str]]:
        """Return which services are replaced together: all at once, unless the runbook demands an order."""
        mine = [s for s in self.services if s in version.extra["images"]]
        ordered = [s for s in self.target.order if s in mine]
        rest = [s for s in mine if s not in ordered]
        return [*([s] for s in ordered), *([rest] if rest else [])]

    def _up(self, do: Do, project: Project, flags: Iterable[str], services: Iterable[str], key: str) -> None:
        names = tuple(services)
        do(
            Command(
                says=f"start {', '.join(names)}",
                key=key,
                argv=project.argv("up", "-d", "--no-build", *flags, *names),
                env=project.env,
                deadline_seconds=self.target.ready_timeout + STOP_SECONDS,
            )
        )

    def _start_others(
        self,
        do: Do,
        project: Project,
        wanted: list[str],
        there: tuple[Container, ...] | None,
        key: str,
        settle: float = 0.0,
    ) -> None:
        running = {c.service for c in there or () if c.running and not c.oneoff}
        missing = [s for s in wanted if s not in running]
        if there is None or not missing:
            return
        self._up(do, project, ["--no-deps", "--no-recreate"], missing, key)
        now = containers_of(do, self.target.project) or ()
        ids = [c.id for c in now if c.service in missing and not c.oneoff]
        self._wait(do, ids, missing, settle, _restarts(there))

    def _settle(self, do: Do, version: Version, services: list[str], seconds: float, before: Mapping[str, int]) -> None:
        there = containers_of(do, self.target.project)
        if there is None:
            return
        ours = [c for c in there if c.service in services and not c.oneoff]
        absent = [s for s in services if version.extra["replicas"].get(s) != 0 and s not in {c.service for c in ours}]
        if absent:
            raise ActionError(
                f"Compose started no container for {', '.join(absent)}.",
                state="It is not running.",
                next=f"Run `docker compose -p {self.target.project} ps -a` and read the service's section in the Compose file.",
            )
        seen = self._wait(do, [c.id for c in ours], services, seconds, before)
        require_sound(seen, version.extra["images"], before)

    def _wait(
        self, do: Do, ids: list[str], services: list[str], seconds: float, before: Mapping[str, int]
    ) -> tuple[Container, ...]:
        names = ", ".join(services)
        look = inspect(ids, says=f"look at {names}")
        try:
            seen = do(
                Wait(
                    says=f"wait until {names} {'are' if len(services) > 1 else 'is'} healthy",
                    read=look,
                    until=Settled(seconds, self._clock, before),
                    every_seconds=POLL_SECONDS,
                    deadline_seconds=self.target.ready_timeout,
                )
            )
        except DeadlineError:
            late = do(look)
            raise never_ready(late or (), self.target.ready_timeout) from None
        require_sound(seen or (), {}, before)
        return seen or ()


def job_name(project: str, release_id: str, key: str) -> str:
    """Return the name of a one-off container: readable, and the same for the same job of the same release."""
    mark = hashlib.sha256(f"{release_id}\0{key}".encode()).hexdigest()[:10]
    return f"{project}-rw-{_word(key)[:24]}-{mark}"


def _restarts(there: Iterable[Container] | None) -> dict[str, int]:
    # Docker counts them from when a container was made, and one that is not replaced keeps its count
    return {c.id: c.restarts for c in there or () if c.running}


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-") or "x"


def _missing(project: Project) -> list[str]:
    return [str(f) for f in project.files if not f.is_file()]


def _scale(group: Iterable[str], there: Iterable[Container] | None, version: Version) -> list[str]:
    """Return the flags that keep services at the number of containers that somebody scaled them to by hand."""
    flags = []
    for service in group:
        running = sum(c.service == service and c.running and not c.oneoff for c in there or ())
        if running > 1 and service not in version.extra["replicas"]:
            flags += ["--scale", f"{service}={running}"]
    return flags


def _stdout(output: Output) -> bytes:
    return output.stdout
