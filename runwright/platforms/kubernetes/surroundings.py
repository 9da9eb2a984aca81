"""What surrounds the pods of a system: nodes, the cluster's own parts, autoscalers, budgets, network policies, certificates.

Each function turns objects into what there is to know of them; none asks a cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runwright.platforms.kubernetes.kubectl import Object, name_of
from runwright.platforms.kubernetes.pods import fact
from runwright.platforms.kubernetes.reading import (
    Events,
    at,
    condition,
    first_seen,
    last_seen,
    listed,
    number,
    short,
    times,
    when,
)
from runwright.platforms.kubernetes.selectors import labels_of, selects
from runwright.platforms.kubernetes.troubles import Look, is_ready, troubles
from runwright.plural import plural


@dataclass(frozen=True)
class EventFact:
    """Something that happened to an object ("Pod/shop-1"), ``times`` times. message: the tool's own words; may hold secrets."""

    about: str
    reason: str
    message: str
    warning: bool
    times: int
    first: datetime
    last: datetime

    @property
    def line(self) -> str:
        """It, on one line."""
        often = f" ({self.times} times)" if self.times > 1 else ""
        kind = "! " if self.warning else "  "
        return f"{self.last:%H:%M:%S} {kind}{self.about} {self.reason}: {self.message}{often}"


def event_facts(events: Sequence[Object], since: datetime, names: Iterable[str] | None = None) -> tuple[EventFact, ...]:
    """Return what happened ``since`` then, newest last, the same thing once. names: only about these objects ("Pod/shop-1")."""
    wanted = None if names is None else frozenset(names)
    found: dict[tuple[str, str, str], EventFact] = {}
    for event in sorted(events, key=last_seen):
        whom = f"{at(event, 'involvedObject', 'kind')}/{at(event, 'involvedObject', 'name')}"
        if last_seen(event) < since or (wanted is not None and whom not in wanted):
            continue
        reason, message = str(event.get("reason")), short(event.get("message"))
        before = found.pop((whom, reason, message), None)
        found[whom, reason, message] = EventFact(
            about=whom,
            reason=reason,
            message=message,
            warning=event.get("type") == "Warning",
            times=times(event) + (before.times if before else 0),
            first=min(first_seen(event), before.first) if before else first_seen(event),
            last=last_seen(event),
        )
    return tuple(found.values())


@dataclass(frozen=True)
class NodeFact:
    """One node. pressures: what it runs short of ("MemoryPressure"). says: why it is not ready, in its own words."""

    name: str
    ready: bool
    pressures: tuple[str, ...] = ()
    unschedulable: bool = False
    says: str = ""

    @property
    def well(self) -> bool:
        """Whether nothing is wrong with it. One that takes no pods (cordoned) may be well."""
        return self.ready and not self.pressures

    @property
    def line(self) -> str:
        """It, on one line."""
        state = "ready" if self.ready else f"not ready: {self.says}"
        more = [*self.pressures, *(["takes no pods (cordoned)"] if self.unschedulable else [])]
        return f"{self.name}: {', '.join([state, *more])}"


def node_facts(nodes: Iterable[Object]) -> tuple[NodeFact, ...]:
    """Return how nodes fare."""
    return tuple(_node(node) for node in nodes)


def _node(node: Object) -> NodeFact:
    ready = condition(node, "Ready")
    others = (c for c in listed(node, "status", "conditions") if c.get("type") != "Ready" and c.get("status") == "True")
    return NodeFact(
        name=name_of(node),
        ready=ready.get("status") == "True",
        pressures=tuple(str(c.get("type")) for c in others),
        unschedulable=bool(at(node, "spec", "unschedulable")),
        says=short(ready.get("message")) if ready.get("status") != "True" else "",
    )


def unwell(pods: Iterable[Object], now: datetime) -> tuple[str, ...]:
    """Return a sentence for each pod that is neither ready nor finished."""
    found = []
    for pod in pods:
        if at(pod, "status", "phase") == "Succeeded" or is_ready(pod) or at(pod, "metadata", "deletionTimestamp"):
            continue
        why = next(troubles(pod, Look(Events(), now)), None)
        found.append(why.says if why else f"Pod {name_of(pod)}: {fact(pod).phase}, not ready.")
    return tuple(found)


@dataclass(frozen=True)
class Autoscaler:
    """One HorizontalPodAutoscaler. target: "Deployment/shop". says: why it cannot scale, "" if it can."""

    name: str
    target: str
    least: int
    most: int
    current: int
    wanted: int
    metrics: tuple[str, ...]
    says: str = ""

    @property
    def line(self) -> str:
        """It, on one line."""
        measured = f" ({', '.join(self.metrics)})" if self.metrics else ""
        wrong = f"; {self.says}" if self.says else ""
        return f"{self.name} for {self.target}: {self.current} of {self.least} to {self.most}, wants {self.wanted}{measured}{wrong}"


def autoscalers(found: Iterable[Object]) -> tuple[Autoscaler, ...]:
    """Return what autoscalers want."""
    return tuple(_autoscaler(one) for one in found)


def _autoscaler(found: Object) -> Autoscaler:
    wrong = [c for c in listed(found, "status", "conditions") if _is_wrong(c)]
    return Autoscaler(
        name=name_of(found),
        target=f"{at(found, 'spec', 'scaleTargetRef', 'kind')}/{at(found, 'spec', 'scaleTargetRef', 'name')}",
        least=number(found, "spec", "minReplicas", otherwise=1),
        most=number(found, "spec", "maxReplicas"),
        current=number(found, "status", "currentReplicas"),
        wanted=number(found, "status", "desiredReplicas"),
        metrics=tuple(_metrics(found)),
        says="; ".join(f"{c.get('reason')}: {short(c.get('message'))}" for c in wrong),
    )


def _is_wrong(found: Object) -> bool:
    limited = found.get("type") == "ScalingLimited" and found.get("status") == "True"
    limited = limited and found.get("reason") == "TooManyReplicas"
    return limited or (found.get("type") in ("AbleToScale", "ScalingActive") and found.get("status") == "False")


def _metrics(found: Object) -> Iterator[str]:
    current = {_key(m): m for m in listed(found, "status", "currentMetrics")}
    for metric in listed(found, "spec", "metrics"):
        kind = str(metric.get("type") or "")
        field = kind[:1].lower() + kind[1:]
        name = at(metric, field, "name") or at(metric, field, "metric", "name")
        now = at(current.get(_key(metric), {}), field, "current") or {}
        yield f"{name} {_amount(now) or 'not known'}, aimed at {_amount(at(metric, field, 'target') or {})}"


def _key(metric: Object) -> tuple[Any, ...]:
    kind = str(metric.get("type") or "")
    field = kind[:1].lower() + kind[1:]
    return kind, at(metric, field, "name") or at(metric, field, "metric", "name"), at(metric, field, "container")


def _amount(found: Object) -> str:
    if found.get("averageUtilization") is not None:
        return f"{found['averageUtilization']} %"
    return str(found.get("averageValue") or found.get("value") or "")


@dataclass(frozen=True)
class Budget:
    """One PodDisruptionBudget. allowed: how many pods may be taken away by a drain now."""

    name: str
    allowed: int
    healthy: int
    wanted: int

    @property
    def line(self) -> str:
        """It, on one line."""
        may = f"{plural(self.allowed, 'pod')} may be taken away" if self.allowed else "no pod may be taken away"
        return f"{self.name}: {self.healthy} healthy, {self.wanted} needed, {may}"


def budgets(found: Iterable[Object], pods: Sequence[Object]) -> tuple[Budget, ...]:
    """Return the budgets that any of ``pods`` is under."""
    mine = (one for one in found if any(_selected(one, "selector", pod) for pod in pods))
    return tuple(
        Budget(
            name_of(one),
            number(one, "status", "disruptionsAllowed"),
            number(one, "status", "currentHealthy"),
            number(one, "status", "desiredHealthy"),
        )
        for one in mine
    )


def policies(found: Iterable[Object], pods: Sequence[Object]) -> tuple[str, ...]:
    """Return the names of the network policies that select any of ``pods``, each with what it is about ("Ingress, Egress")."""
    mine = (one for one in found if any(_selected(one, "podSelector", pod) for pod in pods))
    return tuple(f"{name_of(one)} ({', '.join(listed(one, 'spec', 'policyTypes')) or 'Ingress'})" for one in mine)


def _selected(found: Object, field: str, pod: Object) -> bool:
    return selects(at(found, "spec", field), labels_of(pod))


@dataclass(frozen=True)
class Certificate:
    """One certificate of cert-manager. says: why it is not ready, in its own words. ends, renews: None if there is none yet.

    issuing: what it says of a new one that is being issued, or could not be; "" if none is.
    """

    name: str
    ready: bool
    ends: datetime | None
    renews: datetime | None
    says: str = ""
    issuing: str = ""

    @property
    def well(self) -> bool:
        """Whether it is valid and nothing is on its way."""
        return self.ready and not self.issuing

    @property
    def line(self) -> str:
        """It, on one line."""
        state = "ready" if self.ready else f"not ready: {self.says}"
        until = f", until {self.ends:%Y-%m-%d %H:%M}" if self.ends else ""
        renewal = f", renewed from {self.renews:%Y-%m-%d %H:%M}" if self.renews else ""
        issuing = f"; issuing: {self.issuing}" if self.issuing else ""
        return f"{self.name}: {state}{until}{renewal}{issuing}"


def certificates(found: Iterable[Object]) -> tuple[Certificate, ...]:
    """Return how the certificates of cert-manager fare."""
    return tuple(_certificate(one) for one in found)


def _certificate(found: Object) -> Certificate:
    ready, issuing = condition(found, "Ready"), condition(found, "Issuing")
    on_its_way = issuing.get("status") == "True" or issuing.get("reason") == "Failed"
    return Certificate(
        name_of(found),
        ready.get("status") == "True",
        when(at(found, "status", "notAfter")),
        when(at(found, "status", "renewalTime")),
        short(ready.get("message")),
        short(issuing.get("message")) if on_its_way else "",
    )


def crashed(pod: Object) -> tuple[tuple[str, bool], ...]:
    """Return (container, whether its last run is over and another one began or is to begin) of each container of a pod that ended in
    an error or is not ready: whose log is worth reading."""
    found = []
    for kind in ("initContainerStatuses", "containerStatuses"):
        for status in listed(pod, "status", kind):
            ended, before = at(status, "state", "terminated"), at(status, "lastState", "terminated")
            if (ended and ended.get("exitCode")) or before:
                found.append((str(status.get("name")), bool(before) and not ended))
            elif at(status, "state", "running") and not status.get("ready"):
                found.append((str(status.get("name")), False))
    return tuple(found)
