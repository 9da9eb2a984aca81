"""How a project's services are started, replaced in their order, and waited for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping

from runwright.engine.actions import Command, Do, Wait, WriteFile
from runwright.engine.there.paths import Path
from runwright.errors import ActionError, DeadlineError
from runwright.platforms.compose import containers
from runwright.platforms.compose.cli import Project
from runwright.platforms.compose.config import PROCESSES
from runwright.platforms.compose.containers import (
    STOP_SECONDS,
    Container,
    Settled,
    containers_of,
    inspect,
    never_ready,
    ours,
    require_sound,
)
from runwright.platforms.compose.in_the_way import finish_leftovers, free_ports, make_way, stop_before
from runwright.platforms.compose.left_out import commit_of
from runwright.platforms.compose.neighbours import Neighbours
from runwright.platforms.compose.override import ServiceOverride, override_file
from runwright.plural import few
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.versions import Version

POLL_SECONDS = 0.25
"""How often containers are looked at while they start: every second of it is downtime."""


class Starting:
    """Starts what belongs to ``target``; ``services`` are the application's own, among them ``gone``: those that only the
    version before has, of what this release replaces."""

    def __init__(
        self, target: ComposeTarget, services: Iterable[str], gone: Collection[str], clock: Callable[[], float]
    ) -> None:
        self._target = target
        self._services = list(services)
        self._gone = gone
        self._clock = clock

    def replace(
        self,
        do: Do,
        version: Version,
        project: Project,
        prefix: str,
        release_id: str,
        beside: Neighbours,
        *,
        keep: bool,
        anew: bool,
    ) -> None:
        """Make ``version`` run in place of what runs, and wait until it is healthy: see `Compose.start`."""
        there = containers_of(do, self._target.project)
        there = beside.there if there is None else there
        before = restarts(there)
        finish_leftovers(do, self._services, version, there, prefix)
        kept = self._kept(version, there, beside, release_id) if keep or not anew else frozenset()
        if not keep:  # what was left out of the release runs on
            kept &= set(version.extra.get("commits", ()))
        # what the way back makes anew carries its name, so that another try of it does not keep that too
        stay = {} if anew else self._labelled(version, [c for c in there or () if not keep or c.service in kept])
        leave = self._target.orphans == "leave"
        make_way(do, ours(self._services, there), version, self._gone, prefix, leave=leave)
        again = self._start_again(do, kept, there, prefix)
        mine = [s for s in self._services if s in version.extra["images"]]
        moved = {s for s in mine if s not in kept and (keep or s not in stay)} | again
        with_them = beside.with_them(version, moved, release_id)
        path = self._label(do, version, stay, [s for s in with_them if s not in mine], prefix, release_id)
        project = project.plus(path)
        self.others(do, project, version.extra["dependencies"], there, f"{prefix}/dependencies")
        told: Collection[str] = ()
        groups = [left for group in self._groups(mine) if (left := [s for s in group if s not in kept])]
        for number, group in enumerate(groups or ([[]] if again else [])):
            later = {s for other in groups[number + 1 :] for s in other}
            base = moved & {*group, *(again if number == 0 else ())}
            found = beside.with_them(version, base, release_id)
            names = [*group, *(s for s in found if s not in later and s not in group)]
            name = f"{prefix}/up" if len(groups) < 2 else f"{prefix}/up/{'+'.join(group)}"
            free_ports(do, version, group, [c for c in ours(later, there) if c.running], name)
            stop_before(do, ours([s for s, why in found.items() if why.startswith(PROCESSES)], there), name)
            if names:  # without any, Compose would start everything
                scale = _scale(names, there, version, stopped=anew)
                flags = ["--no-deps", *(["--force-recreate"] if anew else []), *scale]
                self._up(do, project, flags, names, name + after(group, there, version, release_id))
            # at once, so that nobody waits for healthchecks; what it says is heard when everything has settled
            told = self.tell(do, beside, name, {*names, *found}, strict=False)
            if number + 1 < len(groups):
                self._settle(do, version, names, 0.0, before)
        watched = [s for s in with_them if all(c.running and c.health != "unhealthy" for c in ours([s], there))]
        self._settle(do, version, list(dict.fromkeys((*mine, *watched))), self._target.settle, before)
        if moved:
            self.tell(do, beside, prefix, {*moved, *with_them}, strict=not keep, but=told)

    def tell(
        self,
        do: Do,
        beside: Neighbours,
        key: str,
        moved: Collection[str],
        *,
        strict: bool,
        but: Collection[str] = (),
    ) -> frozenset[str]:
        """Let the proxies beside whose configuration names one of the services ``moved`` look names up again, without those in
        ``but``: some close kept connections each time. Not strict: one that refuses its configuration stays as it is.

        Return those that have looked them up.
        """
        done = set()
        for proxy in beside.proxies:
            if not (proxy.manages or strict):
                continue  # a restart drops requests: once is enough
            if proxy.container in but or not proxy.meets(moved):
                continue
            right = do(
                Command(
                    says=f"let {proxy.container} ({proxy.program}) look up names again",
                    key=f"{key}/told/{proxy.container}",
                    argv=proxy.tell,
                    ok=frozenset({0}) if strict else frozenset(range(256)),
                    parse=lambda output: output.code == 0,
                    deadline_seconds=STOP_SECONDS,
                )
            )
            if right is not False and proxy.answers:  # a plan does not know, and takes it for granted
                done.add(proxy.container)
        return frozenset(done)

    def _kept(
        self, version: Version, there: Iterable[Container] | None, beside: Neighbours, release_id: str
    ) -> frozenset[str]:
        """Return the services whose containers are those of ``version`` and stay, be it that they are started again."""
        sound, steady = set(), set()
        names = version.extra.get("names", {})
        for service, image in version.extra["images"].items():
            mine = [c for c in ours(self._services, there) if c.service == service]
            known = all(
                c.image == image
                and c.release != release_id
                and c.meant_name is None
                and names.get(service, c.name) == c.name
                and (c.commit == commit_of(version, service) or (version.adopted and not c.release))
                for c in mine
            )
            if (
                mine
                and known
                and all(c.state == "exited" or (c.running and c.health in (None, "healthy")) for c in mine)
            ):
                sound.add(service)
                if all(c.running for c in mine):
                    steady.add(service)
        # one that uses the network of what is made anew, or started again, is dead without it
        return frozenset(sound - set(beside.with_them(version, set(version.extra["images"]) - steady, release_id)))

    def _start_again(self, do: Do, kept: Collection[str], there: Iterable[Container] | None, prefix: str) -> set[str]:
        """Start the stopped containers of the services that are kept; return those services."""
        again = set()
        for service in (s for s in self._services if s in kept):
            if stopped := [c for c in ours([service], there) if not c.running]:
                again.add(service)
                do(
                    Command(
                        says=f"start {', '.join(c.name for c in stopped)} again",
                        key=f"{prefix}/again/{service}",
                        argv=("docker", "start", *(c.id for c in stopped)),
                        deadline_seconds=STOP_SECONDS,
                    )
                )
        return again

    def _labelled(self, version: Version, there: Iterable[Container]) -> dict[str, str]:
        """Return {service: release} of what runs ``version`` already: it keeps its label, and so is not replaced for a
        label's sake."""
        return {
            c.service: c.release
            for c in ours(self._services, there)
            if c.running
            and c.release
            and c.commit == commit_of(version, c.service)
            and c.image == version.extra["images"].get(c.service)
        }

    def _label(
        self, do: Do, version: Version, stay: Mapping[str, str], beside: Iterable[str], prefix: str, release_id: str
    ) -> Path:
        """Write which release starts each service, and which makes what is ``beside`` anew."""
        overrides = {
            s: ServiceOverride(labels={containers.RELEASE: stay.get(s, release_id)}) for s in version.extra["images"]
        }
        # what hangs on a container that was only started again is the same to Compose, but for a label
        again = {containers.RELEASE: release_id, containers.BESIDE: prefix}
        overrides |= {s: ServiceOverride(labels=again) for s in beside}
        for service, others in version.extra.get("unordered", {}).items():
            if service in overrides:  # what it names has to be there first
                overrides[service].depends_on = [o for o in others if o in overrides]
        path = Path(version.extra["files"][-1]).with_name(f"release-{word(release_id)}.yml")
        content = override_file(overrides)
        do(WriteFile(says=f"write {path}", key=f"{prefix}/labels", path=path, content=content, mode=0o600))
        return path

    def _groups(self, mine: Collection[str]) -> list[list[str]]:
        """Return which services are replaced together: all at once, unless the runbook demands an order."""
        ordered = [s for s in self._target.order if s in mine]
        rest = [s for s in mine if s not in ordered]
        return [*([s] for s in ordered), *([rest] if rest else [])]

    def _up(self, do: Do, project: Project, flags: Iterable[str], services: Iterable[str], key: str) -> None:
        names = tuple(services)
        do(
            Command(
                says=f"start {few(names)}",
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
        self.wait(do, ids, missing, settle, restarts(there))

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
                f"Compose started no container for {few(absent)}.",
                state="It is not running.",
                next=f"Run `docker compose -p {self._target.project} ps -a` and read the service's section in the Compose file.",
            )
        seen = self.wait(do, [c.id for c in started], services, seconds, before)
        require_sound(seen, version.extra["images"], before)

    def wait(
        self, do: Do, ids: list[str], services: list[str], seconds: float, before: Mapping[str, int]
    ) -> tuple[Container, ...]:
        """Wait until the containers ``ids`` of ``services`` have settled, and return them. Raise DeadlineError if they do
        not, ActionError as soon as one ends or is restarted. before: as `restarts` returned it."""
        names = few(services)
        if not ids:
            return ()  # Docker takes no name for a mistake
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
            do(never_ready(late or (), self._target.ready_timeout))
            raise
        require_sound(seen or (), {}, before)
        return seen or ()


def restarts(there: Iterable[Container] | None) -> dict[str, int]:
    """Return how often each running container was restarted, by id."""
    # Docker counts them from when a container was made, and one that is not replaced keeps its count
    return {c.id: c.restarts for c in there or () if c.running}


def after(group: Iterable[str], there: Iterable[Container] | None, version: Version, release_id: str) -> str:
    """Return what tells the key of a start from that of an earlier one, by the same release, of what has ended since; "" if
    there was none: a journal that has settled that one must not keep this one from happening."""
    ended = [
        f"{c.id} {c.started}"
        for c in ours(group, there)
        if not c.running and c.started and c.release == release_id and c.image == version.extra["images"].get(c.service)
    ]
    return f"-after-{hashlib.sha256(' '.join(sorted(ended)).encode()).hexdigest()[:8]}" if ended else ""


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
