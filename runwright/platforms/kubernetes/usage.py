"""What pods use: processor and memory as the metrics API measured them last, and how often they were restarted.

It is what ``kubectl top pods --containers`` shows, read as JSON: that command rounds, and fails where it has nothing to show yet.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runwright.engine.actions import Do, Output
from runwright.errors import ActionError, ObservationError
from runwright.platforms.kubernetes.kubectl import Kubectl, Object, items, name_of
from runwright.platforms.kubernetes.pods import fact
from runwright.platforms.kubernetes.reading import at, containers, listed
from runwright.platforms.shape import Usage

API = "metrics.k8s.io/v1beta1"
_QUANTITY = re.compile(r"([+-]?[\d.]+(?:[eE][+-]?\d+)?)([A-Za-z]*)")
_UNITS = {"": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_UNITS |= {f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", 1)}


@dataclass(frozen=True)
class Used:
    """What one container uses. cores: of processors. memory: its working set, in bytes."""

    cores: float
    memory_bytes: float

    @property
    def line(self) -> str:
        """It, as ``kubectl top`` shows it."""
        return f"{1000 * self.cores:.0f}m of processors, {self.memory_bytes / 2**20:.0f}Mi of memory"


Measured = Mapping[str, Mapping[str, Used]]
"""{pod: {container: what it uses}}."""


def quantity(text: object) -> float:
    """Return the number that a quantity ("250m", "64Mi", "1e3") stands for. Raise ObservationError if it is none."""
    found = _QUANTITY.fullmatch(str(text))
    try:
        value = float(found[1]) * _UNITS[found[2]] if found else math.nan
    except (KeyError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise ObservationError(
            f"The cluster said {str(text)[:20]!r} where a quantity is meant.", next="Run `kubectl top pods` by hand."
        )
    return value


def measured(do: Do, kubectl: Kubectl) -> Measured | None:
    """Return what the containers of the namespace use; a pod that was not measured yet is left out. None: nobody measures here.

    Raise ActionError if it may not be read, or the metrics API does not answer.
    """
    found = _read(do, kubectl, "pods.metrics.k8s.io", "measure what the pods use")
    return None if found is None else {name_of(one): _of_pod(one) for one in found}


def of_nodes(do: Do, kubectl: Kubectl) -> dict[str, Used] | None:
    """Return what the nodes use. None: nobody measures here. Raise ActionError if it may not be read, or nobody answers."""
    found = _read(do, kubectl, "nodes.metrics.k8s.io", "measure what the nodes use")
    return None if found is None else {name_of(one): _used(one) for one in found}


def _read(do: Do, kubectl: Kubectl, kind: str, says: str) -> tuple[Object, ...] | None:
    try:
        found: tuple[Object, ...] = do(kubectl.read("get", kind, "-o", "json", says=says, parse=items, assume=()))
    except ActionError:
        if API in served(do, kubectl):
            raise
        return None
    return found


def served(do: Do, kubectl: Kubectl) -> frozenset[str]:
    """Return the APIs that the cluster serves ("apps/v1"), by its own word: everybody who may log in may ask that."""

    def parse(output: Output) -> frozenset[str]:
        return frozenset(output.text.split())

    found: frozenset[str] = do(kubectl.read("api-versions", says="ask what the cluster serves", parse=parse))
    return found


def _of_pod(found: Object) -> dict[str, Used]:
    return {str(one.get("name")): _used(one) for one in listed(found, "containers")}


def _used(found: Object) -> Used:
    return Used(quantity(at(found, "usage", "cpu")), quantity(at(found, "usage", "memory")))


def usage(do: Do, kubectl: Kubectl, instances: Sequence[str]) -> dict[str, Usage] | None:
    """Return what the pods ``instances`` use, by name: percent of one core, percent of the memory limit (of the container that is
    nearest to its own; 0 without a limit), restarts. One that is gone, or was not measured yet, is left out.

    None: the cluster has no metrics API. Raise ActionError if it may not be read, or does not answer.
    """
    if not instances:
        return {}
    used = measured(do, kubectl)
    if used is None:
        return None
    there = {name_of(pod): pod for pod in kubectl.objects(do, ("pods",), assume=())}
    return {name: _usage(there[name], used[name]) for name in instances if name in there and name in used}


def _usage(pod: Object, used: Mapping[str, Used]) -> Usage:
    limits = {str(c.get("name")): at(c, "resources", "limits", "memory") for c in containers(pod)}
    shares = [100 * u.memory_bytes / quantity(limits[name]) for name, u in used.items() if limits.get(name)]
    return Usage(100 * sum(u.cores for u in used.values()), max(shares, default=0.0), fact(pod).restarts)
