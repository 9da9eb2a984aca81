"""Whether a namespace's quotas leave room for the pods that a rollout makes before others go."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runwright.errors import ObservationError
from runwright.platforms.kubernetes.kubectl import Object, name_of, title
from runwright.platforms.kubernetes.reading import at, number
from runwright.platforms.kubernetes.usage import quantity

PODS = ("pods", "count/pods")
RESOURCES = ("cpu", "memory")
_SURGE = "25%"
"""What a Deployment does that does not say it."""


@dataclass(frozen=True)
class Short:
    """A workload for whose new pods a quota has no room. stalls: whether none of its old ones goes before a new one is there."""

    says: str
    stalls: bool


def short_of(
    quotas: Sequence[Object], wanted: Sequence[Object], there: Sequence[Object], twice: Collection[str] = ()
) -> tuple[Short, ...]:
    """Return what of ``wanted``, the manifests' workloads, is too much for the ``quotas``, one workload at a time.

    there: the workloads that there are; one that is new needs room for all of its pods. twice: those that run twice for a while.
    A quota that counts only some pods (by scope) is left out: which ones it counts is not known here.
    """
    running = {title(o): o for o in there}
    return tuple(
        found
        for quota in quotas
        if not at(quota, "spec", "scopes") and not at(quota, "spec", "scopeSelector")
        for one in wanted
        if one["kind"] in ("Deployment", "StatefulSet") and isinstance(one.get("spec"), dict)
        for found in _short(quota, one, running.get(title(one)), name_of(one) in twice)
    )


def _short(quota: Object, one: Object, now: Object | None, twice: bool) -> Iterator[Short]:
    extra, stalls = pods_before(one, now, twice)
    hard, used = at(quota, "status", "hard") or {}, at(quota, "status", "used") or {}
    needs = _needs(one)
    for name in hard:
        each = 1.0 if name in PODS else needs.get(name, 0.0)
        try:
            left = quantity(hard[name]) - quantity(used.get(name, "0"))
        except ObservationError:
            continue
        if extra * each > left + 1e-9:
            yield Short(
                f"{title(one)} makes {extra} more pods at a time, which need {_amount(name, extra * each)} of {name}, and the quota "
                f"{name_of(quota)} has {_amount(name, max(left, 0.0))} left",
                stalls,
            )


def _amount(name: str, value: float) -> str:
    if name.endswith("memory"):
        return f"{value / 2**20:.0f}Mi"
    return f"{1000 * value:.0f}m" if name.endswith("cpu") else f"{value:.0f}"


def pods_before(one: Object, now: Object | None, twice: bool) -> tuple[int, bool]:
    """Return (how many pods of a workload are made before one goes, whether none goes before)."""
    replicas = number(
        one, "spec", "replicas", otherwise=1 if now is None else number(now, "spec", "replicas", otherwise=1)
    )
    if now is None or twice:
        return replicas, True
    if one["kind"] == "StatefulSet" or at(one, "spec", "strategy", "type") == "Recreate":
        return 0, False
    surge = _share(at(one, "spec", "strategy", "rollingUpdate", "maxSurge"), replicas, math.ceil)
    without = _share(at(one, "spec", "strategy", "rollingUpdate", "maxUnavailable"), replicas, math.floor)
    return surge, without == 0


def _share(given: Any, of: int, rounded: Any) -> int:
    text = str(_SURGE if given is None else given)
    if text.endswith("%"):
        try:
            return int(rounded(of * float(text[:-1]) / 100))
        except ValueError:
            return 0
    return int(text) if text.isdigit() else 0


def _needs(one: Object) -> Mapping[str, float]:
    """Return what one pod takes of a quota: "cpu" and "requests.cpu" are the same."""
    found: dict[str, float] = {}
    for container in at(one, "spec", "template", "spec", "containers") or ():
        for resource in RESOURCES:
            limit = at(container, "resources", "limits", resource)
            asked = at(container, "resources", "requests", resource) or limit
            for name, value in ((resource, asked), (f"requests.{resource}", asked), (f"limits.{resource}", limit)):
                if value is not None:
                    found[name] = found.get(name, 0.0) + quantity(value)
    return found
