"""The rollouts of a namespace, looked at all at once: one question to the cluster for each look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from runwright.engine.actions import Do, Output
from runwright.errors import ActionError
from runwright.platforms.kubernetes.kubectl import Kubectl, Object, items, title
from runwright.platforms.kubernetes.reading import short
from runwright.platforms.kubernetes.rollout import Progress, progress

_NEEDED = {
    "Deployment": ("deployments.apps", "replicasets.apps"),
    "StatefulSet": ("statefulsets.apps",),
    "DaemonSet": ("daemonsets.apps",),
}
_HELPFUL = {"DaemonSet": ("controllerrevisions.apps",)}
"""Without these, and without events, a rollout is seen all the same, and told with fewer words."""


@dataclass(frozen=True)
class Looked:
    """What one look brought: the objects, and what the cluster says that we may not see."""

    objects: tuple[Object, ...]
    unseen: tuple[str, ...] = ()

    def of(self, *kinds: str) -> tuple[Object, ...]:
        """Return the objects of ``kinds``."""
        return tuple(one for one in self.objects if one.get("kind") in kinds)


def looked(do: Do, kubectl: Kubectl, workloads: Sequence[str]) -> Looked:
    """Return what a namespace has that the rollouts of ``workloads`` ("Deployment/shop") are told from.

    Raise ActionError if the cluster does not answer, or pods or workloads may not be seen; events may be missing.
    """
    kinds = dict.fromkeys(name.partition("/")[0] for name in workloads)
    needed = [kind for name in kinds for kind in _NEEDED.get(name, ())] + ["pods"]
    helpful = [kind for name in kinds for kind in _HELPFUL.get(name, ())] + ["events"]

    def parse(output: Output) -> Looked:
        said = output.stderr.decode("utf-8", "replace")
        lines = [line for line in said.splitlines() if line.strip() and not line.startswith("Warning:")]
        missing = [line for line in lines if not any(f"): {kind} is forbidden" in line for kind in helpful)]
        if output.code and (missing or not lines):
            raise ActionError(
                f"The cluster does not show the rollout: {short('; '.join(missing) or 'kubectl failed')}.",
                state="Nothing was changed by that.",
                next=f"Run `kubectl get {','.join(needed)} -n {kubectl.namespace}` by hand.",
            )
        return Looked(items(output), tuple(short(line) for line in lines) if output.code else ())

    words = ("get", ",".join((*needed, *helpful)), "-o", "json", "--show-managed-fields")
    says = f"look how far {', '.join(workloads[:4])}{' and others' if len(workloads) > 4 else ''} got"
    found: Looked = do(kubectl.read(*words, says=says, parse=parse, ok=frozenset({0, 1})))
    return found


def watched(do: Do, kubectl: Kubectl, workloads: Sequence[str], now: datetime) -> dict[str, Progress]:
    """Return how far each of ``workloads`` ("Deployment/shop") is. One that is not there is neither done nor stalled, and told.

    Raise ActionError as `looked` does.
    """
    found = looked(do, kubectl, workloads)
    there = {title(one): one for one in found.of(*_NEEDED)}
    revisions, pods, events = found.of("ReplicaSet", "ControllerRevision"), found.of("Pod"), found.of("Event")
    return {
        name: progress(there[name], revisions, pods, events, now)
        if name in there
        else Progress(False, "", f"{name} is not there.")
        for name in workloads
    }
