"""Two colours of the services that get users' requests: each is started from the user's own Compose file, beside the other.

A colour's containers are the service's own but for what two cannot share: names, published ports and fixed addresses. Those
belong to the switch that stands before them (a router of ours), so that nobody in the project reaches a colour by the
service's name before it is meant to be reached.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from runwright.engine.actions import Command, Do, Output
from runwright.errors import InputError, VerificationError
from runwright.platforms.compose import containers
from runwright.platforms.compose.cli import Project
from runwright.platforms.compose.config import refusal, rendered
from runwright.platforms.compose.containers import Container, containers_of
from runwright.platforms.compose.neighbours import Neighbours
from runwright.platforms.compose.starting import STOP_SECONDS, Starting, restarts
from runwright.platforms.shape import Beside
from runwright.plural import few, plural
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.traffic import Entry, Stand, Upstream, reached
from runwright.versions import Version

SLOTS = ("blue", "green")
_NOT_TWICE = (
    "build",
    "ports",
    "container_name",
    "depends_on",
    "links",
    "external_links",
    "scale",
    "profiles",
    "mac_address",
)
"""What the file says of a service that its colours do not have: two cannot have it, or it is seen to otherwise."""
_OF_ONE = ("aliases", "ipv4_address", "ipv6_address", "link_local_ips", "mac_address")


class Said:
    """What Compose's rendered file says. It holds every secret, so nothing of it is ever shown."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data

    def __repr__(self) -> str:
        return "Said(...)"


def network_of(project: str) -> str:
    """Return the name of the network on which the switch reaches the colours. Nothing leaves it, so no route changes."""
    return f"{project}_runwright"


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
        elif anew or not all(
            self._runs(there, version, name, slot, counts[name], release_id) for name in self.services
        ):
            self._up(do, version, project, slot, counts, f"{prefix}/{slot}/up", release_id, anew=anew)
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
            self._starting.tell(do, beside, f"{prefix}/both", strict=False)
        if running := [c for c in left if c.running]:
            do(
                Command(
                    says=f"stop {few(c.name for c in running)}: their colour serves",
                    key=f"{prefix}/plain",
                    argv=("docker", "stop", *(c.id for c in running)),
                    deadline_seconds=STOP_SECONDS,
                )
            )
        if left:
            self._starting.tell(do, beside, f"{prefix}/switch-alone", strict=True)
            do(
                Command(
                    says=f"remove {few(c.name for c in left)}, whose names are the switch's now",
                    key=f"{prefix}/gone",
                    argv=("docker", "rm", *(c.id for c in left)),
                    deadline_seconds=STOP_SECONDS,
                )
            )

    def staged(self, there: Iterable[Container] | None, version: Version) -> Beside:
        """Return what a person should know of a colour of ``version``, as the plan says it."""
        there = tuple(there or ())
        says, dark = [], ""
        plain = self.plain(there)
        said: Mapping[str, int] = version.extra.get("replicas", {})
        for name, count in self.counts(there, version, "").items():
            wanted = said.get(name, 1)
            if count != wanted:
                says.append(f"{name} gets {count} containers, as many as run now; the Compose file says {wanted}.")
        if plain:
            names = {n for entry in version.extra["entries"].values() for many in entry["names"].values() for n in many}
            ports = [port for c in plain for _, port in c.published]
            took = f" and {plural(len(ports), 'port')} {few(map(str, ports))}" if ports else ""
            says.append(
                f"For the first time in colours: what runs is started once more as {SLOTS[0]}, a switch takes over the "
                f"{plural(len(names), 'name')} {few(sorted(names))}{took}, and {few(c.name for c in plain)} "
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
        return Beside(tuple(says), dark)

    def counts(self, there: Iterable[Container] | None, version: Version, slot: str) -> dict[str, int]:
        """Return how many containers of each service ``slot`` gets: as many as serve now beside it, else as the file says."""
        said: Mapping[str, int] = version.extra.get("replicas", {})
        found = {}
        for name in self.services:
            others = [len([c for c in of(there, name, other) if c.running]) for other in ("", *SLOTS) if other != slot]
            here = len(of(there, name, slot))
            found[name] = max(others) or here or said.get(name, 1) or 1
        return found

    def _runs(
        self, there: Iterable[Container] | None, version: Version, name: str, slot: str, count: int, release_id: str
    ) -> bool:
        mine = of(there, name, slot)
        return _whole(mine, version, name, count) and all(c.running and c.release == release_id for c in mine)

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
        anew: bool,
    ) -> None:
        content = do(_said(project))
        labels = {containers.RELEASE: release_id, containers.COMMIT: version.commit}
        file = colour_file(content.data, self.services, slot, labels, network_of(project.name)) if content else b""
        names = [reached(name, slot) for name in self.services]
        scale = [word for name in self.services for word in ("--scale", f"{reached(name, slot)}={counts[name]}")]
        call = ("docker", "compose", "-p", project.name, "--project-directory", str(project.directory), "-f", "-")
        flags = ("--no-deps", "--no-build", "--remove-orphans=false", *(["--force-recreate"] if anew else []), *scale)
        do(
            Command(
                says=f"start {few(f'{counts[n]} x {n}' if counts[n] > 1 else n for n in self.services)} in {slot}, beside what serves",
                key=key,
                argv=(*call, "up", "-d", *flags, *names),
                stdin=file,
                env=project.env,
                deadline_seconds=self._target.ready_timeout + STOP_SECONDS,
            )
        )

    def _require(self, do: Do, version: Version, slot: str, counts: Mapping[str, int]) -> None:
        there = containers_of(do, self._target.project)
        for name in self.services if there is not None else ():
            mine = of(there, name, slot)
            if not _whole(mine, version, name, counts[name]) or not all(c.running for c in mine):
                raise VerificationError(
                    f"{slot} of {name} is not {counts[name]} running containers of {version.name}: "
                    f"{few((f'{c.name} is {c.state}' for c in mine), '; ') or 'there is none'}.",
                    state="Users were not moved.",
                    next=f"`docker compose -p {self._target.project} ps -a` shows them.",
                )


def of(there: Iterable[Container] | None, service: str, slot: str) -> tuple[Container, ...]:
    """Return the containers of ``service`` in ``slot`` ("": in none), without those of one-off jobs."""
    return tuple(c for c in there or () if c.service == service and c.slot == slot and not c.oneoff)


def _whole(mine: Iterable[Container], version: Version, service: str, count: int) -> bool:
    mine = tuple(mine)
    image = version.extra["images"].get(service)
    return len(mine) == count and all(c.image == image and c.commit == version.commit for c in mine)


def _said(project: Project) -> Command[Said | None]:
    def parse(output: Output) -> Said | None:
        refusal(output)
        return Said(json.loads(output.stdout))

    command: Command[Said | None] = rendered(project, parse, interpolate=True)
    return Command(**{**command.__dict__, "assume": None})


def colour_file(
    config: Mapping[str, Any], services: Iterable[str], slot: str, labels: Mapping[str, str], network: str
) -> bytes:
    """Return the Compose file of a colour, as JSON: ``services`` of the rendered ``config``, each under its colour's name."""
    made = {reached(name, slot): _colour(config["services"][name], name, slot, labels) for name in services}
    whole = {
        "services": made,
        "networks": {**(config.get("networks") or {}), "runwright": {"name": network, "internal": True}},
        **{section: config[section] for section in ("volumes", "secrets", "configs") if config.get(section)},
    }
    return json.dumps(whole).encode()


def _colour(raw: Mapping[str, Any], service: str, slot: str, labels: Mapping[str, str]) -> dict[str, Any]:
    said = {key: value for key, value in raw.items() if key not in _NOT_TWICE}
    if deploy := {key: value for key, value in (said.get("deploy") or {}).items() if key != "replicas"}:
        said["deploy"] = deploy
    else:
        said.pop("deploy", None)
    networks = said.get("networks") or {"default": None}
    if isinstance(networks, list):
        networks = dict.fromkeys(networks)
    said["networks"] = {
        name: {key: value for key, value in (how or {}).items() if key not in _OF_ONE} or None
        for name, how in networks.items()
    } | {"runwright": {"aliases": [reached(service, slot)]}}
    mine = {containers.SERVICE: service, containers.SLOT: slot, **labels}
    said["labels"] = {**_pairs(said.get("labels")), **{key: value.replace("$", "$$") for key, value in mine.items()}}
    return said


def entries(config: Mapping[str, Any], target: ComposeTarget) -> dict[str, dict[str, Any]]:
    """Return {service: {"names": {network: names}, "published": [(address, port)]}} of what the switch takes over.

    Raise InputError for a service that cannot run twice, with the reason.
    """
    found = {}
    for name, traffic in target.traffic.items():
        raw = (config.get("services") or {}).get(name)
        if raw is None:
            raise InputError(
                f"The Compose files have no service {name}, which `traffic` names.",
                next="Correct `traffic` of the target, or enable the service's profile with `profiles`.",
            )
        if mode := str(raw.get("network_mode") or ""):
            raise _not_twice(name, f"its network is `{mode}`, which two cannot share")
        if finds := _found_by(raw):
            raise _not_twice(
                name, f"a proxy finds its containers by {finds}, and would send users to an unverified version"
            )
        if raw.get("volumes_from"):
            raise _not_twice(name, "it takes its volumes from another service (`volumes_from`)")
        networks = raw.get("networks") or {"default": None}
        nets = config.get("networks") or {}
        calls = [name, *([raw["container_name"]] if raw.get("container_name") else [])]
        names = {
            str((nets.get(net) or {}).get("name") or net): [*calls, *((how or {}).get("aliases") or ())]
            for net, how in (networks.items() if isinstance(networks, Mapping) else dict.fromkeys(networks).items())
        }
        published = []
        for port in raw.get("ports") or ():
            if not port.get("published"):
                continue
            if int(port["target"]) != traffic.port or port.get("protocol", "tcp") != "tcp":
                raise _not_twice(
                    name, f"it publishes its port {port['target']} as {port['published']} too, which two cannot share"
                )
            if not str(port["published"]).isdigit():
                raise _not_twice(name, f"it publishes a range of ports ({port['published']})")
            published.append([str(port.get("host_ip") or ""), int(port["published"])])
        found[name] = {"names": names, "published": published}
    return found


def _found_by(raw: Mapping[str, Any]) -> str:
    """Return by what of a service a proxy that watches Docker finds its containers as soon as they run, "" if by nothing."""
    labels, variables = (_pairs(raw.get(key)) for key in ("labels", "environment"))
    told = next((key for key in labels if key.startswith("traefik.") or re.fullmatch(r"caddy(_\d+)?(\..*)?", key)), "")
    if told and str(labels.get("traefik.enable", "")).lower() != "false":
        return f"the label {told}"
    return next(
        (f"the variable {name}" for name in ("VIRTUAL_HOST", "VIRTUAL_HOST_MULTIPORTS") if variables.get(name)), ""
    )


def _pairs(raw: Any) -> dict[str, Any]:
    """Return labels or variables, which a file may give as a list, as {name: value}."""
    return dict(raw) if isinstance(raw, Mapping) else dict(str(entry).partition("=")[::2] for entry in raw or ())


def _not_twice(service: str, why: str) -> InputError:
    return InputError(
        f"{service} cannot run in two colours: {why}.",
        next="Take that out of the service in the Compose file, take the service out of `traffic`, or use `strategy: recreate`.",
    )


def read_entries(do: Do, project: Project, target: ComposeTarget) -> dict[str, dict[str, Any]]:
    """Return `entries` of what the files of ``project`` say. Raise InputError, or ActionError if Compose refuses them."""

    def parse(output: Output) -> dict[str, dict[str, Any]] | InputError:
        refusal(output)
        try:
            return entries(json.loads(output.stdout), target)
        except InputError as error:
            return error

    found = do(rendered(project, parse, interpolate=True))
    if isinstance(found, InputError):
        raise found
    return found
