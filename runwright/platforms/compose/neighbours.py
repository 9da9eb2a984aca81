"""What lives beside the services that are replaced, and what becomes of it.

What hangs on a service that is replaced is made anew with it, as `docker compose up -d` does. A proxy that looked names up
when it started is told to look again; one that looks them up all the time is left alone. What is not the project's own is
never touched: it is named.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from runwright.engine.actions import Command, Do, Output
from runwright.errors import RefusedError
from runwright.platforms.compose.config import DEPENDS
from runwright.platforms.compose.containers import Container, containers_of, running_here
from runwright.versions import Version

ASKS_AGAIN = frozenset({"caddy", "traefik", "envoy"})
"""Proxies that look names up as they need them: an address that moves is no matter to them."""

CHECKS: Mapping[str, tuple[str, ...]] = {
    "nginx": ("nginx", "-t", "-q"),
    "haproxy": ("haproxy", "-c", "-q"),
    "httpd": ("httpd", "-t"),
    "apache2": ("apache2ctl", "-t"),
}
"""Proxies that look names up when they start, and how each checks its configuration: it would start again with that."""

_RELOADS: Mapping[str, tuple[str, ...]] = {
    "nginx": ("nginx", "-s", "reload"),
    "httpd": ("httpd", "-k", "graceful"),
    "apache2": ("apache2ctl", "graceful"),
}
_DUMPS: Mapping[str, tuple[str, ...]] = {"nginx": ("nginx", "-T", "-q")}
"""How a proxy tells all of its configuration."""
_WORD = re.compile(r"[a-z0-9](?:[a-z0-9_.-]*[a-z0-9])?")
_OPTION = re.compile(r"\s(-[cpfd]) (\S+)")
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - what Docker calls every address of this machine


@dataclass(frozen=True)
class Proxy:
    """A proxy that looked names up when it started. container: its name. options: those that name its configuration.

    refuses: what its own check says against its configuration: told to look again, it would stay as it is. "" if nothing.
    names: the application's services that its configuration names; None: it cannot be asked for that.
    """

    container: str
    service: str
    program: str
    options: tuple[str, ...] = ()
    manages: bool = True
    """Whether a process of it can be told (haproxy runs with a master); else it has to be restarted."""
    refuses: str = ""
    names: frozenset[str] | None = None

    @property
    def answers(self) -> bool:
        """Whether being told says how that went: it has looked names up by then, or refuses."""
        return self.program in _RELOADS

    def meets(self, moved: Collection[str]) -> bool:
        """Return whether it may have looked up a name of one of the services ``moved``."""
        return self.names is None or bool(self.names & frozenset(moved))

    @property
    def check(self) -> tuple[str, ...]:
        """The command that lets it check its configuration, in its container."""
        first, *rest = CHECKS[self.program]
        return ("docker", "exec", self.container, first, *self.options, *rest)

    @property
    def tell(self) -> tuple[str, ...]:
        """The command that lets it look names up again without dropping a request, where it can."""
        if self.program in _RELOADS:
            first, *rest = _RELOADS[self.program]
            return ("docker", "exec", self.container, first, *self.options, *rest)
        if self.manages:
            return ("docker", "kill", "--signal", "USR2", self.container)
        return ("docker", "restart", self.container)


@dataclass(frozen=True)
class Neighbours:
    """What lives beside a version's services. there: the project's containers, also those that are replaced; None: not asked.

    proxies: the project's own, which are told. steady: services that go on as they are if they only depend on another: the
    application's own, too, which are replaced in their order.
    notes: what else a person should know, a sentence each. taken: why it could not start, a sentence each.
    """

    there: tuple[Container, ...] | None = None
    proxies: tuple[Proxy, ...] = ()
    steady: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()

    def anew(self, version: Version) -> tuple[str, ...]:
        """Return what the release of ``version`` touches beside its own services, a sentence each."""
        found = self.with_them(version, version.extra["images"], "")
        why = "; ".join(f"{service} {how}" for service, how in found.items() if service not in version.extra["images"])
        moved = {*version.extra["images"], *found}
        told = ", ".join(f"{p.container} ({p.program})" for p in self.proxies if p.meets(moved))
        return (
            *([f"Made anew with what it hangs on, as `docker compose up` does: {why}."] if why else []),
            *([f"Told to look up names again, since addresses move: {told}."] if told else []),
        )

    def refuses(self, version: Version) -> RefusedError | None:
        """Return why ``version`` could not start beside this, or would leave users with a proxy that finds nobody."""
        if self.taken:
            return RefusedError(
                f"{version.name} could not start: {'; '.join(self.taken)}.",
                state="Nothing was changed.",
                next="Stop or rename what is in the way (`docker ps` shows it); if it is an earlier version of this system that "
                "was started by hand, release that version first, by its own services' names: then it is the way back.",
            )
        for proxy in self.proxies:
            if proxy.refuses:
                return RefusedError(
                    f"{proxy.container} ({proxy.program}) refuses its own configuration: {proxy.refuses}",
                    state="Nothing was changed; it serves on with what it read when it started.",
                    next="Addresses move with this release, and it could not be told. Put its configuration right: "
                    f"`{' '.join(proxy.check)}` must succeed.",
                )
        return None

    def with_them(self, version: Version, moved: Collection[str], release_id: str) -> dict[str, str]:
        """Return {service: why} of what is made anew because it hangs on ``moved`` services, however far up.

        Only what runs, or what ``release_id`` made anew before it was interrupted: what somebody stopped stays so.
        """
        alive = {c.service for c in self.there or () if not c.oneoff and (c.state in _ALIVE or c.release == release_id)}
        followers: Mapping[str, Mapping[str, str]] = version.extra.get("followers", {})
        found: dict[str, str] = {}
        while True:
            gone = {*moved, *found}
            more = {
                service: f"{how} {other}"
                for service, used in followers.items()
                for other, how in used.items()
                if other in gone and service in alive - gone and not (how == DEPENDS and service in self.steady)
            }
            if not more:
                return found
            found |= more


NOBODY = Neighbours()
_ALIVE = frozenset({"running", "restarting", "paused"})


def neighbours(
    do: Do, project: str, version: Version, services: Collection[str], gone: Collection[str], *, leave: bool
) -> Neighbours:
    """Return what lives beside ``version``. services: the application's own. gone: those that only an earlier version has.

    leave: whether those are left running.
    """
    there, here = containers_of(do, project) or (), running_here(do)
    mine = [c for c in there if c.service in (*services, *gone) and not c.oneoff]
    programs = _programs(do, _near(here, mine, project, version, services), _called(there, version, services))
    proxies = [p for p in programs.values() if isinstance(p, Proxy)]
    followers = version.extra.get("followers", {})
    own = tuple(p for p in proxies if p.service and _only_depends(followers.get(p.service, {})))
    strange = [p for p in proxies if not p.service]
    asks_again = {c.service for c in there if programs.get(c.name) in ASKS_AGAIN}
    return Neighbours(
        there=there,
        proxies=own,
        steady=frozenset({*asks_again, *(p.service for p in own), *version.extra["images"]}),
        notes=(*_orphans(there, version, gone, leave=leave), *_strangers(here, mine, project, strange)),
        taken=_taken(here, there, project, version, () if leave else gone),
    )


def _only_depends(used: Mapping[str, str]) -> bool:
    return all(how == DEPENDS for how in used.values())


def _near(
    here: Iterable[Container], mine: Collection[Container], project: str, version: Version, services: Collection[str]
) -> list[tuple[Container, str]]:
    """Return who may know an address of ``mine``, and its service if it is the project's."""
    networks = frozenset[str]().union(*(c.networks for c in mine))
    found = []
    for container in here:
        own = container.project == project and not container.oneoff
        if own and container.service in services:
            continue
        if container.networks & networks or (own and container.service in version.extra.get("followers", {})):
            found.append((container, container.service if own else ""))
    return found


def _called(there: Iterable[Container], version: Version, services: Collection[str]) -> dict[str, frozenset[str]]:
    """Return {service: what it may be called} of what may move: the application's own, and what hangs on them."""
    found: dict[str, set[str]] = {name: {name} for name in (*services, *version.extra.get("followers", ()))}
    for container in there:
        if container.service in found:
            found[container.service] |= {container.name, *container.aliases}
    for service, entry in version.extra.get("entries", {}).items():
        found.setdefault(service, {service}).update(*entry["names"].values())
    return {service: frozenset(names) for service, names in found.items()}


def _programs(
    do: Do, near: Iterable[tuple[Container, str]], called: Mapping[str, frozenset[str]]
) -> dict[str, Proxy | str]:
    found: dict[str, Proxy | str] = {}
    for container, service in near:
        look: Command[tuple[str, ...]] = Command(
            says=f"look which program {container.name} runs",
            argv=("docker", "top", container.id, "-eo", "pid,args"),
            ok=frozenset({0, 1}),
            parse=lambda output: tuple(output.text.splitlines()[1:]),
            assume=(),
        )
        lines = do(look)
        if program := program_of(lines, container.name, service):
            found[container.name] = program
    return {n: _checked(do, p, called) if isinstance(p, Proxy) and p.service else p for n, p in found.items()}


def program_of(lines: Iterable[str], container: str, service: str) -> Proxy | str:
    """Return the proxy that is among the processes of a container (``pid args`` each), or its name if it asks again
    by itself; "" if there is none."""
    for line in lines:
        _, _, args = line.strip().partition(" ")
        name = PurePosixPath((args.split() or [""])[0]).name.rstrip(":")
        if name in ASKS_AGAIN:
            return name
        if name in CHECKS:
            options = tuple(word for pair in _OPTION.findall(args) for word in pair) if name != "apache2" else ()
            manages = name != "haproxy" or bool(re.search(r"\s-Ws?\b", args))
            return Proxy(container, service, name, options, manages)
    return ""


def _checked(do: Do, proxy: Proxy, called: Mapping[str, frozenset[str]]) -> Proxy:
    look: Command[str] = Command(
        says=f"let {proxy.container} ({proxy.program}) check its configuration",
        argv=proxy.check,
        ok=frozenset(range(256)),
        parse=_refusal,
        assume="",
    )
    refuses, names = do(look), None
    if proxy.program in _DUMPS and not refuses:
        first, *rest = _DUMPS[proxy.program]
        dump: Command[frozenset[str] | None] = Command(
            says=f"see which services the configuration of {proxy.container} names",
            argv=("docker", "exec", proxy.container, first, *proxy.options, *rest),
            ok=frozenset(range(256)),
            parse=lambda output: None if output.code else named(output.text, called),  # it may hold secrets
            assume=None,
        )
        names = do(dump)
    return replace(proxy, refuses=refuses, names=names)


def named(text: str, called: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return the services of which a configuration has one of the names, as a word of its own, outside of comments."""
    lines = (line.partition("#")[0] if line.lstrip().startswith("#") else line for line in text.splitlines())
    found = {word for line in lines for word in _WORD.findall(line.lower())}
    words = found | {word.partition(".")[0] for word in found}  # NAME.NETWORK is a name as well
    return frozenset(service for service, names in called.items() if words & {name.lower() for name in names})


def _refusal(output: Output) -> str:
    if output.code == 0:
        return ""
    lines = [line.strip() for line in (output.stderr + output.stdout).decode("utf-8", "replace").splitlines()]
    # the first sentence is the mistake, what follows is that there was one
    return next((line for line in lines if line), f"it exited with {output.code}")[:300]


def _orphans(there: Iterable[Container], version: Version, gone: Collection[str], *, leave: bool) -> tuple[str, ...]:
    known = known_services(version)
    found = [c for c in there if c.service not in known and c.state in _ALIVE and not c.oneoff]
    stopped = [] if leave else [c for c in found if c.service in gone]
    left = [c for c in found if c not in stopped]
    said = {
        "Stopped, because {} has no such service": stopped,
        "Left running, although the Compose files of {} have no such service": left,
    }
    return tuple(
        f"{what.format(version.name)}: {', '.join(f'{c.service} ({c.name})' for c in some)}."
        for what, some in said.items()
        if some
    )


def known_services(version: Version) -> frozenset[str]:
    """Return all services that the files of ``version``, which was prepared, have."""
    extra = version.extra
    return frozenset(
        {*extra["images"], *extra.get("others", ()), *extra.get("dependencies", ()), *extra.get("run_once", ())}
    )


def _strangers(
    here: Iterable[Container], mine: Iterable[Container], project: str, proxies: Iterable[Proxy]
) -> tuple[str, ...]:
    names = {word: c.name for c in mine for word in (c.id, c.name)}
    hang = [(c, names[of]) for c in here if c.project != project for of in c.shares if of in names]
    return (
        *(
            f"{c.name} uses the network, the processes or the memory of {of} and is not of this project, so it is not touched: "
            "make it anew by hand once that is replaced, or it stays cut off."
            for c, of in dict(hang).items()
        ),
        *(
            f"{p.container} ({p.program}) is on a network of this project and not of it, so it is not told that addresses "
            f"move. If it answers 502 afterwards: `{' '.join(p.tell)}`."
            for p in proxies
        ),
    )


def _taken(
    here: Iterable[Container], there: Iterable[Container], project: str, version: Version, gone: Collection[str]
) -> tuple[str, ...]:
    """Return who holds a port or a name that a service of ``version`` needs, and is not replaced or stopped for it."""
    makes_way = {*version.extra["images"], *gone}
    strange = [c for c in (*there, *here) if c.stands != project]  # the switch goes, or has nothing that is needed
    others = {c.name: c for c in strange if c.project != project or c.service not in makes_way or c.oneoff}
    wanted = version.extra.get("published", {})
    ports = [
        f"{c.name} holds port {port}, which {service} publishes"
        for c in others.values()
        if c.running
        for service, bindings in wanted.items()
        for address, port in bindings
        if any(str(p) == port and meets(a, address) for a, p in c.published)
    ]
    names = [
        f"there is a container {name} already, and {service} is to have that name"
        for service, name in version.extra.get("names", {}).items()
        if service in version.extra["images"] and name in others
    ]
    return tuple(dict.fromkeys((*ports, *names)))


def meets(one: str, other: str) -> bool:
    """Return whether a port on address ``one`` and the same port on ``other`` cannot both be had."""
    return one == other or one in _EVERYWHERE or other in _EVERYWHERE
