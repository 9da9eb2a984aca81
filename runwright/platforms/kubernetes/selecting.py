"""Who sends users to one colour or the other: the Services themselves, by their selectors.

A change is one patch of what was seen: it holds the Service's resourceVersion, so that whoever changed it meanwhile wins, and is
looked at. The token of the lease is left on the Service as an annotation; who has a lower one is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runwright.engine.actions import UNKNOWN, Do, Output, Wait
from runwright.errors import (
    ActionError,
    CancelledError,
    DeadlineError,
    FencedError,
    InputError,
    RefusedError,
    VerificationError,
)
from runwright.platforms.kubernetes.colours import CLOSED, SLOTS, named, pods_for
from runwright.platforms.kubernetes.kubectl import Kubectl, Object, items, name_of
from runwright.platforms.kubernetes.manifests import DOMAIN, SLOT, template
from runwright.platforms.kubernetes.ownership import MANAGER
from runwright.routing import Router, RouterFacts
from runwright.runbook.drill import Break
from runwright.traffic import Counted, Upstream

LEASE = f"{DOMAIN}/lease"
"""The annotation with the token of the lease under which a Service was changed last."""
SHARES = f"{DOMAIN}/shares"
"""The annotation that says who gets which share while both colours are behind a Service: {"blue": 90, "green": 10}, the one first
that all go back to."""
ALL = 100
TRIES = 3
SEEN_SECONDS = 30.0
"""How long a Service may take until it names nobody but the pods of a colour."""
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Standing:
    """A Service as it stands. slot: whose pods it selects: "" if its selector names no colour, None if it sends nobody anywhere.

    shares: {slot: percent} while both are behind it, ``slot`` is the one that all go back to then. version: its resourceVersion.
    """

    name: str
    slot: str | None
    selector: Mapping[str, str]
    version: str = ""
    token: int = 0
    port: int = 0
    shares: Mapping[str, int] = field(default_factory=dict)
    annotated: bool = False
    kind: str = "ClusterIP"


def standing(found: Object) -> Standing:
    """Return a Service as it stands."""
    spec, metadata = found.get("spec") or {}, found["metadata"]
    selector = dict(spec.get("selector") or {})
    annotations = metadata.get("annotations") or {}
    shares = _shares(annotations.get(SHARES))
    said = selector.get(SLOT, "")
    slot = said if said in (*SLOTS, "") else None
    token = str(annotations.get(LEASE, ""))
    return Standing(
        name_of(found),
        next(iter(shares), slot) if not said else slot,
        selector,
        str(metadata.get("resourceVersion", "")),
        int(token) if token.isdecimal() else 0,
        int(next((p.get("port", 0) for p in spec.get("ports") or ()), 0)),
        shares if not said else {},
        bool(annotations),
        str(spec.get("type", "ClusterIP")),
    )


Found = dict[str, tuple[Standing | None, Object | None]]
"""{Service: (how it stands, the Deployment whose pods it is to select)}."""


def _shares(said: object) -> dict[str, int]:
    try:
        read = json.loads(str(said))
    except ValueError:
        return {}
    good = isinstance(read, dict) and all(s in SLOTS and type(n) is int for s, n in read.items())
    return dict(read) if good else {}


def told(
    seen: Standing, token: int | None, selector: Mapping[str, str], shares: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Return the patch that lets a Service, as it was seen and no otherwise, select so."""
    patch: list[dict[str, Any]] = [{"op": "test", "path": "/metadata/resourceVersion", "value": seen.version}]
    if dict(seen.selector) != dict(selector):
        patch.append({"op": "replace", "path": "/spec/selector", "value": dict(selector)})
    notes: dict[str, str | None] = {}
    if token is not None:
        notes[LEASE] = str(token)
    if shares or seen.shares:
        notes[SHARES] = json.dumps(dict(shares)) if shares else None
    if notes and not seen.annotated:
        patch.append({"op": "add", "path": "/metadata/annotations", "value": {}})
    for key, value in notes.items():
        path = f"/metadata/annotations/{key.replace('/', '~1')}"
        patch.append({"op": "remove", "path": path} if value is None else {"op": "add", "path": path, "value": value})
    return patch


def selector_of(seen: Standing, deployment: Object | None, slot: str) -> dict[str, str]:
    """Return the selector for ``slot``: what the Service's own has that the pods there have too, and the colour."""
    pods = (template(deployment).get("metadata") or {}).get("labels") or {} if deployment is not None else None
    own = {k: v for k, v in seen.selector.items() if k != SLOT and (pods is None or pods.get(k) == v)}
    return {**own, SLOT: slot}


def outsiders(slices: tuple[Object, ...], workload: str, slots: tuple[str, ...]) -> tuple[int, list[str]]:
    """Return how many pods of ``slots`` a Service's EndpointSlices name that are ready, and who else is named there."""
    begins = tuple(f"{named(workload, slot)}-" for slot in slots)
    ready, others = 0, []
    for one in slices:
        for endpoint in one.get("endpoints") or ():
            name = str((endpoint.get("targetRef") or {}).get("name", ""))
            conditions = endpoint.get("conditions") or {}
            if not name.startswith(begins):
                others.append(name or str(endpoint.get("addresses")))
            elif conditions.get("ready") is not False:
                ready += 1
    return ready, others


class Selecting(Router):
    """The Services of a system, as its router. ``exposed``: {service: its Service}; the first one is what users are said to reach.

    token: the fencing token of the lease under which they are changed; None where there is no lease: then nothing is fenced.
    leads: returns a port of this machine that leads to a slot's pods. scaled: lets a slot have a number of pods, all ready.
    shares: whether users are to be shared for a while.
    """

    breaks: frozenset[Break] = frozenset()
    parts = False
    leaves = False
    drain_seconds = 0.0

    def __init__(
        self,
        kubectl: Kubectl,
        exposed: Mapping[str, str],
        token: int | None = None,
        leads: Callable[[Do, str], Upstream | None] = lambda _do, _slot: None,
        scaled: Callable[[Do, str, Mapping[str, int], str], None] = lambda _do, _slot, _numbers, _key: None,
        *,
        shares: bool = False,
    ) -> None:
        self._kubectl, self._exposed, self._token = kubectl, exposed, token
        self._leads, self._scaled, self._shares = leads, scaled, shares
        self._told: dict[str, Standing] | None = None  # what a plan has told them

    # ------------------------------------------------------------------------------------------------------- reading

    def standings(self, do: Do) -> dict[str, Standing]:
        """Return {Service: how it stands} of those that there are."""
        words = ("get", *(f"service/{name}" for name in self._names), "-o", "json", "--ignore-not-found")

        def parse(output: Output) -> dict[str, Standing]:
            return {name_of(one): standing(one) for one in items(output)}

        # nothing but this changes whom they select: a plan asks for real until it has told them something
        says = f"look whom {' and '.join(self._names)} select{'' if len(self._names) > 1 else 's'}"
        untouched, assume = self._told is None, self._told if self._told is not None else UNKNOWN
        found: dict[str, Standing] = do(
            self._kubectl.read(*words, says=says, parse=parse, assume=assume, untouched=untouched)
        )
        return found

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._exposed.values()))

    def serving(self, do: Do) -> str | None:
        """Return the slot that users reach; "" if the Services name no colour, None if they send nobody anywhere, or are not there."""
        found = self.standings(do)
        first = found.get(self._names[0])
        return first.slot if first is not None else None

    def facts(self, do: Do) -> RouterFacts:
        """Return whom the Services select. The second one that selects others is told as who sends callers inside."""
        found = self.standings(do)
        each = [self._facts(service, found.get(name)) for service, name in self._exposed.items()]
        first = each[0]
        other = next((one for one in each[1:] if one.named != first.named or one.shares != first.shares), None)
        return RouterFacts(
            first.running, first.serving, first.written, "", first.shares, first.written_shares, inside=other
        )

    def _facts(self, service: str, seen: Standing | None) -> RouterFacts:
        if seen is None:
            return RouterFacts(False, None, None)
        to = Upstream(seen.slot, named(service, seen.slot), seen.port) if seen.slot else None
        return RouterFacts(True, to, to, "", seen.shares, seen.shares)

    def target(self, do: Do) -> Upstream | None:
        """Return whom the first Service selects, None if no colour."""
        return self.facts(do).serving

    def door(self, do: Do, slot: str) -> Upstream | None:
        """Return a port of this machine that leads to ``slot`` alone."""
        return self._leads(do, slot)

    def counted(self, do: Do) -> Mapping[str, Counted]:  # noqa: ARG002
        """Return nothing: a Service counts no requests."""
        return {}

    def in_flight(self, do: Do, slot: str) -> int:  # noqa: ARG002
        """Return 0: a Service does not know."""
        return 0

    def require(self, do: Do) -> None:
        """Raise RefusedError if a Service cannot be told whom to send users to, or a share could not be judged."""
        if self._shares:
            raise RefusedError(
                "A Service counts no requests, so that nobody could judge a share of the users.",
                state="Nothing was changed.",
                next="Say `strategy: blue_green`: the new version is asked at a door of its own, and the watch judges it live.",
            )
        for seen in self.standings(do).values():
            if seen.kind == "ExternalName" or not seen.selector:
                raise RefusedError(
                    f"Service/{seen.name} selects no pods{' but names another host' if seen.kind == 'ExternalName' else ''}.",
                    state="Nothing was changed.",
                    next="Give it a `selector` in the manifests, or name another Service in `traffic`.",
                )

    # ------------------------------------------------------------------------------------------------------ changing

    def announce(self, do: Do, key: str) -> None:
        """From here on, refuse whoever holds a lower token. Raise FencedError if our own token is the lower one."""
        if self._token is None:
            return
        for seen in self.standings(do).values():
            self._require_newest(seen)
            if seen.token < self._token:
                says = f"tell service/{seen.name} that the lease has token {self._token} now"
                self._patch(
                    do, told(seen, self._token, seen.selector, seen.shares), seen.name, f"{key}/{seen.name}", says
                )

    def _require_newest(self, seen: Standing) -> None:
        if self._token is not None and seen.token > self._token:
            raise FencedError(
                f"This process was refused: its lease (token {self._token}) was taken over by token {seen.token}, as "
                f"service/{seen.name} says.",
                next="Nothing needs to be done here: who holds the lease now goes on. `runwright status` shows who.",
            )

    def ensure(self, do: Do, key: str, first: Upstream | None = None) -> None:
        """Do nothing: a Service is there as soon as it was applied."""

    def make_ready(self, do: Do, key: str) -> None:
        """Do nothing: there is nothing to start."""

    def begin_with(self, do: Do, first: Upstream, key: str) -> None:
        """Do nothing: a Service says itself where it sends users."""

    def leave(self, do: Do, key: str) -> None:  # noqa: ARG002
        """Raise InputError: a Service belongs to the system, and is not taken away with its slots."""
        raise InputError("The Services of a system are not taken away by a release.")

    def stop(self, do: Do, key: str) -> None:
        """Let the Services send nobody anywhere."""
        for seen in self.standings(do).values():
            selector = {**seen.selector, SLOT: CLOSED}
            says = f"let service/{seen.name} send nobody anywhere"
            if seen.slot is not None:
                self._patch(do, told(seen, self._token, selector, {}), seen.name, f"{key}/{seen.name}", says)

    def inject(self, do: Do, slot: str, by: Break, seconds: float, key: str) -> None:  # noqa: ARG002
        """Raise ActionError: a Service spoils nothing."""
        raise ActionError(f"A Service cannot spoil what users get by {by}.", state="Nothing was broken.")

    def switch(self, do: Do, to: Upstream, key: str, share: int = ALL, stays: Upstream | None = None) -> None:
        """Let every Service select the pods of ``to``, or below 100 those of both, so many of them that the share is about right.

        Raise VerificationError if they are not seen to, FencedError if somebody with a higher token was there first.
        """
        both: tuple[str, ...] = (to.slot,)
        wanted: dict[str, int] = {}
        seen = self._with_pods(do, to.slot)
        if stays is not None and share < ALL:
            both, wanted = (to.slot, stays.slot), {stays.slot: ALL - share, to.slot: share}
            self._numbered(do, to.slot, stays.slot, share, f"{key}/pods")
        elif (first := next(iter(seen.values()))[0]) is not None and first.shares and first.slot not in (None, to.slot):
            self._numbered(do, to.slot, str(first.slot), ALL, f"{key}/pods")
        self._told = {name: self._told_one(do, name, to.slot, wanted, seen, f"{key}/{name}") for name in self._names}
        for service, name in self._exposed.items():
            self._seen(do, service, name, both)

    def _told_one(self, do: Do, name: str, slot: str, shares: Mapping[str, int], found: Found, key: str) -> Standing:
        """Let one Service select so, as it was seen; if somebody changed it meanwhile it is looked at, and tried again."""
        for attempt in range(1, TRIES + 1):
            if attempt > 1:
                found = self._with_pods(do, slot)
            seen, deployment = found[name]
            # in a plan it is not there yet where a change before makes it
            seen = seen or Standing(name, None, {SLOT: CLOSED})
            self._require_newest(seen)
            selector = selector_of(seen, deployment, slot)
            if shares:
                selector.pop(SLOT)
            if dict(seen.selector) == selector and dict(seen.shares) == dict(shares):
                return seen
            whom = " and ".join(f"{one} with {n} %" for one, n in shares.items()) if shares else f"the pods of {slot}"
            says = f"let service/{name} send users to {whom}"
            again = "" if attempt == 1 else f"/{attempt}"
            try:
                self._patch(do, told(seen, self._token, selector, shares), name, f"{key}{again}", says)
            except CancelledError:
                raise
            except ActionError:
                if attempt == TRIES:
                    raise
                continue
            return Standing(name, next(iter(shares), slot), selector, seen.version, self._token or 0, seen.port, shares)
        raise AssertionError("unreachable")

    def _with_pods(self, do: Do, slot: str) -> Found:
        """Return {Service: (how it stands, the Deployment in ``slot``)}, None for what is not there."""
        names = [f"service/{name}" for name in self._names]
        names += [f"deployment/{named(service, slot)}" for service in self._exposed]

        def parse(output: Output) -> Found:
            there = {(one["kind"], name_of(one)): one for one in items(output)}
            return {
                name: (
                    standing(there["Service", name]) if ("Service", name) in there else None,
                    there.get(("Deployment", named(service, slot))),
                )
                for service, name in self._exposed.items()
            }

        # nothing but this changes whom they select: a plan asks for real until it has told them something
        assume: Found = {name: (seen, None) for name, seen in (self._told or {}).items()}
        more: dict[str, Any] = {"untouched": self._told is None, "assume": assume}
        words = ("get", *names, "-o", "json", "--ignore-not-found")
        found: Found = do(
            self._kubectl.read(*words, says=f"look whom {' and '.join(self._names)} can select", parse=parse, **more)
        )
        return found

    def _patch(self, do: Do, patch: list[dict[str, Any]], name: str, key: str, says: str) -> None:
        words = ("patch", f"service/{name}", "--type=json", f"--field-manager={MANAGER}", "-p", json.dumps(patch))
        do(self._kubectl.change(*words, says=says, key=key))

    def _seen(self, do: Do, service: str, name: str, slots: tuple[str, ...]) -> None:
        """Wait until a Service names nobody but ready pods of ``slots``. Raise VerificationError."""
        words = ("get", "endpointslices.discovery.k8s.io", "-l", f"kubernetes.io/service-name={name}", "-o", "json")
        whom = " and ".join(slots)

        def parse(output: Output) -> tuple[int, list[str]]:
            return outsiders(items(output), service, slots)

        read = self._kubectl.read(*words, says=f"look which pods service/{name} leads to", parse=parse)
        wait = Wait(
            says=f"wait until service/{name} leads to nobody but pods of {whom}",
            read=read,
            until=lambda found: found[0] > 0 and not found[1],
            every_seconds=POLL_SECONDS,
            deadline_seconds=SEEN_SECONDS,
            assume=(1, []),
        )
        try:
            do(wait)
        except CancelledError:
            raise
        except DeadlineError as error:
            raise VerificationError(
                f"Service/{name} was told to send users to {whom}, and is not seen to. {error.what}",
                state="Both versions still run; nothing was stopped.",
                next=f"`kubectl get endpointslices -l kubernetes.io/service-name={name}`; then run it again: the target is absolute.",
            ) from error

    def _numbered(self, do: Do, to: str, stays: str, share: int, key: str) -> None:
        """Let ``to`` have so many pods beside those of ``stays`` that it gets about ``share`` percent of the users."""
        names = [f"deployment/{named(service, stays)}" for service in self._exposed]
        words = ("get", *names, "-o", "json", "--ignore-not-found")

        def parse(output: Output) -> dict[str, int]:
            return {name_of(o): int((o.get("status") or {}).get("readyReplicas") or 0) for o in items(output)}

        found = do(self._kubectl.read(*words, says=f"count the pods of {stays}", parse=parse, untouched=True))
        numbers = {s: pods_for(share, found.get(named(s, stays), 0)) for s in self._exposed}
        self._scaled(do, to, numbers, key)
