"""A version's objects as they are applied in one of two places, blue and green: pure functions over objects.

A Deployment that gets users' requests is NAME-blue or NAME-green, and its pods have the label `SLOT`. What follows the users stays
one object: the Service, by its selector, and an autoscaler, by its target, so that the version that was left keeps the number of
pods that it served with. A PodDisruptionBudget is there for each of the two.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from runwright.errors import InputError
from runwright.platforms.kubernetes.kubectl import Object, name_of, title
from runwright.platforms.kubernetes.manifests import SLOT, Composed, template

SLOTS = ("blue", "green")
CLOSED = "none"
"""In place of a slot: the Service sends nobody anywhere."""
LONGEST_NAME = 46
"""Of a Deployment that runs twice: the names of its pods begin with its own and the colour's, and are cut at 58 characters."""
SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
LATER = ("Ingress", "HTTPRoute", "GRPCRoute")
"""Kinds that say how users come to a Service: applied when the version has them."""


def named(service: str, slot: str) -> str:
    """Return what a Deployment is called in ``slot``; "": in none."""
    return f"{service}-{slot}" if slot else service


def service_of(workload: str, services: Iterable[str]) -> str:
    """Return whose Deployment ``workload`` is, in whichever slot; its own name if it is of none of ``services``."""
    return next((s for s in services for slot in SLOTS if workload == named(s, slot)), workload)


def in_slot(workload: Object, slot: str) -> Object:
    """Return a Deployment as it is in ``slot``. Raise InputError if it is none, or its name is too long."""
    name = name_of(workload)
    if workload["kind"] != "Deployment":
        raise InputError(
            f"{title(workload)} is in `traffic`, and only a Deployment can run twice.",
            next="Take it out of `traffic`, or say `strategy: rolling`.",
        )
    if len(name) > LONGEST_NAME:
        raise InputError(f"The name {name} is too long to run twice.", next=f"Use up to {LONGEST_NAME} characters.")
    made = copy.deepcopy(workload)
    made["metadata"]["name"] = named(name, slot)
    made["metadata"].setdefault("labels", {})[SLOT] = slot
    made["spec"].setdefault("selector", {}).setdefault("matchLabels", {})[SLOT] = slot
    template(made).setdefault("metadata", {}).setdefault("labels", {})[SLOT] = slot
    return made


def out_of_slot(workload: Object, service: str) -> Object:
    """Return what `in_slot` was given."""
    made = copy.deepcopy(workload)
    made["metadata"]["name"] = service
    for labels in (
        made["metadata"].get("labels"),
        (made["spec"].get("selector") or {}).get("matchLabels"),
        (template(made).get("metadata") or {}).get("labels"),
    ):
        (labels or {}).pop(SLOT, None)
    return made


def served_by(service: Object, slot: str) -> Object:
    """Return a Service that sends users to ``slot``; "": to whatever its own selector finds."""
    made = copy.deepcopy(service)
    own = {key: value for key, value in (made["spec"].get("selector") or {}).items() if key != SLOT}
    made["spec"]["selector"] = {**own, SLOT: slot} if slot else own
    return made


def guards(made: Composed, services: Iterable[str], slot: str) -> dict[str, list[Object]]:
    """Return {service: the budgets that guard its pods in ``slot``}."""
    found: dict[str, list[Object]] = {service: [] for service in services}
    for one in made.base:
        if (service := guarded(one, made.workloads, found)) is None:
            continue
        mine = copy.deepcopy(one)
        if slot:
            mine["metadata"]["name"] = named(name_of(one), slot)
            mine["metadata"].setdefault("labels", {})[SLOT] = slot
            mine["spec"].setdefault("selector", {}).setdefault("matchLabels", {})[SLOT] = slot
        found[service].append(mine)
    return found


def guarded(one: Object, workloads: Mapping[str, Object], services: Iterable[str]) -> str | None:
    """Return whose pods a PodDisruptionBudget guards, None if those of none of ``services``, or of another workload too."""
    labels = (one["spec"].get("selector") or {}).get("matchLabels") if one["kind"] == "PodDisruptionBudget" else None
    if not labels:
        return None
    there = {s: (template(w).get("metadata") or {}).get("labels") or {} for s, w in workloads.items()}
    found = [s for s, of_pods in there.items() if labels.items() <= of_pods.items()]
    return found[0] if len(found) == 1 and found[0] in set(services) else None


def scales(one: Object, services: Iterable[str]) -> str | None:
    """Return which of ``services`` an autoscaler scales, None if none of them."""
    if one["kind"] not in SCALERS:
        return None
    target = one["spec"].get("scaleTargetRef") or {}
    name = service_of(str(target.get("name")), services)
    return name if name in set(services) and target.get("kind", "Deployment") == "Deployment" else None


def arranged(made: Composed, exposed: Mapping[str, str], slot: str) -> Composed:
    """Return the objects of a version as they are while ``slot`` serves. exposed: {service: its Service}; "": as there are no slots."""
    if not slot:
        return made
    base = [_following(one, exposed, slot) for one in made.base if guarded(one, made.workloads, exposed) is None]
    base += [one for mine in guards(made, exposed, slot).values() for one in mine]
    workloads = {s: in_slot(w, slot) if s in exposed else w for s, w in made.workloads.items()}
    return replace(made, base=tuple(base), workloads=workloads)


def _following(one: Object, exposed: Mapping[str, str], slot: str) -> Object:
    if one["kind"] == "Service" and name_of(one) in exposed.values():
        return served_by(one, slot)
    if (service := scales(one, exposed)) is not None:
        one = copy.deepcopy(one)
        one["spec"]["scaleTargetRef"]["name"] = named(service, slot)
    return one


def needed_first(base: Sequence[Object], exposed: Mapping[str, str], there: Iterable[str]) -> list[Object]:
    """Return of what `arranged` gave what a candidate needs before it has users: nothing that users, or what serves, would notice.

    there: the Services that there are. One that is not there yet is made, and sends nobody anywhere.
    """
    left = set(there)
    found = []
    for one in base:
        if one["kind"] in LATER or scales(one, exposed) is not None or one["kind"] == "PodDisruptionBudget":
            continue
        if one["kind"] == "Service" and name_of(one) in exposed.values():
            if name_of(one) in left:
                continue
            one = served_by(one, CLOSED)
        found.append(one)
    return found


def counted(workload: Object, number: int | None) -> Object:
    """Return a workload with a number of pods; None: as it says itself."""
    return workload if number is None else {**workload, "spec": {**workload["spec"], "replicas": number}}


def pods_for(share: int, beside: int) -> int:
    """Return how many new pods get about ``share`` percent of the users while ``beside`` old ones serve; one at least."""
    return max(1, round(beside * share / (100 - share))) if share < 100 else max(1, beside)


def really(new: int, old: int) -> float:
    """Return the percentage of the users that ``new`` pods get beside ``old`` ones."""
    return 100 * new / (new + old) if new + old else 0.0


def as_plain(found: Sequence[Object], services: Iterable[str], slot: str) -> list[Object]:
    """Return what a namespace has, as if what runs in ``slot`` ran in none: Deployments, and their ReplicaSets by their owner."""
    mine = {named(service, slot): service for service in services}
    made: list[Object] = []
    for one in found:
        if one["kind"] == "Deployment" and name_of(one) in mine:
            made.append(out_of_slot(one, mine[name_of(one)]))
        elif one["kind"] == "Deployment" and (
            name_of(one) in mine.values() or service_of(name_of(one), mine.values()) != name_of(one)
        ):
            continue
        elif one["kind"] == "ReplicaSet":
            made.append(_owned_by(one, mine))
        else:
            made.append(one)
    return made


def _owned_by(one: Object, mine: Mapping[str, str]) -> Object:
    owners: list[Any] = one["metadata"].get("ownerReferences") or []
    renamed = [{**owner, "name": mine.get(str(owner.get("name")), owner.get("name"))} for owner in owners]
    return {**one, "metadata": {**one["metadata"], "ownerReferences": renamed}} if owners else one
