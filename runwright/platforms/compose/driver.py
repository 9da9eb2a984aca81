"""The Compose platform: replaces a project's application services in place, one version for another."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from runwright.engine.actions import Action, Command, Do, Read
from runwright.engine.there.paths import Path
from runwright.errors import ActionError, InputError, RunwrightError
from runwright.platforms.compose import spoken
from runwright.platforms.compose.adopt import adopt
from runwright.platforms.compose.build import ComposeBuild
from runwright.platforms.compose.claims import claims, has_data
from runwright.platforms.compose.cli import Project
from runwright.platforms.compose.colours import SLOTS, Colours
from runwright.platforms.compose.config import ComposeConfig, read_config
from runwright.platforms.compose.containers import STOP_SECONDS, Container, containers_of, ours, volumes_of
from runwright.platforms.compose.copies import Place
from runwright.platforms.compose.entries import read_entries
from runwright.platforms.compose.environment import Variables, carried, configured, keys_seen
from runwright.platforms.compose.faults import inject
from runwright.platforms.compose.images import Image, image_of
from runwright.platforms.compose.jobs import Job, run_job
from runwright.platforms.compose.leaving import out_of_colours, strange_colours, take_colours_away
from runwright.platforms.compose.left_out import mounted_otherwise
from runwright.platforms.compose.neighbours import NOBODY, Neighbours, known_services, neighbours
from runwright.platforms.compose.printed import lines_of, printed
from runwright.platforms.compose.release import env_of, project_in_tree, pull_missing, put_in_place
from runwright.platforms.compose.sources import compose_files, top_of
from runwright.platforms.compose.starting import Starting
from runwright.platforms.compose.usage import health_log, memory_free, stats
from runwright.platforms.shape import (
    Beside,
    Checked,
    Claim,
    KeysSeen,
    Observed,
    Platform,
    Rows,
    ServiceFact,
    T,
    Usage,
)
from runwright.plural import few
from runwright.runbook.drill import Break, require_way
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.traffic import Stand, Upstream
from runwright.versions import Version


class Compose(Platform):
    """A Compose project whose services named in ``services`` ({service: component}, in the order of replacement) are ours.

    tree: where the clean worktree of a commit is when `prepare` is called. state: our own folder for this environment.
    env: what Compose interpolates from besides the env file; may hold secrets, and DOCKER_CONFIG for pulls.
    gone: services of the version before that the files of the new one have no more. version: what is released, if that is
    known: it says which names and ports the switch before its colours takes over. before: what it replaces.
    """

    breaks: ClassVar[frozenset[Break]] = frozenset({"kill", "errors", "latency"})
    rows_apart: ClassVar[bool] = True

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
        gone: Collection[str] = (),
        version: Version | None = None,
        before: Version | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.target = target
        self.services = dict(services)
        self._gone = frozenset(gone) - set(services)
        self._all = (*self.services, *sorted(self._gone))
        self.tree = tree
        self.state = state
        self.env = dict(env or {})
        self._names = (system, environment)
        self._version = version
        self._before = before
        self._starting = Starting(target, self._all, self._gone, clock)
        self._colours = Colours(target, self._starting)
        if self._colours.services:
            self.slots = SLOTS
            # what is replaced in place beside the colours
            mine = [s for s in self._all if s not in self._colours.services]
            self._in_place = Starting(target, mine, self._gone, clock)

    # ------------------------------------------------------------------------------------------------- what is there

    def observe(self, do: Do) -> Observed:
        """Return what runs now: image ids, health and releases of the application's own containers."""
        return Observed(tuple(c.fact() for c in self._ours(do)))

    def is_new(self, do: Do, service: str, *, prepared: bool = False) -> bool:
        """Return whether the database ``service`` of the project was never started here: there is no container, no volume
        and no folder with data, and nobody else has what the project would take.

        prepared: a job of ours ran here before, and Compose made the volumes for it; they say nothing then.
        """
        if containers_of(do, self.target.project):
            return False
        directory, config = self._in_users_folder(do)
        if claims(do, self.target, directory, config):
            return False
        if prepared:
            return True
        return not do(volumes_of(self.target.project)) and not (config and has_data(do, config, service))

    def claims(self, do: Do) -> tuple[Claim, ...]:
        """Return who else has what the project would take, as far as the files in the user's own folder tell."""
        return claims(do, self.target, *self._in_users_folder(do))

    def _in_users_folder(self, do: Do) -> tuple[Path, ComposeConfig | None]:
        """Return where the project is run from and what its files say there; None if they are not there, or not right."""
        try:
            project = project_in_tree(do, Place(self.target, self.top, self.state, self.env, self.state)).project
            return project.directory, read_config(do, project)
        except RunwrightError:
            return Path(self.target.directory), None

    def build_argv(self, do: Do) -> tuple[str, ...]:
        """Return the words of ``docker compose`` that a builder puts before ``build``, for what is in ``tree``."""
        return project_in_tree(do, self._place("")).project.argv()

    def exec_argv(self, service: str) -> tuple[str, ...]:
        """Return the words before a program that is to run inside the container of ``service``; stdin is passed on. Raise
        ActionError if it has one of each colour: see `inside`."""
        if service in self._colours.services:
            raise ActionError(f"{service} runs in colours, and it was not said in which.", state="Nothing was asked.")
        return ("docker", "compose", "-p", self.target.project, "exec", "-T", service)

    def inside(self, do: Do, service: str, slot: str) -> tuple[str, ...]:
        """Return the words before a program that is to run in a container of ``service``, in that of ``slot`` if it has colours."""
        if service not in self._colours.services:
            return self.exec_argv(service)
        there = [c for c in containers_of(do, self.target.project) or () if c.service == service and c.running]
        mine = [c.id for c in there if not c.oneoff and slot in ("", c.slot)]
        if not mine:
            raise ActionError(
                f"No container of {service} runs{f' in {slot}' if slot else ''}.", state="Nothing was asked."
            )
        return ("docker", "exec", "-i", mine[0])

    @property
    def top(self) -> Path:
        """The user's folder that stands for the top of the repository."""
        return top_of(self.target)

    @property
    def compose_env(self) -> dict[str, str]:
        """The environment for commands that begin with `build_argv`; may hold secrets."""
        return env_of(self.target, self.env)

    def expected(self, version: Version) -> dict[str, str]:
        """Return {service: image id} that `observe` shows when ``version``, which was prepared, runs.

        A service that the runbook of ``version`` had, that this one has no more, and that is still in the Compose files is
        left alone, and so not shown.
        """
        return {name: image for name, image in version.extra.get("images", {}).items() if name in self._all}

    def others(self, do: Do) -> tuple[str, ...]:
        """Return the names of the project's containers that run and are none of the application's own services."""
        there = containers_of(do, self.target.project) or ()
        return tuple(c.name for c in there if c.running and not c.oneoff and c.service not in self._all)

    def staying(self, do: Do) -> tuple[ServiceFact, ...]:
        """Return the containers of the project's services that are none of the application's own, as facts."""
        there = containers_of(do, self.target.project) or ()
        return tuple(c.fact() for c in there if c.service and not c.oneoff and c.service not in self._all)

    def lines(
        self,
        do: Do,
        services: Sequence[str],
        slot: str,
        since: datetime,
        *,
        says: str,
        parse: Callable[[tuple[str, ...]], T],
        assume: Any,
    ) -> Action[T]:
        """Return the read of what the containers of ``services`` printed, those that ended too. Raise ActionError if there are none."""
        wanted = services or self._all
        there = [c for c in containers_of(do, self.target.project) or () if c.service in wanted and not c.oneoff]
        ids = [c.id for c in there if slot in ("", c.slot) or not c.slot]
        if not ids:
            raise ActionError(f"There is no container of {few(wanted)}.", state="Nothing was asked.")
        return lines_of(ids, since, says, parse, assume)

    def health_log(self, do: Do, instances: Sequence[str]) -> dict[str, tuple[Checked, ...]]:
        """Return what the last runs of the healthchecks of the containers ``instances`` said, by name."""
        return health_log(do, instances)

    def beside(self, do: Do, version: Version) -> Beside:
        """Return what lives beside the services of ``version``, which was prepared, and what becomes of it."""
        leave = self.target.orphans == "leave"
        found = neighbours(do, self.target.project, version, self._all, self._gone, leave=leave)
        coloured = () if self.slots else [c for c in ours(self._all, found.there) if c.slot]
        out: tuple[str, ...] = ()
        refused = None
        if coloured and self._before is not None and "entries" in self._before.extra:
            out = out_of_colours(coloured, version, self._before)
        elif coloured:
            refused = strange_colours(coloured, self.target, self.state)
        return Beside((*out, *found.anew(version), *found.notes), refuses=refused or found.refuses(version), what=found)

    def staged(self, do: Do, version: Version) -> Beside:
        """Return what a person should know of a colour of ``version``: how many containers it gets, which names and ports the
        switch takes over, and what is replaced in place. Refuse what the switch could not pass users on to."""
        there = containers_of(do, self.target.project)
        unspoken = spoken.refuses(do, self._colours.plain(there), self.target.traffic)
        return replace(self._colours.staged(there, version, do(memory_free())), refuses=unspoken)

    def usage(self, do: Do, instances: Sequence[str]) -> dict[str, Usage] | None:
        """Return what the containers ``instances`` use now, by name; one that is gone is left out."""
        return stats(do, instances)

    def keys_seen(self, do: Do, service: str) -> tuple[KeysSeen, ...]:
        """Return which variables each running container of ``service`` sees, by name."""
        return keys_seen(do, self.target.project, service)

    def unplanned(self, version: Version, fact: ServiceFact) -> tuple[str, ...]:
        """Return what is mounted into a container of ``version`` that this was not prepared to have, as phrases.

        Its image may be right, and what is mounted over it runs all the same: by a file that somebody has added, or carried
        over by Docker from the container that was replaced.
        """
        return mounted_otherwise(version, fact)

    # ------------------------------------------------------------------------------------------------- new versions

    def prepare(self, do: Do, version: Version, prefix: str) -> Version:
        """Put in place what ``version`` needs and prove that its images exist; stop nothing.

        A version that was prepared or adopted before needs its images and files only, and not the tree. An image that was
        removed from this machine is pulled again if it is in a registry.
        Raise ActionError if something is missing, RefusedError if source code is mounted over the images' own.
        """
        if version.extra.get("files"):
            project = self._project(version)
            gone = do(
                Read(says="look for the files of this version", function=lambda: _missing(project)),
            )
            if not gone:
                pull_missing(do, version, prefix, self.env)
                self._require_images(do, version)
                return version
        if not version.commit or version.adopted:
            raise ActionError(
                f"Version {version.name} was adopted and its files are gone.",
                state="Nothing was started or stopped.",
                next="Release another version; this one cannot be started again.",
            )
        made = put_in_place(do, self._place(self._folder(version)), self.services, version, prefix, self._before)
        if not self._colours.services:
            return made
        entries = read_entries(do, self._project(made), self.target)
        return replace(made, extra={**made.extra, "entries": entries})

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
        return run_job(do, self._project(version), version, argv, Job(service, key, says, release_id, deadline_seconds))

    def start_dependencies(self, do: Do, version: Version, prefix: str) -> None:
        """Start what the application depends on (its database, above all) if it does not run, and wait until it is
        healthy. A first release needs this before it can migrate."""
        there = containers_of(do, self.target.project)
        project = self._project(version)
        self._starting.others(do, project, version.extra["dependencies"], there, f"{prefix}/dependencies")

    def start(
        self,
        do: Do,
        version: Version,
        slot: str,
        prefix: str,
        release_id: str,
        *,
        keep: bool = False,
        anew: bool = False,
        beside: Beside | None = None,
    ) -> None:
        """Make ``version``, which was prepared, run in place of what runs, and wait until it is healthy.

        What it depends on is started first if it does not run. What hangs on what is replaced is made anew with it, and
        proxies are told: those that ``beside`` shows. Nothing else in the project is touched. With ``keep``
        the containers of ``version`` that ``release_id`` did not make are left as they are, and only started again if
        they were stopped: Compose would make them anew if an env file was changed since, and a system that serves
        would take over a mistake in it on its way back. With ``anew`` containers are replaced although they are of ``version``
        already, but for those that are kept.
        Raise DeadlineError if it does not get healthy in time, ActionError as soon as a container ends or is restarted.
        """
        self._require_images(do, version)
        if slot:
            self._colours.start(do, version, self._project(version), slot, prefix, release_id, keep=keep, anew=anew)
            return
        there = NOBODY if beside is None else beside.what
        if not self.slots:
            there = take_colours_away(do, self._all, there, prefix)
        self._starting.replace(do, version, self._project(version), prefix, release_id, there, keep=keep, anew=anew)

    def rows(self, do: Do, version: Version, slot: str, release_id: str) -> Rows:
        """Return the rows that ``version``, which was prepared, has or gets in ``slot``: as many as what serves has."""
        return self._colours.rows(containers_of(do, self.target.project), version, slot, release_id)

    def start_row(self, do: Do, version: Version, slot: str, rows: Rows, prefix: str, release_id: str) -> None:
        """Make one more container of each service run in ``slot``, as far as it has so many, and wait until it is healthy."""
        self._require_images(do, version)
        self._colours.start_row(do, version, self._project(version), slot, rows, prefix, release_id)

    def stop_rows(self, do: Do, reads: Do, slot: str, rows: Rows, prefix: str, seconds: float) -> int | None:
        """Stop the rows of ``slot`` up to the one that is meant as soon as no connection is open on them."""
        return self._colours.stop_rows(do, reads, slot, rows, prefix, seconds)

    def start_rest(self, do: Do, version: Version, prefix: str) -> None:
        """Start what has no container yet besides the application (a proxy, mostly), as `docker compose up` would.

        Only a first release may do so: later on, what somebody has left out or removed stays away.
        """
        there = containers_of(do, self.target.project)
        known = {c.service for c in there or () if c.state != "created"}
        never = [name for name in version.extra["others"] if name not in known]
        self._starting.others(do, self._project(version), never, there, f"{prefix}/others", self.target.settle)

    def upstream(self, do: Do, slot: str) -> Upstream | None:
        """Return where the switch reaches ``slot``, None if it does not run, or there are no slots."""
        return self._colours.upstream(do, slot) if slot else None

    def stand(self) -> Stand | None:
        """Return where the switch stands; None where services are replaced in place."""
        return self._colours.stand(self._version, self._moved) if self.slots else None

    def _moved(self, do: Do, key: str) -> None:
        """Let proxies look up names again that lead to another switch now."""
        if self._version is not None and self._version.extra.get("files"):
            self._starting.tell(do, self.beside(do, self._version).what, key, self._colours.services, strict=False)

    def plain(self, do: Do, *, running: bool = True) -> bool:
        """Return whether services that are meant to run in colours run as they did before there were any."""
        return bool(self._colours.plain(containers_of(do, self.target.project), running=running))

    def stop_beside(self, do: Do, prefix: str) -> None:
        """Stop the application's own containers that are in no colour."""
        self._stop([c for c in self._ours(do) if not c.slot], do, prefix)

    def make_way(self, do: Do, prefix: str) -> None:
        """Stop what holds a port that the switch is to take over."""
        self._colours.make_way(do, prefix)

    def leave(self, do: Do, version: Version, prefix: str) -> None:
        """Remove what ran before there were colours: the switch has its names and ports now."""
        self._colours.leave(do, self.beside(do, version).what, prefix)

    def replace_others(
        self, do: Do, version: Version, prefix: str, release_id: str, *, keep: bool = False, anew: bool = False
    ) -> None:
        """Replace in place what does not run in colours, and wait until it is healthy."""
        if not set(version.extra["images"]) - set(self._colours.services):
            return
        beside: Neighbours = self.beside(do, version).what
        self._in_place.replace(do, version, self._project(version), prefix, release_id, beside, keep=keep, anew=anew)

    def stop(self, do: Do, slot: str, prefix: str) -> None:
        """Stop the application's own services (of ``slot``, if one is given); database, proxy and the rest stay up."""
        if slot:
            self._colours.stop(do, slot, prefix)
            return
        self._stop(self._ours(do), do, prefix)

    def _stop(self, there: Iterable[Container], do: Do, prefix: str) -> None:
        left = self._gone if self.target.orphans == "leave" else ()
        running = [c for c in there if c.state not in ("exited", "created") and c.service not in left]
        if running:
            do(
                Command(
                    says=f"stop {', '.join(c.name for c in running)}",
                    key=f"{prefix}/stop",
                    argv=("docker", "stop", *(c.id for c in running)),
                    deadline_seconds=STOP_SECONDS,
                )
            )

    def inject(self, do: Do, slot: str, by: Break, prefix: str) -> None:
        """Break the application's own containers; database, proxy and the rest stay as they are."""
        require_way(self.breaks, by)
        inject(do, [c for c in self._ours(do) if c.running and c.slot == slot], by, prefix)

    def printed(self, do: Do, release_id: str) -> str:
        """Return what the containers that ``release_id`` started printed last, "" if there are none. May hold secrets."""
        return printed(do, [c for c in self._ours(do) if c.release == release_id])

    def variables(self, do: Do, versions: Iterable[Version]) -> Variables:
        """Return the variables of the services of ``versions``; if none was prepared, as the user's own folder has them.

        May hold secrets. Raise ActionError or InputError if the files of one are not there, or not right.
        """
        projects = [self._project(version) for version in versions if version.extra.get("files")]
        if not projects:
            projects = [self._in_own_folder(do)]
        return tuple(pair for project in projects for pair in configured(do, project))

    def carried(self, do: Do, names: Collection[str]) -> Variables:
        """Return what the containers of the project carry of the variables ``names``. May hold secrets. Raise ActionError."""
        return carried(do, self.target.project, names)

    def recipes(self) -> ComposeBuild:
        """Return how Compose builds the images of what is in ``tree``."""
        services = {
            component: tuple(s for s, c in self.services.items() if c == component)
            for component in self.services.values()
        }
        return ComposeBuild(self.build_argv, self.top, services, self.compose_env)

    def adopt(self, do: Do, prefix: str, slot: str = "") -> Version | None:
        """Return what runs now as a version that can be started again, or None if nothing of ours runs.

        ``extra["drifted"]`` names the services whose files or env file were changed since they were started.
        """
        found = ours(self.services, containers_of(do, self.target.project))
        there = [c for c in found if c.running and c.slot in (slot, "")]
        if not slot and (refused := strange_colours(found, self.target, self.state)):
            raise refused
        if not there:
            return None
        system, environment = self._names
        blank = Version(system, environment, "", "")
        project = Project(
            self.target.project, Path(self.target.directory), (), (), tuple(self.target.profiles), self.compose_env
        )
        return adopt(do, there, self.services, blank, self.state, project, prefix)

    @staticmethod
    def gone(before: Version | None, version: Version | None, services: Collection[str]) -> frozenset[str]:
        """Return the services that ``before`` ran and that ``version`` has no more in its files; as long as it is not
        prepared, those that are not among ``services``."""
        ran = frozenset(before.extra.get("images", ())) if before is not None else frozenset[str]()
        known = known_services(version) if version is not None and version.extra.get("files") else frozenset(services)
        return ran - known

    # ------------------------------------------------------------------------------------------------------- details

    def _ours(self, do: Do) -> tuple[Container, ...]:
        return ours(self._all, containers_of(do, self.target.project))

    def _folder(self, version: Version) -> str:
        # one commit may be built or run otherwise a second time: what the first release of it runs from must stay
        made_of = [
            sorted((a.component, a.identity) for a in version.artifacts),
            self.services,
            self.target.model_dump(mode="json"),
        ]
        return f"{version.commit[:12]}-{hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:8]}"

    def _place(self, name: str) -> Place:
        return Place(self.target, self.tree, self.state / "releases" / name, self.env, self.tree.parent)

    def _project(self, version: Version) -> Project:
        if not version.extra.get("files"):
            raise InputError(
                f"Version {version.name} was not prepared.", next="Call `prepare` first and use the version it returns."
            )
        return Project.from_json(self.target.project, version.extra, self.compose_env)

    def _in_own_folder(self, do: Do) -> Project:
        """Return the project as the user's own folder has it."""
        target, wanted = self.target, Path(self.target.directory) / (self.target.env_file or ".env")
        env_files = (wanted,) if do(Read(says=f"look for {wanted}", function=wanted.is_file)) else ()
        named = compose_files(do, target, self.top, env_files, self.compose_env)
        files = tuple(self.top / name for name in named.names)
        return Project(target.project, named.directory, files, env_files, tuple(target.profiles), self.compose_env)

    def _require_images(self, do: Do, version: Version) -> None:
        for image in dict.fromkeys(version.extra["images"].values()):
            if image_of(do, image, assume=Image(image)) is None:
                raise ActionError(
                    f"Image {image[:19]} of version {version.name} is not on this machine.",
                    state="Nothing was started or stopped.",
                    next="Build or pull this version again, then run again.",
                )


def _missing(project: Project) -> list[str]:
    return [str(f) for f in project.files if not f.is_file()]
