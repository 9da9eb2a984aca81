"""The rollouts of a namespace, looked at all at once: one question to the cluster for each look."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from runwright.engine.actions import Command, Do, Output, Wait
from runwright.errors import ActionError, VerificationError
from runwright.platforms.kubernetes.kubectl import Kubectl, Object, items, title
from runwright.platforms.kubernetes.reading import short
from runwright.platforms.kubernetes.rollout import Progress, progress
from runwright.plural import few

T = TypeVar("T")
EVERY_SECONDS = 1.0
DELETE_SECONDS = 90.0
"""A pod that is deleted may take its grace period, thirty seconds unless the manifest says otherwise."""
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


def look(kubectl: Kubectl, workloads: Sequence[str], then: Callable[[Looked], T]) -> Command[T]:
    """Return the read that gives ``then`` what a namespace has that the rollouts of ``workloads`` ("Deployment/shop") are told from.

    It raises ActionError if the cluster does not answer, or pods or workloads may not be seen; events may be missing.
    """
    kinds = dict.fromkeys(name.partition("/")[0] for name in workloads)
    needed = [kind for name in kinds for kind in _NEEDED.get(name, ())] + ["pods"]
    helpful = [kind for name in kinds for kind in _HELPFUL.get(name, ())] + ["events"]

    def parse(output: Output) -> T:
        said = output.stderr.decode("utf-8", "replace")
        lines = [line for line in said.splitlines() if line.strip() and not line.startswith("Warning:")]
        missing = [line for line in lines if not any(f"): {kind} is forbidden" in line for kind in helpful)]
        if output.code and (missing or not lines):
            raise ActionError(
                f"The cluster does not show the rollout: {short('; '.join(missing) or 'kubectl failed')}.",
                state="Nothing was changed by that.",
                next=f"Run `kubectl get {','.join(needed)} -n {kubectl.namespace}` by hand.",
            )
        return then(Looked(items(output), tuple(short(line) for line in lines) if output.code else ()))

    words = ("get", ",".join((*needed, *helpful)), "-o", "json", "--show-managed-fields")
    says = f"look how far {few(workloads)} got"
    return kubectl.read(*words, says=says, parse=parse, ok=frozenset({0, 1}))


def far(found: Looked, name: str, now: datetime) -> Progress:
    """Return how far the workload ``name`` is. One that is not there is neither done nor stalled, and told."""
    mine = next((one for one in found.of(name.partition("/")[0]) if title(one) == name), None)
    if mine is None:
        return Progress(False, "", f"{name} is not there.")
    revisions = found.of("ReplicaSet", "ControllerRevision")
    return progress(mine, revisions, found.of("Pod"), found.of("Event"), now)


def looked(do: Do, kubectl: Kubectl, workloads: Sequence[str]) -> Looked:
    """Return what a namespace has that the rollouts of ``workloads`` are told from. Raise ActionError as `look` does."""
    return do(look(kubectl, workloads, lambda found: found))


def watched(do: Do, kubectl: Kubectl, workloads: Sequence[str], now: datetime) -> dict[str, Progress]:
    """Return how far each of ``workloads`` ("Deployment/shop") is. Raise ActionError as `look` does."""
    found = looked(do, kubectl, workloads)
    return {name: far(found, name, now) for name in workloads}


def rolled(do: Do, kubectl: Kubectl, workload: Object, seconds: float, key: str) -> None:
    """Wait until ``workload``, which was applied, runs nothing but its newest pods.

    A broken pod of the version before, for which a StatefulSet would wait for ever, is deleted: it serves nobody.
    Raise VerificationError as soon as waiting is in vain, DeadlineError if it takes longer than ``seconds``.
    """
    name = title(workload)
    if workload["kind"] not in _NEEDED:
        return
    deleted: set[str] = set()
    while True:
        found = do(_waiting(kubectl, name, seconds, deleted))
        if not found.blocked_by:
            return
        deleted.add(found.blocked_by)
        says = f"delete pod {found.blocked_by}, which is broken and of the version before: {name} waits for it"
        words = ("delete", "pod", found.blocked_by, "--ignore-not-found", f"--timeout={DELETE_SECONDS:.0f}s")
        do(kubectl.change(*words, says=says, key=f"{key}/{found.blocked_by}", deadline_seconds=DELETE_SECONDS + 10))


def _waiting(kubectl: Kubectl, name: str, seconds: float, deleted: Collection[str]) -> Wait[Progress]:
    """Return the wait until it is done, or a pod blocks it that was not ``deleted`` before."""

    def until(found: Progress) -> bool:
        if found.blocked_by and found.blocked_by not in deleted:
            return True
        if found.stalled:
            raise VerificationError(f"{name} does not roll out: {found.stalled}", next=found.next)
        return found.done

    return Wait(
        says=f"wait until every pod of {name} is new and ready",
        read=look(kubectl, [name], lambda found: far(found, name, datetime.now(UTC))),
        until=until,
        every_seconds=EVERY_SECONDS,
        tells=lambda found: found.says,
        deadline_seconds=seconds,
        assume=Progress(True, "", ""),
    )
