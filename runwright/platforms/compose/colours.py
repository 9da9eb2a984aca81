"""Two colours of the services that get users' requests: each is started from the user's own Compose file, beside the other.

A colour's containers are the service's own but for what two cannot share: names, published ports and fixed addresses. Those
belong to the switch that stands before them (a router of ours), so that nobody in the project reaches a colour by the
service's name before it is meant to be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from runwright.engine.actions import Command, Do
from runwright.errors import VerificationError
from runwright.platforms.compose import containers
from runwright.platforms.compose.cli import Project
from runwright.platforms.compose.colour_file import colour_file, network_of, rendered_file
from runwright.platforms.compose.connections import await_quiet
from runwright.platforms.compose.containers import STOP_SECONDS, Container, containers_of
from runwright.platforms.compose.neighbours import Neighbours
from runwright.platforms.compose.rows import Place, layout, place_of
from runwright.platforms.compose.starting import Starting, after, restarts
from runwright.platforms.shape import Beside, Rows
from runwright.plural import few, plural
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.traffic import Entry, Stand, Upstream, reached
from runwright.versions import Version

SLOTS = ("blue", "green")
MEGABYTE = 1024 * 1024
QUIET_SECONDS = 10.0
"""How long it is waited for a moment in which nothing is open on what ran before there were colours."""


class Colours:
    """The services in ``traffic`` of ``target``, in two colours."""

    def __init__(self, target: ComposeTarget, starting: Starting) -> None:
        self._target = target
        self._starting = starting

    @property
    def services(self) -> tuple[str, ...]:
        """The services that run in colours."""
        return tuple(self._target.traffic) if self._target.strategy != "recreate" else ()

    def stand(self, version: Version | None, moved: Callable[[Do, str], None]) -> Stand:
        """Return where the switch stands: before the colours of ``version``, which was prepared."""
        entries = version.extra.get("entries", {}) if version is not None else {}
        return Stand(
            self._target.project,
            network_of(self._target.project),
            tuple(
                Entry(
                    name,
                    traffic.port,
                    {network: tuple(names) for network, names in entries.get(name, {}).get("names", {}).items()},
                    tuple((str(a), int(p)) for a, p in entries.get(name, {}).get("published", ())),
                )
                for name, traffic in self._target.traffic.items()
            ),
            moved,
        )

    def upstream(self, do: Do, slot: str) -> Upstream | None:
        """Return where the switch reaches ``slot``, None if it does not run."""
        there = containers_of(do, self._target.project)
        if there is not None and not all(any(c.running for c in of(there, name, slot)) for name in self.services):
            return None
        first = self.services[0]
        return Upstream(slot, reached(first, slot), self._target.traffic[first].port)

    def plain(self, there: Iterable[Container] | None, *, running: bool = True) -> tuple[Container, ...]:
        """Return the containers that run (or were stopped, without ``running``) as they did before there were colours."""
        return tuple(c for name in self.services for c in of(there, name, "") if c.running or not running)

    def start(
        self,
        do: Do,
        version: Version,
        project: Project,
        slot: str,
        prefix: str,
        release_id: str,
        *,
        keep: bool,
        anew: bool,
    ) -> None:
        """Make the colour ``slot`` run ``version``, as many containers of each service as serve now, and wait until all are
        healthy. keep: what is there of it is only started again, with the settings that it had."""
        there = containers_of(do, self._target.project)
        before = restarts(there)
        self._starting.others(do, project, version.extra["dependencies"], there, f"{prefix}/dependencies")
        counts = self.counts(there, version, slot)
        here = [c for name in self.services for c in of(there, name, slot)]
        if keep:  # users may share both colours now: what is there of it is what there was
            counts = {name: len(of(there, name, slot)) or count for name, count in counts.items()}
        if keep and all(_whole(of(there, name, slot), version, name, counts[name]) for name in self.services):
            stopped = [c for c in here if not c.running]
            if not stopped and all(c.health in (None, "healthy") for c in here):
                return  # it was kept warm
            if stopped:
                do(
                    Command(
                        says=f"start {few(c.name for c in stopped)} again",
                        key=f"{prefix}/{slot}/again",
                        argv=("docker", "start", *(c.id for c in stopped)),
                        deadline_seconds=STOP_SECONDS,
                    )
                )
        elif self._target.strategy == "rolling" and not keep:
            rows = self.rows(there, version, slot, release_id)
            for row in range(1, rows.count + 1):
                self.start_row(do, version, project, slot, replace(rows, row=row), f"{prefix}/{row}", release_id)
            return
        elif anew or not all(self._runs(there, version, name, slot, counts[name]) for name in self.services):
            key = f"{prefix}/{slot}/up{after(self.services, here, version, release_id)}"
            self._up(do, version, project, slot, counts, key, release_id, anew=anew)
        now = containers_of(do, self._target.project)
        if now is None:
            return
        mine = [c for name in self.services for c in of(now, name, slot)]
        self._starting.wait(do, [c.id for c in mine], list(self.services), self._target.settle, before)
        self._require(do, version, slot, counts)

    def stop(self, do: Do, slot: str, prefix: str) -> None:
        """Stop the colour ``slot``. Its containers stay, so that they can be started again as they were."""
        there = containers_of(do, self._target.project)
        running = [c for name in self.services for c in of(there, name, slot) if c.state not in ("exited", "created")]
        if running:
            do(
                Command(
                    says=f"stop {few(c.name for c in running)}",
                    key=f"{prefix}/{slot}/stop",
                    argv=("docker", "stop", *(c.id for c in running)),
                    deadline_seconds=STOP_SECONDS,
                )
            )

    def rows(self, there: Iterable[Container] | None, version: Version, slot: str, release_id: str) -> Rows:
        """Return the rows that ``version`` has, or gets, in ``slot``."""
        found = [c for name in self.services for c in of(there, name, slot)]
        beside = [c for name in self.services for other in SLOTS if other != slot for c in of(there, name, other)]
        mine = [c for c in found if _made(c, version, release_id)]
        return layout(mine, beside, self.counts(there, version, slot), enters=bool(self.plain(there)))

    def start_row(
        self, do: Do, version: Version, project: Project, slot: str, rows: Rows, prefix: str, release_id: str
    ) -> None:
        """Make a row of ``version`` run in ``slot``, and wait until it is healthy. What is left there of another is removed: one
        more container of a service is one more of what there is."""
        there = containers_of(do, self._target.project)
        before = restarts(there)
        self._starting.others(do, project, version.extra["dependencies"], there, f"{prefix}/dependencies")
        places = {
            name: Place(rows.row, rows.each[name], rows.count) for name in self.services if rows.row <= rows.each[name]
        }
        here = [c for name in self.services for c in of(there, name, slot)]
        strange = [c for c in here if not _made(c, version, release_id) or place_of(c) is None]
        if strange:
            says = f"remove {few(c.name for c in strange)}, which {'is' if len(strange) == 1 else 'are'} of another version"
            argv = ("docker", "rm", "--force", *(c.id for c in strange))
            do(Command(says=says, key=f"{prefix}/{slot}/gone", argv=argv, deadline_seconds=STOP_SECONDS))
        mine = {c.service: c for c in here if c not in strange and place_of(c) == places.get(c.service)}
        if stopped := [c for c in mine.values() if not c.running]:
            says, argv = f"start {few(c.name for c in stopped)}", ("docker", "start", *(c.id for c in stopped))
            key = f"{prefix}/{slot}/begin{after(self.services, stopped, version, release_id)}"
            do(Command(says=says, key=key, argv=argv, deadline_seconds=STOP_SECONDS))
        if missing := [name for name in places if name not in mine]:
            mine_now = [c for c in here if c not in strange]
            counts = {
                name: rows.row if there is None else 1 + sum(c.service == name for c in mine_now) for name in missing
            }
            made = {name: places[name] for name in missing}
            self._up(do, version, project, slot, counts, f"{prefix}/{slot}/up", release_id, made=made)
        now = containers_of(do, self._target.project)
        if now is None:
            return
        ids = {n: [c for c in of(now, n, slot) if place_of(c) == place] for n, place in places.items()}
        self._starting.wait(
            do, [c.id for some in ids.values() for c in some], list(places), self._target.settle, before
        )
        self._require(do, version, slot, dict.fromkeys(places, 1), places)

    def stop_rows(self, do: Do, reads: Do, slot: str, rows: Rows, prefix: str, seconds: float) -> int | None:
        """Stop the rows of ``slot`` up to the one that is meant as soon as nothing is open on them."""
        there = containers_of(do, self._target.project)
        if there is None:  # a plan, in which the rows before it are gone
            there = containers_of(reads, self._target.project)
            goes: Callable[[Place], bool] = lambda place: place.goes_with(rows)  # noqa: E731
        else:
            goes = lambda place: place.within(rows)  # noqa: E731
        going = {
            c: self._target.traffic[name].port
            for name in self.services
            for c in of(there, name, slot)
            if c.running and (rows.row >= rows.count if (place := place_of(c)) is None else goes(place))
        }
        if not going:
            return 0
        left = await_quiet(do, going, seconds)
        do(
            Command(
                says=f"stop {few(c.name for c in going)}, in whose place new ones serve",
                key=f"{prefix}/{slot}/stop",
                argv=("docker", "stop", *(c.id for c in going)),
                deadline_seconds=STOP_SECONDS,
            )
        )
        return left

    def make_way(self, do: Do, prefix: str) -> None:
        """Stop what holds a port that the switch is to take over: from here until it listens, nobody is served."""
        holding = [c for c in self.plain(containers_of(do, self._target.project)) if c.published]
        if holding:
            do(
                Command(
                    says=f"stop {few(c.name for c in holding)}: the switch takes over what it published",
                    key=f"{prefix}/way",
                    argv=("docker", "stop", "--time", "2", *(c.id for c in holding)),
                    deadline_seconds=STOP_SECONDS,
                )
            )

    def leave(self, do: Do, beside: Neighbours, prefix: str) -> None:
        """Remove the containers from before there were colours: they would answer to the service's names beside the switch.

        Proxies that looked the names up when they started are told, before and after: in between they know both.
        """
        there = containers_of(do, self._target.project)
        left = [c for name in self.services for c in of(there, name, "")]
        if left:
            self._starting.tell(do, beside, f"{prefix}/both", self.services, strict=False)
        if running := [c for c in left if c.running]:
            # whoever asks by the name is sent to both: that nothing is open is but a moment, and it is worth waiting for
            ports = {c: self._target.traffic[c.service].port for c in running}
            await_quiet(do, ports, QUIET_SECONDS / len(ports))
            do(
                Command(
                    says=f"stop {few(c.name for c in running)}: their colour serves",
                    key=f"{prefix}/plain",
                    argv=("docker", "stop", *(c.id for c in running)),
                    deadline_seconds=STOP_SECONDS,
                )
            )
        if left:
            self._starting.tell(do, beside, f"{prefix}/switch-alone", self.services, strict=True)
            do(
                Command(
                    says=f"remove {few(c.name for c in left)}, whose names are the switch's now",
                    key=f"{prefix}/gone",
                    argv=("docker", "rm", *(c.id for c in left)),
                    deadline_seconds=STOP_SECONDS,
                )
            )

    def staged(self, there: Iterable[Container] | None, version: Version, free: int | None) -> Beside:
        """Return what a person should know of a colour of ``version``, as the plan says it. free: the bytes of memory that the
        machine has, None if that is not known."""
        there = tuple(there or ())
        says, dark = list[str](), ""
        plain = self.plain(there)
        says += self._too_large(there, version, free)
        said: Mapping[str, int] = version.extra.get("replicas", {})
        for name, count in self.counts(there, version, "").items():
            wanted = said.get(name, 1)
            if count != wanted:
                says.append(f"{name} gets {count} containers, as many as run now; the Compose file says {wanted}.")
        if plain:
            names = {n for entry in version.extra["entries"].values() for many in entry["names"].values() for n in many}
            ports = sorted({port for c in plain for _, port in c.published})  # one for IPv4 and IPv6
            took = f" and the {_one_or_more('port', ports)}" if ports else ""
            says.append(
                f"For the first time in colours: what runs is started once more as {SLOTS[0]}, a switch takes over the "
                f"{_one_or_more('name', sorted(names))}{took}, and {few(c.name for c in plain)} "
                f"{'is' if len(plain) == 1 else 'are'} removed."
            )
            if ports:
                dark = f"once, for a second or a few, while the switch takes over {few(map(str, ports))}"
        if left := [name for name in self.services if name in version.extra.get("commits", {})]:
            says.append(
                f"{few(left)}, which is left out, is started once more as it is: all in `traffic` are moved together."
            )
        in_place = sorted(set(version.extra["images"]) - set(self.services))
        if in_place:
            says.append(
                f"Replaced in place after users were moved, because they are not in `traffic`: {few(in_place)}."
            )
        if bare := {c.service: c.published for c in there if c.service in in_place and c.published and c.running}:
            ports = sorted({port for published in bare.values() for _, port in published})
            says.append(
                f"Whoever comes by the {_one_or_more('port', ports)} of {few(bare)} is not served while that is replaced, in each "
                f"release: what users reach belongs in `traffic`, as {next(iter(bare))}: {{port: …}} with the port in its container."
            )
            dark = "; ".join(filter(None, [dark, f"in each release, while {few(bare)} is replaced in place"]))
        return Beside(tuple(says), dark)

    def _too_large(self, there: Iterable[Container], version: Version, free: int | None) -> Iterator[str]:
        """Yield what does not fit into memory beside what runs, by the limits that the Compose file sets."""
        counts = self.counts(there, version, "")
        if self._target.strategy == "rolling" and not self.plain(there):
            counts = dict.fromkeys(counts, 1)  # one at a time, and the old one goes
        each = {name: int(version.extra["entries"][name].get("memory", 0)) for name in counts}
        needed = sum(each[name] * count for name, count in counts.items())
        if free is not None and needed > free:
            what = few(f"{count} x {name}" for name, count in counts.items() if each[name])
            other = "" if self._target.strategy == "rolling" else " `strategy: rolling` needs room for one at a time."
            yield (  # not how much is free: the plan would be another one each time
                f"It may not fit: beside what serves, {what} may take {needed / MEGABYTE:.0f} MB by their memory limits, and less "
                f"is free on the machine now.{other}"
            )

    def counts(self, there: Iterable[Container] | None, version: Version, slot: str) -> dict[str, int]:
        """Return how many containers of each service ``slot`` gets: as many as serve now beside it, else as the file says."""
        said: Mapping[str, int] = version.extra.get("replicas", {})
        found = {}
        for name in self.services:
            others = [len([c for c in of(there, name, other) if c.running]) for other in ("", *SLOTS) if other != slot]
            here = len(of(there, name, slot))
            found[name] = max(others) or here or said.get(name, 1) or 1
        return found

    def _runs(self, there: Iterable[Container] | None, version: Version, name: str, slot: str, count: int) -> bool:
        mine = of(there, name, slot)
        return _whole(mine, version, name, count) and all(c.running for c in mine)

    def _up(
        self,
        do: Do,
        version: Version,
        project: Project,
        slot: str,
        counts: Mapping[str, int],
        key: str,
        release_id: str,
        *,
        anew: bool = False,
        made: Mapping[str, Place | None] | None = None,
    ) -> None:
        """Let Compose see to it that there are ``counts`` containers of each service. made: the one row that is made, and then
        nothing else is touched."""
        content = do(rendered_file(project))
        labels = {containers.RELEASE: release_id, containers.COMMIT: version.commit}
        places = dict.fromkeys(self.services) if made is None else made
        file = colour_file(content.data, places, slot, labels, network_of(project.name)) if content else b""
        scale = [word for name in places for word in ("--scale", f"{reached(name, slot)}={counts[name]}")]
        call = ("docker", "compose", "-p", project.name, "--project-directory", str(project.directory), "-f", "-")
        how = ["--no-recreate"] if made is not None else ["--force-recreate"] if anew else []
        flags = ("--no-deps", "--no-build", "--remove-orphans=false", *how, *scale)
        what = few(f"{counts[n]} x {n}" if made is None and counts[n] > 1 else n for n in places)
        do(
            Command(
                says=f"start {what if made is None else f'one more {what}'} in {slot}, beside what serves",
                key=key,
                argv=(*call, "up", "-d", *flags, *(reached(name, slot) for name in places)),
                stdin=file,
                env=project.env,
                deadline_seconds=self._target.ready_timeout + STOP_SECONDS,
            )
        )

    def _require(
        self,
        do: Do,
        version: Version,
        slot: str,
        counts: Mapping[str, int],
        places: Mapping[str, Place] | None = None,
    ) -> None:
        """Raise VerificationError unless so many containers of ``version`` run (at those ``places``)."""
        there = containers_of(do, self._target.project)
        for name in counts if there is not None else ():
            mine = [c for c in of(there, name, slot) if places is None or place_of(c) == places[name]]
            if not _whole(mine, version, name, counts[name]) or not all(c.running for c in mine):
                raise VerificationError(
                    f"{slot} of {name} is not {counts[name]} running containers of {version.name}: "
                    f"{few((f'{c.name} is {c.state}' for c in mine), '; ') or 'there is none'}.",
                    state="Users were not moved.",
                    next=f"`docker compose -p {self._target.project} ps -a` shows them.",
                )


def _one_or_more(noun: str, them: Sequence[object]) -> str:
    """Return "port 80" or "3 ports 80, 81, 82"."""
    return f"{noun if len(them) == 1 else plural(len(them), noun)} {few(map(str, them))}"


def of(there: Iterable[Container] | None, service: str, slot: str) -> tuple[Container, ...]:
    """Return the containers of ``service`` in ``slot`` ("": in none), without those of one-off jobs."""
    return tuple(c for c in there or () if c.service == service and c.slot == slot and not c.oneoff)


def _made(container: Container, version: Version, release_id: str) -> bool:
    """Return whether ``release_id`` made it of ``version``."""
    image = version.extra["images"].get(container.service)
    return (container.release, container.commit, container.image) == (release_id, version.commit, image)


def _whole(mine: Iterable[Container], version: Version, service: str, count: int) -> bool:
    mine = tuple(mine)
    image = version.extra["images"].get(service)
    return len(mine) == count and all(c.image == image and c.commit == version.commit for c in mine)
