"""Caddy among containers: one of ours for each service, which has the service's names and ports and never changes with a version."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import ClassVar

from runwright.engine.actions import Command, Do, Read, Wait
from runwright.engine.effects import fences
from runwright.errors import ActionError, CancelledError, DeadlineError, VerificationError
from runwright.routers.base import POLL_SECONDS, TargetFile
from runwright.routers.caddy import configuration, containers, fault, state
from runwright.routers.caddy.containers import Found
from runwright.routers.caddy.standing import CONFIG, CURRENT, RUN, SHARED, Standing
from runwright.routers.caddy.state import EVERYWHERE
from runwright.routers.caddy.target import line, word
from runwright.routers.target import Target
from runwright.runbook.drill import Break, require_way
from runwright.runbook.routers.shape import Router as Spec
from runwright.traffic import LOOPBACK, Counted, Entry, Stand, Upstream, reached

START_SECONDS = 30.0
PULL_SECONDS = 600.0
GRACE_SECONDS = 15  # more than Caddy itself gives to requests in flight
CLIENTS = "front"
"""What `door` calls the way that clients take."""


class CaddySwitch(TargetFile):
    """The Caddys of a `Stand`, which share one target file and so change all at once, by one rename."""

    breaks: ClassVar[frozenset[Break]] = frozenset({"errors", "latency"})
    parts: ClassVar[bool] = True
    leaves: ClassVar[bool] = True

    def __init__(self, spec: Spec, folder: Path, python: str, stand: Stand, token: int | None = None) -> None:
        super().__init__(spec.drain_timeout, folder / "fence", token)
        self._folder = folder
        self._python = python
        self._stand = stand
        # what stands inside a router of the team's own has no word about cookies
        self._sticky = bool(getattr(spec, "sticky", False))
        self._all = tuple(Standing(stand, entry, spec.image, folder, self._sticky) for entry in stand.entries)
        self.log = folder / stand.entries[0].service
        self._has_folder = False
        self._ready = set[str]()
        """The makes of which a container was made, or is planned to be: a plan does not see it."""

    # ------------------------------------------------------------------------------------------------------- reading

    @property
    def target_file(self) -> Path:
        """The file that names the target of all services."""
        return self._folder / SHARED / configuration.TARGET

    def at(self, called: str) -> Upstream:
        """Return where the first service's containers of a slot, or of a part of one, are on the network between."""
        entry = self._stand.entries[0]
        slot, _, part = called.partition("-")
        return Upstream(slot, reached(entry.service, slot, part), entry.port, part=part)

    def known(self, target: Target) -> Target:
        """Return ``target`` with the addresses that slots always have here."""
        return target.moved(lambda to: self.at(word(to)))

    def named(self) -> Target | None:
        """Return what the target file names."""
        return state.named(self.target_file, self.at)

    def content(self, target: Target) -> bytes:
        """Return the content of the target file: slots alone."""
        return line(target, addressed=False)

    def served(self) -> Target | None:
        """Return what all of them say that they serve. Raise ActionError if one does not answer, or they differ."""
        told = {one.entry.service: state.served(self._run(one.entry), self.at) for one in self._all}
        first, *others = told.values()
        if any(other != first for other in others):
            words = ", ".join(f"{service}: {target or 'nothing'}" for service, target in told.items())
            raise ActionError(f"What stands before the services does not agree: {words}.")
        return first

    def count(self) -> dict[str, Counted]:
        """Return what all of them counted since each was started."""
        found = {slot: Counted() for slot in configuration.MARKS}
        for one in self._all:
            for slot, counted in state.counted(self._run(one.entry)).items():
                found[slot] += counted
        return found

    def shares(self) -> bool:
        """Return whether all of them can share requests among two slots."""
        return all(state.shares(self._run(one.entry), sticky=self._sticky) for one in self._all)

    def front(self, do: Do) -> str:
        """Return the address at which clients find the first service, on this machine; "" if it does not run."""
        try:
            found = self.door(do, CLIENTS)
        except CancelledError:
            raise
        except ActionError:
            return ""
        return found.url if found else ""

    def door(self, do: Do, slot: str) -> Upstream | None:
        """Return an address of this machine that leads to the first service's ``slot`` alone, or the way of its clients
        (``front``); None if it does not run."""
        return self.doors(do, slot).get(self._stand.entries[0].service)

    def doors(self, do: Do, slot: str) -> dict[str, Upstream]:
        """Return the same for each service that runs."""
        running = {found.made: found for found in containers.ours(do, self._stand.project) if found.runs}
        there = {}
        for one in self._all:
            found = running.get(self._made(do, one.entry))
            where = found.ports.get(one.entry.port if slot == CLIENTS else one.door(slot), ()) if found else ()
            if slot == CLIENTS:  # by the address that clients know, if there is one
                where = tuple(
                    sorted(where, key=lambda bound: bound[1] not in {port for _, port in one.entry.published})
                )
            if where:
                host, port = where[0]
                there[one.entry.service] = Upstream(slot, LOOPBACK if host in (*EVERYWHERE, "") else host, port)
        return there

    # ------------------------------------------------------------------------------------------------------ changing

    def make_ready(self, do: Do, key: str) -> None:
        """Make the container that is to stand for each service, with its files and its names; none is started."""
        self._private(do, key)
        self.announce(do, f"{key}/fence")
        there = {found.made: found for found in containers.ours(do, self._stand.project)}
        for one in self._all:
            self._made_ready(do, one, there.get(one.make), f"{key}/{one.entry.service}")

    def ensure(self, do: Do, key: str, first: Upstream | None = None) -> None:
        """Let one stand for each service, as it must be now. Who stands as it must is left alone, and a new one stands before
        its predecessor goes, but where that one has a port of this machine which both need. first: what is served if they were
        never told anything.

        Raise ActionError if somebody else has a port, or a network is missing; DeadlineError if one does not answer.
        """
        self._private(do, key)
        self.announce(do, f"{key}/fence")
        self.begin_with(do, first, key)
        there = containers.ours(do, self._stand.project)
        for one in self._all:
            self._stands(
                do, one, [found for found in there if found.service == one.entry.service], f"{key}/{one.entry.service}"
            )
        services = {one.entry.service for one in self._all}
        for found in there:
            if found.service not in services:
                self._remove(do, found, f"{key}/{found.service}/gone")

    def inject(self, do: Do, slot: str, by: Break, seconds: float, key: str) -> None:
        """Spoil what clients of the first service get from ``slot``. Raise ActionError if it does not run."""
        require_way(self.breaks, by)
        self.announce(do, f"{key}/fence")
        served, door = self._targets(do, None)[1], self.door(do, slot)
        if served is None or served.at(slot) is None or door is None:
            raise ActionError(f"Nobody is sent to {slot}: nothing can be broken.", state="Nothing was broken.")
        permit = None if self._token is None else fences.permit(self._fence, self._token)
        run = self._run(self._stand.entries[0])
        fault.begin(do, run, fault.Spoilt(door, by, seconds, permit), self._python, key)

    def end_faults(self, do: Do, slots: tuple[str, ...], key: str) -> None:
        """End what a drill spoils of ``slots``, if it still does."""
        fault.end(do, self._run(self._stand.entries[0]), slots, key)

    def stop(self, do: Do, key: str) -> None:
        """Stop what stands, which lets what it has begun come to its end; the target file stays."""
        self.end_faults(do, tuple(configuration.MARKS), f"{key}/unspoilt")
        for found in containers.ours(do, self._stand.project):
            self._stop(do, found, f"{key}/{found.service}-{found.made}")

    def leave(self, do: Do, key: str) -> None:
        """Remove what stands, which lets what it has begun come to its end, and last of all the target file: as long as that is
        there, the way back is to stand there again."""
        self.announce(do, f"{key}/fence")
        self.end_faults(do, tuple(configuration.MARKS), f"{key}/unspoilt")
        for found in containers.ours(do, self._stand.project):
            self._remove(do, found, f"{key}/{found.service}-{found.made}")
        file = self.target_file
        if do(Read(says=f"see whether {file} is there", function=file.exists, assume=True)):
            do(Command(argv=("rm", "-f", str(file)), says="forget where users were sent", key=f"{key}/forgotten"))

    # ------------------------------------------------------------------------------------------------------- helpers

    def _run(self, entry: Entry) -> Path:
        """Return the folder in which what stands for ``entry`` now runs. Raise ActionError if nothing ever did."""
        place = self._folder / entry.service
        try:
            return place / (place / CURRENT).read_text().strip() / RUN
        except OSError:
            return place / RUN  # which is not there either: whoever asks is told that

    def _made(self, do: Do, entry: Entry) -> str:
        return do(
            Read(
                says=f"see what stands for {entry.service}",
                function=lambda: self._run(entry).parent.name,
                assume="",
                untouched=True,
            )
        )

    def _stands(self, do: Do, one: Standing, there: list[Found], key: str) -> None:
        """Let ``one`` stand, and nothing else for its service."""
        others = [found for found in there if found.made != one.make]
        in_the_way: list[Found] = []
        mine = next((found for found in there if found.made == one.make), None)
        self._made_ready(do, one, mine, key)
        begins = mine is None or not mine.runs
        if begins:
            in_the_way = self._in_the_way(do, one, others)
            for found in in_the_way:
                self._remove(do, found, f"{key}/before-{found.made}")
                others.remove(found)
            after = f"-after-{mine.finished}" if mine is not None and mine.state != "created" else ""
            says = f"let {one.name} stand for {one.entry.service}"
            key_of_it = f"{key}/start-{one.make}{after}"  # a second start in one release is a change of its own
            do(Command(argv=("docker", "start", one.name), says=says, key=key_of_it, deadline_seconds=60.0))
        self._await(do, one)
        if self._made(do, one.entry) != one.make:
            says = f"note that {one.name} stands for {one.entry.service}"
            current = self._folder / one.entry.service / CURRENT
            do(self._write(current, f"{one.make}\n".encode(), says=says, key=f"{key}/current-{one.make}"))
        if others:
            self._stand.moved(do, f"{key}/moved-{one.make}/both")
        for found in others:
            self._remove(do, found, f"{key}/after-{found.made}")
        if others or in_the_way or (begins and mine is not None):  # started again it may have another address
            self._stand.moved(do, f"{key}/moved-{one.make}/alone")

    def _private(self, do: Do, key: str) -> None:
        """See to it that its folder is there, and nobody else's."""
        if self._has_folder:
            return
        whose = Read(
            says="see whose folder it is",
            function=lambda: state.private(self._folder),
            assume=False,
            untouched=True,
        )
        if not do(whose):
            words = ("install", "-d", "-m", "700", str(self._folder))
            do(Command(argv=words, says=f"make the folder {self._folder}", key=f"{key}/folder"))
        self._has_folder = True

    def _made_ready(self, do: Do, one: Standing, mine: Found | None, key: str) -> None:
        """Let its container be there, with its names."""
        if mine is None and one.make in self._ready:
            return
        if mine is None:
            self._make(do, one, key)
        self._connect(do, one, mine, key)
        self._ready.add(one.make)

    def _make(self, do: Do, one: Standing, key: str) -> None:
        """Make its container, which does not run yet, with its files."""
        if not containers.outward(do, sorted(one.networks)):
            raise ActionError(
                f"All networks of {one.entry.service} are internal: no port of this machine leads there, not even for a look at a version.",
                state="Nothing was started.",
                next="Give the service a network that is not `internal` besides, or another strategy.",
            )
        for folder in (self._folder / SHARED, one.place / CONFIG, one.place / RUN):
            if not do(
                Read(says=f"see whether {folder} is there", function=folder.is_dir, assume=False, untouched=True)
            ):
                words = ("install", "-d", "-m", "700", str(folder))
                do(Command(argv=words, says=f"make the folder {folder}", key=f"{key}/folder-{one.make}-{folder.name}"))
        file = one.place / CONFIG / configuration.FILE
        says = f"write how {one.entry.service} is served"
        do(self._write(file, one.content(), says=says, key=f"{key}/config-{one.make}"))
        user = containers.user(do, os.geteuid(), os.getegid())
        says = f"make {one.name}, which is to stand for {one.entry.service}"
        do(Command(argv=one.create(user), says=says, key=f"{key}/create-{one.make}", deadline_seconds=PULL_SECONDS))

    def _connect(self, do: Do, one: Standing, mine: Found | None, key: str) -> None:
        """Give it the names that it does not have yet. Whoever made it may not have come so far."""
        there = (
            mine.networks if mine is not None else {self._stand.network: frozenset(one.networks[self._stand.network])}
        )
        for network, names in one.networks.items():
            if network in there and set(names) <= there[network]:
                continue
            of = f"{one.make}-{network}"
            if network in there:
                says = f"take {one.name} from {network}, where it lost a name"
                argv = ("docker", "network", "disconnect", network, one.name)
                do(Command(argv=argv, says=says, key=f"{key}/disconnect-{of}"))
            says = f"let it be {' and '.join(dict.fromkeys(names)) or 'there'} on {network}"
            do(Command(argv=one.connect(network), says=says, key=f"{key}/connect-{of}"))

    def _in_the_way(self, do: Do, one: Standing, others: list[Found]) -> list[Found]:
        """Return those of ``others`` that have a port which ``one`` needs. Raise ActionError if somebody else has one."""
        own = {found.name: found for found in others}
        taken: list[Found] = []
        for host, port in one.entry.published:
            names = [name for name in containers.holders(do, port) if name != one.name]
            for name in names:
                if name not in own:
                    raise ActionError(
                        f"Port {port} of this machine, which {one.entry.service} is known by, belongs to the container {name}.",
                        state=f"What is to stand for {one.entry.service} was not started; what has the port was left alone.",
                        next=f"Take the port from {name} (start it without `ports`), then run it again.",
                    )
                taken += [own[name]] if own[name] not in taken else []
            if not names:
                says, free = f"see whether port {port} is free", partial(state.free_port, host or EVERYWHERE[0], port)
                do(Read(says=says, function=free, assume=port))
        return taken

    def _stop(self, do: Do, found: Found, key: str) -> None:
        if found.runs:
            argv = ("docker", "stop", "--time", str(GRACE_SECONDS), found.id)
            do(Command(argv=argv, says=f"stop {found.name}", key=f"{key}/stop", deadline_seconds=GRACE_SECONDS + 15))

    def _remove(self, do: Do, found: Found, key: str) -> None:
        self._stop(do, found, key)
        do(Command(argv=("docker", "rm", "--force", found.id), says=f"remove {found.name}", key=f"{key}/remove"))

    def _await(self, do: Do, one: Standing) -> None:
        def answers() -> bool:
            state.ask(one.place / RUN, configuration.TARGET)
            return True

        read = Read(says=f"see whether {one.name} answers", function=answers, asks=True, assume=True)
        wait = Wait(
            read=read,
            until=bool,
            every_seconds=POLL_SECONDS,
            deadline_seconds=START_SECONDS,
            says=f"wait until {one.name} answers",
            assume=True,
        )
        try:
            do(wait)
        except CancelledError:
            raise
        except DeadlineError as error:
            raise VerificationError(
                f"{one.name} was started and does not answer.",
                state="It was left as it is; what stood there before stands still, unless it had the same port of this machine.",
                next=f"`docker logs {one.name}` says why. Then run it again.",
            ) from error
