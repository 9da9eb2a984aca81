"""How far a rollout is: done, on its way, or in vain; told from what a cluster shows, and from nothing else.

Three kinds of workload, each with its own way to say which pods are of the new template: a Deployment's newest ReplicaSet, a
StatefulSet's update revision, a DaemonSet's newest ControllerRevision (or its generation).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from runwright.errors import ObservationError
from runwright.platforms.kubernetes.kubectl import Object, name_of, title
from runwright.platforms.kubernetes.reading import (
    Events,
    at,
    condition,
    containers,
    controller,
    last_seen,
    listed,
    number,
    owned,
    seconds_since,
    terminating,
    uid,
    when,
)
from runwright.platforms.kubernetes.refusals import refusal
from runwright.platforms.kubernetes.troubles import PASSING_SECONDS, Look, Reason, Trouble, is_ready, troubles
from runwright.plural import plural

GENERATION = "deprecated.daemonset.template.generation"
REVISION = "deployment.kubernetes.io/revision"
HASH = "controller-revision-hash"
STEADY_SECONDS = 10.0
"""What nothing asks whether it is ready has to run for so long without a restart."""
MOVED_SECONDS = 10.0
"""After a pod has become ready its controller stops another one, in a moment unless it is busy."""
LATE_SECONDS = 30.0
"""A pod that ends takes its time after that, which it is given to end by itself."""
LATELY_SECONDS = 600.0
"""Pods that a node gave up stay in the list, some for weeks."""


@dataclass(frozen=True)
class Progress:
    """How far a rollout is.

    says changes only when something else is so: whoever waits is told each new one.
    done: all pods that are wanted are of the newest template, ready and available, and no other one is left but what is ending.
    stalled: a sentence as soon as waiting is in vain, else "". says: how far it is, and what is wrong so far, whatever that is.
    next: what to do about what is wrong, "" if nothing is. reason: what kind of trouble that is, None if there is none.
    blocked_by: the pod that has to be deleted before anything goes on, "" if there is none.
    What a person paused is not stalled: it is told, and goes on when that person wants. All texts may hold secrets.
    """

    done: bool
    stalled: str
    says: str
    next: str = ""
    reason: Reason | None = None
    blocked_by: str = ""


@dataclass(frozen=True)
class Count:
    """What a workload has: pods of the newest template, others, and those that are ending.

    available: of the newest, as its controller counts. given_up: of the newest, those that their nodes gave up lately.
    """

    wanted: int
    new: tuple[Object, ...]
    given_up: tuple[Object, ...]
    old: tuple[Object, ...]
    ending: tuple[Object, ...]
    available: int
    template: Object
    makers: tuple[Object, ...]

    @property
    def ready(self) -> int:
        """How many of the newest are ready."""
        return sum(map(is_ready, self.new))


def progress(
    workload: Object, revisions: Sequence[Object], pods: Sequence[Object], events: Sequence[Object], now: datetime
) -> Progress:
    """Return how far ``workload`` (Deployment, StatefulSet or DaemonSet) is at ``now``.

    revisions: ReplicaSets (for a Deployment) and ControllerRevisions (for a DaemonSet, if they may be read); pods, events: of its
    namespace. What belongs to another workload is left out here. Raise ObservationError for any other kind.
    """
    if number(workload, "status", "observedGeneration") < number(workload, "metadata", "generation"):
        return Progress(False, "", f"{title(workload)}: its controller has not looked at this change yet.")
    counted = _COUNTS.get(str(workload.get("kind")))
    if counted is None:
        raise ObservationError(f"{title(workload)} has no rollout: only {', '.join(_COUNTS)} have one.")
    count = counted(workload, revisions, pods)
    if (done := _done(workload, count, now)) is not None:
        return done
    indexed = Events(events)
    looking = Look(
        indexed,
        now,
        ours=frozenset(str(c.get("name")) for c in containers(count.template)),
        ending=any(_makes_room(pod, now) for pod in pods),
        moving=any(_moves(pod, now) for pod in count.new),
        room=_room(workload, revisions, indexed),
        others=sum(
            seconds_since(at(pod, "metadata", "creationTimestamp"), now) < LATELY_SECONDS for pod in count.given_up
        ),
    )
    found = [*_of_workload(workload, count, looking), *_of_pods(count, looking)]
    return _told(workload, count, found, now)


def _makes_room(pod: Object, now: datetime) -> bool:
    """Return whether a pod is ending, and in time: one whose node does not answer may end in an hour."""
    return terminating(pod) and seconds_since(at(pod, "metadata", "deletionTimestamp"), now) < LATE_SECONDS


def _moves(pod: Object, now: datetime) -> bool:
    """Return whether a pod has a place, and gets ready or just has become so: what that brings has not followed yet."""
    if condition(pod, "PodScheduled").get("status") != "True":
        return False
    return not is_ready(pod) or seconds_since(condition(pod, "Ready").get("lastTransitionTime"), now) < MOVED_SECONDS


def _room(workload: Object, revisions: Sequence[Object], events: Events) -> datetime | None:
    """Return by when the pod of ``workload`` that was deleted last has surely ended, None if none was lately."""
    makers = [workload, *owned(revisions, [workload])]
    deleted = [last_seen(e) for maker in makers for e in events.about(maker, "SuccessfulDelete")]
    grace = number(workload, "spec", "template", "spec", "terminationGracePeriodSeconds", otherwise=30)
    return max(deleted) + timedelta(seconds=grace + 1) if deleted else None


def newest(workload: Object, revisions: Sequence[Object]) -> Object | None:
    """Return the ReplicaSet of a Deployment's template, None if none was made yet (or the Deployment is paused)."""
    mine = owned((r for r in revisions if r.get("kind") == "ReplicaSet"), [workload])
    wanted = _plain(at(workload, "spec", "template"))
    same = [r for r in mine if _plain(at(r, "spec", "template")) == wanted]
    if same:
        # the oldest of several, as its controller takes it
        return min(same, key=lambda r: str(at(r, "metadata", "creationTimestamp")))
    if at(workload, "spec", "paused"):
        return None
    revision = at(workload, "metadata", "annotations", REVISION)
    return next((r for r in mine if revision and at(r, "metadata", "annotations", REVISION) == revision), None)


def _plain(value: Any, *, labels: bool = True) -> Any:
    """Return a template without its hash, and without what is nothing."""
    if isinstance(value, dict):
        kept = {k: _plain(v) for k, v in value.items() if not (labels and k == "pod-template-hash")}
        return {k: v for k, v in kept.items() if v not in (None, {}, [])}
    return [_plain(one) for one in value] if isinstance(value, list) else value


# --------------------------------------------------------------------------------------------------- each kind's pods


def _deployment(workload: Object, revisions: Sequence[Object], pods: Sequence[Object]) -> Count:
    sets = owned((r for r in revisions if r.get("kind") == "ReplicaSet"), [workload])
    new_set = newest(workload, revisions)
    mine = owned(pods, sets)
    is_new = _same_owner(new_set)
    makers = tuple(one for one in (new_set, workload) if one is not None)
    available = number(new_set, "status", "availableReplicas") if new_set else 0
    return _count(workload, mine, is_new, number(workload, "spec", "replicas", otherwise=1), available, makers)


def _same_owner(new_set: Object | None) -> Callable[[Object], bool]:
    return lambda pod: new_set is not None and controller(pod).get("uid") == uid(new_set)


def _stateful_set(workload: Object, _: Sequence[Object], pods: Sequence[Object]) -> Count:
    revision = at(workload, "status", "updateRevision")
    replicas = number(workload, "spec", "replicas", otherwise=1)
    mine = owned(pods, [workload])

    def is_new(pod: Object) -> bool:
        return at(pod, "metadata", "labels", HASH) == revision or ordinal(pod) < partition(workload)

    ready = number(workload, "status", "availableReplicas")
    return _count(workload, mine, is_new, replicas, ready, (workload,))


def ordinal(pod: Object) -> int:
    """Return the number of a pod of a StatefulSet."""
    label = at(pod, "metadata", "labels", "apps.kubernetes.io/pod-index")
    text = str(label if label is not None else name_of(pod).rpartition("-")[2])
    return int(text) if text.isdigit() else 0


def partition(workload: Object) -> int:
    """Return below which ordinal the pods of a StatefulSet stay as they are."""
    start = number(workload, "spec", "ordinals", "start")
    cut = number(workload, "spec", "updateStrategy", "rollingUpdate", "partition")
    return cut if cut > start else 0


def _daemon_set(workload: Object, revisions: Sequence[Object], pods: Sequence[Object]) -> Count:
    mine = owned(pods, [workload])
    histories = owned((r for r in revisions if r.get("kind") == "ControllerRevision"), [workload])
    last = max(histories, key=lambda r: number(r, "revision"), default=None)
    revision = at(last, "metadata", "labels", HASH)
    generation = at(workload, "metadata", "annotations", GENERATION)

    def is_new(pod: Object) -> bool:
        labels = at(pod, "metadata", "labels") or {}
        return bool(labels.get(HASH) == revision if revision else labels.get("pod-template-generation") == generation)

    wanted = number(workload, "status", "desiredNumberScheduled")
    return _count(workload, mine, is_new, wanted, number(workload, "status", "numberAvailable"), (workload,))


_COUNTS: Mapping[str, Callable[[Object, Sequence[Object], Sequence[Object]], Count]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
}


def _count(
    workload: Object,
    mine: Sequence[Object],
    is_new: Callable[[Object], bool],
    wanted: int,
    available: int,
    makers: tuple[Object, ...],
) -> Count:
    staying = [pod for pod in mine if not terminating(pod)]
    given_up = [pod for pod in staying if at(pod, "status", "phase") == "Failed"]
    alive = [pod for pod in staying if at(pod, "status", "phase") != "Failed"]
    return Count(
        wanted,
        new=tuple(pod for pod in alive if is_new(pod)),
        given_up=tuple(pod for pod in given_up if is_new(pod)),
        old=tuple(pod for pod in alive if not is_new(pod)),
        ending=tuple(pod for pod in mine if terminating(pod)),
        available=available,
        template=at(workload, "spec", "template") or {},
        makers=makers,
    )


# ------------------------------------------------------------------------------------------------------ is it done


def _done(workload: Object, count: Count, now: datetime) -> Progress | None:
    ready = [pod for pod in count.new if is_ready(pod)]
    steady = all(_steady_in(pod, workload, now) <= 0 for pod in ready)
    up_to_date = (
        len(ready) == count.wanted == len(count.new) and not count.old and _all_counted(workload, count) and steady
    )
    if not up_to_date or (at(workload, "spec", "paused") and len(count.makers) < 2):
        return None
    if not count.wanted:
        says = f"{title(workload)}: no pod is wanted, none is there"
    else:
        says = f"{title(workload)}: {count.wanted} of {count.wanted} ready in the new version"
    if left := _kept_by_partition(workload, count):
        says += f"; {left} of them as before, by its partition"
    return Progress(True, "", f"{says}{_ending(count)}.")


def _steady_in(pod: Object, workload: Object, now: datetime) -> float:
    """Return in how many seconds a pod that is ready counts as steady. Without a readiness probe it is ready as soon as it runs."""
    ours = listed(workload, "spec", "template", "spec", "containers")
    if any(one.get("readinessProbe") for one in ours):
        return 0.0
    return STEADY_SECONDS - seconds_since(condition(pod, "Ready").get("lastTransitionTime"), now)


def _not_counted(workload: Object, count: Count, now: datetime) -> str:
    seconds = number(workload, "spec", "minReadySeconds")
    left = max((_steady_in(pod, workload, now) for pod in count.new), default=0.0)
    if left > 0:
        return f"; it has no readiness probe, and has to run for {STEADY_SECONDS:.0f} s"
    return f"; each has to be ready for {seconds} s" if seconds else "; its controller has not counted them yet"


def _all_counted(workload: Object, count: Count) -> bool:
    """Return whether its controller has counted the pods as we have; what is available needs minReadySeconds, too."""
    status = workload.get("status") or {}
    kind = workload.get("kind")
    if kind == "DaemonSet":
        updated = number(status, "updatedNumberScheduled") >= count.wanted
        return updated and number(status, "numberAvailable") >= count.wanted
    if kind == "StatefulSet":
        if partition(workload):
            return number(status, "readyReplicas") >= count.wanted
        by_hand = at(workload, "spec", "updateStrategy", "type") == "OnDelete"  # then nobody notes that it is complete
        same = by_hand or status.get("currentRevision") == status.get("updateRevision") or not count.wanted
        return same and count.available >= count.wanted and number(status, "replicas") == count.wanted
    return count.available >= count.wanted and number(status, "updatedReplicas") >= count.wanted


def _kept_by_partition(workload: Object, count: Count) -> int:
    if workload.get("kind") != "StatefulSet":
        return 0
    revision = at(workload, "status", "updateRevision")
    return sum(at(pod, "metadata", "labels", HASH) != revision for pod in count.new)


def _ending(count: Count) -> str:
    return f"; {len(count.ending)} ending" if count.ending else ""


# ---------------------------------------------------------------------------------------------- what is in its way


def _of_workload(workload: Object, count: Count, look: Look) -> list[Trouble]:
    found = []
    if (paused := _paused(workload)) is not None:
        found.append(paused)
    if len(count.new) < count.wanted and paused is None:
        for maker in count.makers:
            if (refused := refusal(maker, look)) is not None:
                found.append(refused)
                break
    if at(workload, "spec", "updateStrategy", "type") == "OnDelete" and count.old:
        says = (
            f"{title(workload)}: {plural(len(count.old), 'pod')} of the version before: with updateStrategy OnDelete each is "
            "replaced only when somebody deletes it"
        )
        to_do = "Delete them one after the other, or set updateStrategy RollingUpdate in the manifest."
        found.append(Trouble(Reason.BY_HAND, f"{says}.", to_do, final=True))
    if workload.get("kind") == "StatefulSet":
        found += _blocked(workload, count, look)
    return found


def _paused(workload: Object) -> Trouble | None:
    if not at(workload, "spec", "paused"):
        return None
    since = condition(workload, "Progressing")
    known = f" since {since['lastTransitionTime']}" if since.get("reason") == "DeploymentPaused" else ""
    says = f"{title(workload)}: DeploymentPaused{known}: it was paused by hand, and nothing goes on until it is resumed"
    to_do = f"Resume it: `kubectl rollout resume deployment/{name_of(workload)} -n {at(workload, 'metadata', 'namespace')}`."
    return Trouble(Reason.PAUSED, f"{says}; its own deadline is not counted meanwhile.", to_do, final=False)


def _one_after_the_other(workload: Object) -> bool:
    return workload.get("kind") == "StatefulSet" and at(workload, "spec", "podManagementPolicy") != "Parallel"


def _blocked(workload: Object, count: Count, look: Look) -> list[Trouble]:
    """Return which pod of a StatefulSet keeps those after it from being made or replaced: one of the version before that is broken
    is never replaced by itself, where pods are managed one after the other."""
    if not _one_after_the_other(workload):
        return []
    for pod in sorted(count.old, key=ordinal):
        if is_ready(pod):
            continue
        why = next(troubles(pod, replace(look, ours=())), None)
        if why is None:
            continue
        says = f"{title(workload)}: pod {name_of(pod)}, which is of the version before, blocks it (OrderedReady): {why.says}"
        to_do = f"Delete it, so that it is made anew: `kubectl delete pod {name_of(pod)} -n {at(pod, 'metadata', 'namespace')}`."
        return [Trouble(Reason.ORDINAL, says, to_do, final=why.final, pod=name_of(pod))]
    found = []
    for pod in count.ending:
        over = seconds_since(at(pod, "metadata", "deletionTimestamp"), look.now)  # the time by which it is to be gone
        if over >= PASSING_SECONDS:
            node = at(pod, "spec", "nodeName")
            says = f"{title(workload)}: pod {name_of(pod)} should have ended {over:.0f} s ago, and blocks the one that follows it"
            to_do = f"Look whether its node answers: `kubectl get node {node}`."
            found.append(Trouble(Reason.NODE, f"{says}.", to_do, final=True))
    return found


def _of_pods(count: Count, look: Look) -> list[Trouble]:
    lately = count.given_up[-1:] if look.others else ()
    return [trouble for pod in (*count.new, *lately) for trouble in troubles(pod, look)]


# ------------------------------------------------------------------------------------------------------------ told


def _told(workload: Object, count: Count, found: Sequence[Trouble], now: datetime) -> Progress:
    says = f"{title(workload)}: {count.ready} of {count.wanted} ready in the new version"
    if count.old:
        says += f"; {len(count.old)} left of another version"
    if len(count.new) > count.wanted:
        says += f"; {len(count.new) - count.wanted} more than wanted"
    if strays := number(workload, "status", "numberMisscheduled"):
        says += f"; {strays} on nodes where none should run"
    if not found and count.ready >= count.wanted and not count.old:
        says += _not_counted(workload, count, now)
    says += f"{_ending(count)}."
    worst = next((t for t in found if t.final), next(iter(found), None))
    if _gave_up(workload, now):
        limit = number(workload, "spec", "progressDeadlineSeconds", otherwise=600)
        gave_up = f"{title(workload)}: ProgressDeadlineExceeded: it got no further for {limit} s"
        because = worst.says if worst else says.partition(": ")[2]
        to_do = worst.next if worst else f"Look at `kubectl describe deployment {name_of(workload)}` and at its pods."
        reason = worst.reason if worst else Reason.DEADLINE
        return Progress(False, f"{gave_up}; {because}", f"{says} {worst.says if worst else ''}".strip(), to_do, reason)
    if worst is None:
        return Progress(False, "", says)
    same = sum(t.final and t.reason is worst.reason for t in found) - 1
    likewise = f" ({plural(same, 'more pod')} likewise)" if worst.final and same > 0 else ""
    blocked = worst.pod if worst.final and worst.reason is Reason.ORDINAL else ""
    to_do = worst.next
    if worst.final and worst.pod and not blocked and _one_after_the_other(workload):
        to_do += f" Until {worst.pod} is ready, the other pods stay as they are (OrderedReady), and an older version takes its place only once it is deleted."
    stalled = f"{worst.says.removesuffix('.')}{likewise}." if worst.final else ""
    return Progress(False, stalled, f"{says} {worst.says}", to_do, worst.reason, blocked)


def _gave_up(workload: Object, now: datetime) -> bool:
    """Return whether the deadline that a Deployment sets itself is over.

    The controller does not take the condition back when a new change comes (a way back, above all), and does not set it anew if
    that fails, too: one that is older than the last change says nothing, and the time since that change counts.
    """
    progressing = condition(workload, "Progressing")
    if progressing.get("reason") != "ProgressDeadlineExceeded":
        return False
    changed, told = _changed(workload), when(progressing.get("lastTransitionTime"))
    if changed is None or told is None or told > changed:
        return True
    limit = number(workload, "spec", "progressDeadlineSeconds", otherwise=600)
    return (now - changed).total_seconds() >= limit


def _changed(workload: Object) -> datetime | None:
    """Return when somebody changed a workload last, but for its status; None if nobody wrote that down."""
    entries = (e for e in listed(workload, "metadata", "managedFields") if not e.get("subresource"))
    return max((time for e in entries if (time := when(e.get("time")))), default=None)
