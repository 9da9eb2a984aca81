"""How a project's services are started, replaced in their order, and waited for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from runwright.actions import Command, Do, Wait, WriteFile
from runwright.errors import ActionError, DeadlineError
from runwright.platforms.compose import containers
from runwright.platforms.compose.cli import Project
from runwright.platforms.compose.containers import (
    Container,
    Settled,
    containers_of,
    inspect,
    never_ready,
    require_sound,
)
from runwright.platforms.compose.override import ServiceOverride, override_file
from runwright.runbook.targets import ComposeTarget
from runwright.versions import Version

POLL_SECONDS = 0.25
"""How often containers are looked at while they start: every second of it is downtime."""

STOP_SECONDS = 120.0
"""How long stopping may take on top of starting: Docker's own grace is ten seconds unless a service asks for more."""


class Starting:
    """Starts what belongs to ``target``; ``services`` ({service: component}) are the application's own."""

    def __init__(self, target: ComposeTarget, services: Mapping[str, str], clock: Callable[[], float]) -> None:
        self._target = target
        self._services = services
        self._clock = clock

    def replace(
        self,
        do: Do,
        version: Version,
        project: Project,
        prefix: str,
        release_id: str,
        *,
        keep: bool,
        anew: bool,
    ) -> None:
        """Make ``version`` run in place of what runs, and wait until it is healthy: see `Compose.start`."""
        there = containers_of(do, self._target.project)
        before = _restarts(there)
        self._finish_leftovers(do, there, prefix)
        kept = self._kept(do, version, there, prefix, release_id) if keep else set()
        # what the way back makes anew carries its name, so that another try of it does not keep that too
        stay = [] if anew else [c for c in there or () if not keep or c.service in kept]
        path = self._label(do, version, stay, prefix, release_id)
        project = project.plus(path)
        self.others(do, project, version.extra["dependencies"], there, f"{prefix}/dependencies")
        groups = [left for group in self._groups(version) if (left := [s for s in group if s not in kept])]
        for number, group in enumerate(groups, 1):
            name = f"{prefix}/up" if len(groups) == 1 else f"{prefix}/up/{'+'.join(group)}"
            flags = ["--no-deps", *(["--force-recreate"] if anew else []), *_scale(group, there, version, stopped=anew)]
            self._up(do, project, flags, group, name)
            if number < len(groups):
                self._settle(do, version, group, 0.0, before)
        if keep:
            self._stop_what_did_not_run(do, version, there, prefix)
        self._settle(
            do, version, [s for s in self._services if s in version.extra["images"]], self._target.settle, before
        )

    def _finish_leftovers(self, do: Do, there: Iterable[Container] | None, prefix: str) -> None:
        """Finish what an interrupted Compose left: a new container beside the old one, or one that was never renamed."""
        names = {c.name for c in there or ()}
        for container in ours(self._services, there):
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
            mine = [c for c in ours(self._services, there) if c.service == service]
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

    def _stop_what_did_not_run(self, do: Do, version: Version, there: Iterable[Container] | None, prefix: str) -> None:
        """Stop the services that a release started and that did not run with ``version``: they are of the version that is
        taken back, and a worker of it would go on working."""
        later = [
            c
            for c in ours(self._services, there)
            if c.service not in version.extra["images"] and c.release and c.state not in ("exited", "created")
        ]
        if later:
            names = ", ".join(c.name for c in later)
            do(
                Command(
                    says=f"stop {names}: with {version.name} {'it' if len(later) == 1 else 'they'} did not run",
                    key=f"{prefix}/stop",
                    argv=("docker", "stop", *(c.id for c in later)),
                    deadline_seconds=STOP_SECONDS,
                )
            )

    def _label(self, do: Do, version: Version, there: Iterable[Container] | None, prefix: str, release_id: str) -> Path:
        """Write which release starts each service. One that runs this version already keeps its label, and so is
        not replaced for a label's sake."""
        already = {
            c.service: c.release
            for c in ours(self._services, there)
            if c.running
            and c.release
            and c.commit == version.commit
            and c.image == version.extra["images"].get(c.service)
        }
        overrides = {
            s: ServiceOverride(labels={containers.RELEASE: already.get(s, release_id)}) for s in version.extra["images"]
        }
        path = Path(version.extra["files"][-1]).with_name(f"release-{word(release_id)}.yml")
        content = override_file(overrides)
        do(WriteFile(says=f"write {path}", key=f"{prefix}/labels", path=path, content=content, mode=0o600))
        return path

    def _groups(self, version: Version) -> list[list[str]]:
        """Return which services are replaced together: all at once, unless the runbook demands an order."""
        mine = [s for s in self._services if s in version.extra["images"]]
        ordered = [s for s in self._target.order if s in mine]
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
                deadline_seconds=self._target.ready_timeout + STOP_SECONDS,
            )
        )

    def others(
        self,
        do: Do,
        project: Project,
        wanted: list[str],
        there: tuple[Container, ...] | None,
        key: str,
        settle: float = 0.0,
    ) -> None:
        """Start the services ``wanted`` that do not run, though none of them anew, and wait until they are healthy."""
        running = {c.service for c in there or () if c.running and not c.oneoff}
        missing = [s for s in wanted if s not in running]
        if there is None or not missing:
            return
        self._up(do, project, ["--no-deps", "--no-recreate"], missing, key)
        now = containers_of(do, self._target.project) or ()
        ids = [c.id for c in now if c.service in missing and not c.oneoff]
        self._wait(do, ids, missing, settle, _restarts(there))

    def _settle(self, do: Do, version: Version, services: list[str], seconds: float, before: Mapping[str, int]) -> None:
        there = containers_of(do, self._target.project)
        if there is None:
            return
        started = ours(services, there)
        absent = [
            s for s in services if version.extra["replicas"].get(s) != 0 and s not in {c.service for c in started}
        ]
        if absent:
            raise ActionError(
                f"Compose started no container for {', '.join(absent)}.",
                state="It is not running.",
                next=f"Run `docker compose -p {self._target.project} ps -a` and read the service's section in the Compose file.",
            )
        seen = self._wait(do, [c.id for c in started], services, seconds, before)
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
                    deadline_seconds=self._target.ready_timeout,
                )
            )
        except DeadlineError:
            late = do(look)
            raise never_ready(late or (), self._target.ready_timeout) from None
        require_sound(seen or (), {}, before)
        return seen or ()


def ours(services: Iterable[str], there: Iterable[Container] | None) -> tuple[Container, ...]:
    """Return the containers of the application's own services, without those of one-off jobs."""
    return tuple(c for c in there or () if c.service in services and not c.oneoff)


def _restarts(there: Iterable[Container] | None) -> dict[str, int]:
    # Docker counts them from when a container was made, and one that is not replaced keeps its count
    return {c.id: c.restarts for c in there or () if c.running}


def _scale(group: Iterable[str], there: Iterable[Container] | None, version: Version, *, stopped: bool) -> list[str]:
    """Return the flags that keep services at the number of containers that somebody scaled them to by hand.

    stopped: whether those count that do not run: a drill has killed them.
    """
    flags = []
    for service in group:
        mine = [c for c in there or () if c.service == service and not c.oneoff and (c.running or stopped)]
        if len(mine) > 1 and service not in version.extra["replicas"]:
            flags += ["--scale", f"{service}={len(mine)}"]
    return flags


def word(text: str) -> str:
    """Return ``text`` as it may stand in the name of a file or a container."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-") or "x"
