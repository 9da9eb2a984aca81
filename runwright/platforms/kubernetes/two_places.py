"""Two places in a namespace: what there is in each, who sends users there, and how a place is emptied."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from runwright.engine.actions import Do, Output, Read, Wait
from runwright.platforms.kubernetes import door, watched
from runwright.platforms.kubernetes.adopt import adopt
from runwright.platforms.kubernetes.colours import (
    SLOTS,
    arranged,
    as_plain,
    named,
    service_of,
)
from runwright.platforms.kubernetes.driver import Kubernetes, look
from runwright.platforms.kubernetes.kubectl import Object, items, name_of, title
from runwright.platforms.kubernetes.manifests import SLOT, Composed
from runwright.platforms.kubernetes.pods import workload_of
from runwright.platforms.kubernetes.preparing import APPLY_SECONDS
from runwright.platforms.kubernetes.selecting import Selecting
from runwright.platforms.kubernetes.vanished import identity, of_another
from runwright.plural import plural
from runwright.routing import Router
from runwright.traffic import Upstream
from runwright.versions import Version

ENDS_SECONDS = 300.0
"""How long pods that are ended may take: their own grace period, which is seldom more than a minute."""
SETTLES_SECONDS = 2.0
"""After a Service has moved, nodes send new connections to its old pods for about a second; then those can be ended."""


class TwoPlaces(Kubernetes):
    """A namespace in which the Deployments in `traffic` run in one of two places, each called blue or green."""

    slots = SLOTS

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._exposed = {service: exposed.service for service, exposed in self.target.traffic.items()}
        self._router = self._selecting(None)
        self._leaving: tuple[str, ...] | None = None  # what a plan knows of what serves as before there were slots

    def _selecting(self, token: int | None) -> Selecting:
        return Selecting(
            self.kubectl,
            self._exposed,
            token,
            leads=self._leads,
            scaled=self._scaled,
            shares=self.target.strategy == "canary",
        )

    def own_router(self, token: int | None) -> Router:
        """Return the Services."""
        self._router = self._selecting(token)
        return self._router

    def _called(self, workload: str) -> str:
        return service_of(workload, self._exposed)

    def _laid_out(self, do: Do, made: Composed) -> Composed:
        """Return the objects of a version as they are where they take the place of what serves."""
        slot = self._router.serving(do)
        if slot is None:
            slot = "" if self._plain(do) else SLOTS[0]
        return arranged(made, self._exposed, slot)

    # ------------------------------------------------------------------------------------------------- what is there

    def _in(self, do: Do, slot: str) -> dict[str, Object]:
        """Return {service: its Deployment in ``slot``} of those that there are."""
        names = [f"deployment/{named(service, slot)}" for service in self._exposed]
        words = ("get", *names, "-o", "json", "--ignore-not-found")
        says = f"look what there is of {slot or 'what runs in no slot'}"
        found = do(self.kubectl.read(*words, says=says, parse=items, untouched=True))
        return {service_of(name_of(one), self._exposed): one for one in found}

    def _plain(self, do: Do) -> dict[str, Object]:
        return self._in(do, "")

    def plain(self, do: Do, *, running: bool = True) -> bool:
        """Return whether a Deployment in `traffic` is there under its own name, as before there were slots."""
        return any(not running or one["spec"].get("replicas") != 0 for one in self._plain(do).values())

    def upstream(self, do: Do, slot: str) -> Upstream | None:
        """Return how the router knows ``slot``; None if nothing runs there."""
        service, name = next(iter(self._exposed.items()))
        words = ("get", f"deployment/{named(service, slot)}", f"service/{name}", "-o", "json", "--ignore-not-found")

        def parse(output: Output) -> Upstream | None:
            found = {one["kind"]: one for one in items(output)}
            runs = found.get("Deployment", {}).get("spec", {}).get("replicas", 1 if "Deployment" in found else 0)
            ports: Sequence[Object] = found.get("Service", {}).get("spec", {}).get("ports") or ({},)
            return Upstream(slot, named(service, slot), int(ports[0].get("port", 0))) if runs else None

        assume = Upstream(slot, named(service, slot), 0)
        says = f"look whether {named(service, slot)} is there"
        found: Upstream | None = do(self.kubectl.read(*words, says=says, parse=parse, assume=assume))
        return found

    def _leads(self, do: Do, slot: str) -> Upstream | None:
        """Return a port of this machine that leads to the pods of ``slot``, None if there are none."""
        service, exposed = next(iter(self.target.traffic.items()))
        deployment = named(service, slot)
        words = ("get", f"deployment/{deployment}", f"service/{exposed.service}", "-o", "json", "--ignore-not-found")
        found = do(self.kubectl.read(*words, says=f"look where {deployment} can be asked", parse=items))
        there = {one["kind"]: one for one in found}
        if "Deployment" not in there or "Service" not in there:
            return None
        target = _port(there["Service"], exposed.port)
        uid = str(there["Deployment"]["metadata"].get("uid"))
        port = do(
            Read(
                says=f"lead a port of this machine to {deployment}",
                function=lambda: door.led(self.kubectl, deployment, uid, target),
                asks=True,
                deadline_seconds=2 * door.COMES_SECONDS,
            )
        )
        return Upstream(slot, "127.0.0.1", port)

    def _require_one_place(self, do: Do) -> None:
        """Do nothing: there are two."""

    # ------------------------------------------------------------------------------------------------ emptying a place

    def _of_slot(self, one: Object) -> bool:
        return one["kind"] == "Deployment" and service_of(name_of(one), self._exposed) in self._exposed

    def _settle(self, do: Do) -> None:
        now: Read[float] = Read(says="look at the clock", function=_clock, assume=0.0)
        until = do(now) + SETTLES_SECONDS
        says = "wait until every node sends users there"
        do(
            Wait(
                says=says, read=now, until=lambda at: at >= until, every_seconds=0.2, deadline_seconds=60.0, assume=0.0
            )
        )

    def stop(self, do: Do, slot: str, prefix: str) -> None:
        """Take away what runs in ``slot``, and wait until none of its pods is left."""
        if not slot:
            super().stop(do, slot, prefix)
            return
        self._require_cluster(do, self._version or self._before)
        words: tuple[str, ...] = ("get", "deployments,poddisruptionbudgets,pods", "-l", f"{SLOT}={slot}", "-o", "json")
        says = f"look what there is in {slot}"
        found = do(self.kubectl.read(*words, says=says, parse=items, untouched=True))
        # another system of ours in this namespace has colours of its own
        there = [o for o in found if not of_another(o, self._site.marks)]
        mine = [o for o in there if o["kind"] == "PodDisruptionBudget" or self._of_slot(o)]
        pods = {
            s for o in there if o["kind"] == "Pod" for s in self._exposed if name_of(o).startswith(f"{named(s, slot)}-")
        }
        if mine:
            names = [identity(one, self.target.namespace).address for one in mine]
            says = f"stop {slot}: {', '.join(title(one) for one in mine)}"
            words = ("delete", *names, "--ignore-not-found", "--wait=false")
            do(self.kubectl.change(*words, says=says, key=f"{prefix}/stop/{slot}", deadline_seconds=APPLY_SECONDS))
        if mine or pods:
            self._gone(do, tuple(self._exposed), slot)

    def _gone(self, do: Do, services: Iterable[str], slot: str) -> None:
        """Wait until no pod of ``services`` is left in ``slot``: what it has begun, it has ended then."""
        wanted = {named(service, slot) for service in services}

        def parse(output: Output) -> int:
            found = items(output)
            owners = [o for o in found if o["kind"] == "ReplicaSet"]
            return sum(o["kind"] == "Pod" and workload_of(o, owners).partition("/")[2] in wanted for o in found)

        says = f"count the pods of {' and '.join(sorted(wanted))}"
        read = self.kubectl.read("get", "pods,replicasets", "-o", "json", says=says, parse=parse, assume=0)
        says = f"wait until no pod of {' and '.join(sorted(wanted))} is left"
        do(
            Wait(
                says=says, read=read, until=lambda n: n == 0, every_seconds=0.5, deadline_seconds=ENDS_SECONDS, assume=0
            )
        )

    def stop_beside(self, do: Do, prefix: str) -> None:
        """Let no pod run of what does not run in slots, and of what serves as before there were any."""
        super().stop(do, "", prefix)
        self._gone(do, tuple(self._exposed), "")

    def _scaled(self, do: Do, slot: str, numbers: Mapping[str, int], key: str) -> None:
        """Let ``slot`` have so many pods, all of them ready."""
        there = self._in(do, slot)
        for service, number in numbers.items():
            one = there.get(service)
            if one is not None and one["spec"].get("replicas") == number:
                continue
            words = ("scale", f"deployment/{named(service, slot)}", f"--replicas={number}")
            says = f"let {named(service, slot)} have {plural(number, 'pod')}"
            do(self.kubectl.change(*words, says=says, key=f"{key}/{service}"))
        for one in there.values():
            watched.rolled(do, self.kubectl, one, self.target.ready_timeout, f"{key}/unblock")

    def adopt(self, do: Do, prefix: str, slot: str = "") -> Version | None:
        """Return what runs now as a version: what is in ``slot`` as if it were in none."""
        found = do(look(self.kubectl))
        return adopt(do, self._site, as_plain(found, self._exposed, slot) if slot else found, self._version, prefix)


def _clock() -> float:
    return time.monotonic()


def _port(service: Object, wanted: int | str | None) -> str:
    """Return the port of the pods that a Service's port leads to: a number, or a name."""
    ports = service["spec"].get("ports") or ({"port": 80},)
    one = next((p for p in ports if wanted in (p.get("port"), p.get("name"))), ports[0])
    return str(one.get("targetPort") or one["port"])
