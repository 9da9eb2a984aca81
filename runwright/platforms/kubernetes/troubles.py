"""What keeps one pod from getting ready, as a sentence: whether it may pass, or waiting is in vain."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from signal import Signals
from typing import Any

from runwright.platforms.kubernetes.kubectl import Object, name_of
from runwright.platforms.kubernetes.reading import (
    Events,
    at,
    condition,
    containers,
    first_seen,
    last_seen,
    listed,
    number,
    of_container,
    seconds_since,
    short,
    terminating,
    times,
    when,
)
from runwright.plural import plural

PULL_SECONDS = 20.0
"""A registry that answers with an error of its own, or not at all, is tried for so long. "Not found" is final."""
MISSING_SECONDS = 10.0
"""A Secret, or what else is missing, may be made a moment later by somebody else (an operator for secrets)."""
UNSCHEDULABLE_SECONDS = 10.0
"""Pods that end may make room, which the scheduler sees within a second or two."""
SCHEDULED_SECONDS = 20.0
"""The scheduler tries again within ten seconds after a pod has gone, if that may help."""
PASSING_SECONDS = 60.0
"""A volume that is being made or moved, a node that is just coming back."""
UNTAKEN_SECONDS = 10.0
"""A node that is well takes a pod within a second."""
CRASHES = 2
"""One crash may be bad luck, such as a database that was not there yet; the second one is no chance."""
REJECTED = 3
"""So many pods that a node took and then gave up (evicted, out of something) are no chance."""


class Reason(StrEnum):
    """Why a rollout does not go on."""

    IMAGE = "image"  # an image cannot be had
    CRASH = "crash"  # a container ends, or cannot be started
    MEMORY = "memory"  # a container was killed because it used more memory than it may
    INIT = "init"  # an init container fails
    PROBE = "probe"  # a probe fails
    MISSING = "missing"  # a Secret, a ConfigMap or a key that a pod needs is not there, or cannot be used
    UNSCHEDULABLE = "unschedulable"  # no node takes it
    QUOTA = "quota"  # pods are refused by a quota or by limits of the namespace
    REFUSED = "refused"  # pods are refused by Pod Security, a webhook, or the API server
    WEBHOOK_AWAY = "webhook away"  # a webhook does not answer: nobody can make pods here
    VOLUME = "volume"  # a volume cannot be attached or mounted
    NODE = "node"  # its node does not answer, or gave it up
    ORDINAL = "ordinal"  # a pod of a StatefulSet blocks those after it
    BY_HAND = "by hand"  # its pods are replaced only as somebody deletes them
    PAUSED = "paused"  # somebody paused it
    DEADLINE = "deadline"  # its controller gave up


@dataclass(frozen=True)
class Trouble:
    """What keeps a pod from getting ready.

    says: pod, container, reason and the tool's own words, as a sentence; they may hold secrets. next: what to do.
    final: whether waiting is in vain; else it is only told. pod: which one.
    """

    reason: Reason
    says: str
    next: str
    final: bool
    pod: str = ""


@dataclass(frozen=True)
class Look:
    """One look at a cluster. ours: names of the containers that the template has; what a webhook added is told apart.

    ending: whether pods are ending right now, which may make room. moving: whether a pod of the template is getting ready, or just has
    become so: then one of the version before ends next. room: by when the last pod that was deleted has surely made room.
    others: how many pods of the same template their nodes gave up.
    """

    events: Events
    now: datetime
    ours: Collection[str] = ()
    ending: bool = False
    moving: bool = False
    room: datetime | None = None
    others: int = 0

    def no_room(self, tried: datetime | None, patience: float) -> bool:
        """Return whether there is no room and none will come: nothing ends, and it was ``tried`` since the last pod had ended, or
        for ``patience`` seconds nobody has tried again."""
        if self.ending or self.moving:
            return False
        if self.room is None or (tried is not None and tried > self.room):
            return True
        return (self.now - self.room).total_seconds() >= patience


def troubles(pod: Object, look: Look) -> Iterator[Trouble]:
    """Yield what keeps ``pod`` from getting ready, what comes first first; nothing if it is ready, or only needs time."""
    yield from (replace(found, pod=name_of(pod)) for found in _troubles(pod, look))


def _troubles(pod: Object, look: Look) -> Iterator[Trouble]:
    if at(pod, "status", "phase") == "Failed":
        yield _given_up(pod, look)
        return
    if (unplaced := _unplaced(pod, look)) is not None:
        yield unplaced
        return
    if at(condition(pod, "Ready"), "status") == "True":
        return
    if (untaken := _untaken(pod, look)) is not None:
        yield untaken
    if (whole := _of_whole(pod, look)) is not None:
        yield whole
    yield from _of_volumes(pod, look)
    kinds = (("initContainerStatuses", "init container"), ("containerStatuses", "container"))
    for statuses, kind in kinds:
        for status in listed(pod, "status", statuses):
            if (found := _of_container(pod, status, kind, look)) is not None:
                yield found


def _of_whole(pod: Object, look: Look) -> Trouble | None:
    """Return what keeps a pod from being ready although each of its containers is."""
    ready = condition(pod, "Ready")
    if condition(pod, "ContainersReady").get("status") != "True" or ready.get("status") != "False":
        return None
    if ready.get("reason") == "ReadinessGatesNotReady":
        says = f"Pod {name_of(pod)}: its containers are ready, and a gate is not: {short(ready.get('message')).rstrip('.')}."
        return Trouble(
            Reason.PROBE, says, "Whoever sets that condition (a load balancer's controller) has to.", final=False
        )
    node = at(pod, "spec", "nodeName")
    said = [short(e.get("message")) for e in look.events.about(pod, "NodeNotReady")]
    words = f": {said[-1].rstrip('.')}" if said else ""
    return Trouble(
        Reason.NODE,
        f"Pod {name_of(pod)}: its node {node} does not answer{words}.",
        f"Look at `kubectl describe node {node}`; its pods are started elsewhere only when it was away for minutes.",
        final=False,
    )


# ---------------------------------------------------------------------------------------------------- before it starts


def _given_up(pod: Object, look: Look) -> Trouble:
    reason, message = at(pod, "status", "reason"), short(at(pod, "status", "message"))
    node = at(pod, "spec", "nodeName") or ""
    if reason:
        says = f"Pod {name_of(pod)}: {reason}{f' by node {node}' if node else ''}: {message}"
        again = f" ({plural(look.others, 'pod')} of this version so far)" if look.others > 1 else ""
        return Trouble(
            Reason.NODE,
            f"{says.rstrip('.')}{again}.",
            f"Look at `kubectl describe node {node}` (conditions, allocated resources) and at the pod's requests.",
            final=look.others >= REJECTED,
        )
    return Trouble(
        Reason.CRASH,
        f"Pod {name_of(pod)}: Failed, and it is not started again.",
        f"Read `kubectl describe pod {name_of(pod)} -n {_namespace(pod)}`.",
        final=False,
    )


_VOLUME = re.compile(r"PersistentVolumeClaims?|volume", re.IGNORECASE)
_NODE_AWAY = re.compile(r"node\.kubernetes\.io/(not-ready|unreachable|[a-z]+-pressure|network-unavailable)")
_MISSING = re.compile(
    r"not found|type check failed|couldn't find key|non-existent config key|references non-existent", re.IGNORECASE
)


def _unplaced(pod: Object, look: Look) -> Trouble | None:
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") != "False":
        return None
    words, reason = short(scheduled.get("message")), str(scheduled.get("reason") or "Unschedulable")
    says = f"Pod {name_of(pod)}: {reason}: {words.rstrip('.')}."
    if reason == "SchedulingGated":
        gates = ", ".join(str(gate.get("name")) for gate in listed(pod, "spec", "schedulingGates"))
        says = f"Pod {name_of(pod)}: {reason}: it is held back by {gates or 'a gate'}."
        return Trouble(Reason.UNSCHEDULABLE, says, "Whoever set the gate has to take it away.", final=False)
    patience = UNSCHEDULABLE_SECONDS
    if _NODE_AWAY.search(words) or (_VOLUME.search(words) and not _MISSING.search(words)):
        patience = PASSING_SECONDS
    coming = bool(look.events.about(pod, "TriggeredScaleUp")) or bool(at(pod, "status", "nominatedNodeName"))
    tried = max((last_seen(e) for e in look.events.about(pod, "FailedScheduling")), default=None)
    long_enough = seconds_since(scheduled.get("lastTransitionTime"), look.now) >= patience
    return Trouble(
        Reason.UNSCHEDULABLE,
        says,
        _to_place(words),
        final=long_enough and not coming and look.no_room(tried, SCHEDULED_SECONDS),
    )


def _to_place(words: str) -> str:
    if _VOLUME.search(words):
        return "Look at `kubectl get pvc,pv`: the volume that it asks for is not there, or not where the nodes are."
    if "Insufficient" in words or "Too many pods" in words:
        return "Lower resources.requests, make room on the nodes (`kubectl describe nodes`: Allocated resources), or add a node."
    if _NODE_AWAY.search(words):
        return "Look at `kubectl get nodes` and `kubectl describe nodes`: a node is not ready, or under pressure."
    if "free ports" in words:
        return "Another pod has the hostPort, mostly the one before: use a Service instead, or replace it in place (maxSurge 0)."
    if "taint" in words:
        return "Give the pod a toleration for the taint, or take the taint off the node."
    if "affinity" in words or "selector" in words or "topology" in words:
        return "No node has the labels that nodeSelector, affinity or the spread of the pods ask for: `kubectl get nodes --show-labels`."
    return "Look at `kubectl get nodes` and at what the pod asks for."


def _untaken(pod: Object, look: Look) -> Trouble | None:
    """Return that a pod's node has not even looked at it, if it had the time."""
    node, waited = at(pod, "spec", "nodeName"), seconds_since(at(pod, "metadata", "creationTimestamp"), look.now)
    if not node or at(pod, "status", "startTime") or waited < UNTAKEN_SECONDS:
        return None
    return Trouble(
        Reason.NODE,
        f"Pod {name_of(pod)}: its node {node} has not taken it.",
        f"Look whether the node is there and answers: `kubectl describe node {node}`.",
        final=False,
    )


_PASSING_MOUNT = re.compile(r"failed to sync (configmap|secret) cache|object .* not registered", re.IGNORECASE)
_MOUNTS = ("FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox")


def _of_volumes(pod: Object, look: Look) -> Iterator[Trouble]:
    """Yield why the containers of a pod were not even made. Old events are about what has passed once one has run."""
    states = [s for name in ("initContainerStatuses", "containerStatuses") for s in listed(pod, "status", name)]
    if any(at(s, "state", "running") or at(s, "state", "terminated") or number(s, "restartCount") for s in states):
        return
    failed = [e for e in look.events.about(pod, *_MOUNTS) if not _PASSING_MOUNT.search(str(e.get("message")))]
    if not failed:
        return
    event = failed[-1]
    words, reason = short(event.get("message")), str(event.get("reason"))
    missing = bool(_MISSING.search(words))
    lasted = (look.now - first_seen(event)).total_seconds()
    yield Trouble(
        Reason.MISSING if missing else Reason.VOLUME,
        f"Pod {name_of(pod)}: {reason}: {words.rstrip('.')}.",
        "Make what is missing, or correct the name in the manifest."
        if missing
        else f"Look at `kubectl describe pod {name_of(pod)} -n {_namespace(pod)}`: its node says there what it tries.",
        final=lasted >= (MISSING_SECONDS if missing else PASSING_SECONDS) and times(event) > 1,
    )


# ----------------------------------------------------------------------------------------------------- its containers

_PULLS = ("ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed")
_NEVER = ("InvalidImageName", "ErrImageNeverPull")
_CONFIG = ("CreateContainerConfigError", "CreateContainerError")
_FINAL_PULL = re.compile(
    r"code = (NotFound|Unauthenticated|PermissionDenied)|not found|manifest unknown|unauthori[sz]ed|denied|forbidden"
    r"|authentication required|authorization failed|no basic auth|insufficient_scope|no match for platform|invalid reference",
    re.IGNORECASE,
)
_RIGHTS = re.compile(r"unauthori[sz]ed|denied|forbidden|auth|insufficient_scope", re.IGNORECASE)
_FINAL_START = re.compile(
    r"not found|no such file|permission denied|exec format error|is a directory|not a directory", re.IGNORECASE
)
_BEFORE_WORDS = re.compile(
    r'^(Back-off pulling image "[^"]*": |ErrImagePull: |Failed to pull image "[^"]*": |rpc error: code = \w+ desc = '
    r'|failed to pull and unpack image "[^"]*": |failed to resolve reference "[^"]*": )+'
)
_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")


def _of_container(pod: Object, status: Object, kind: str, look: Look) -> Trouble | None:
    name = str(status.get("name"))
    where = f"Pod {name_of(pod)}, {kind} {name}"
    if look.ours and name not in look.ours:
        where += " (none of ours: it was added on the way, by a webhook)"
    waiting = at(status, "state", "waiting") or {}
    reason, words = str(waiting.get("reason") or ""), short(waiting.get("message"))
    if reason in (*_PULLS, *_NEVER):
        return _image(pod, name, where, waiting, look)
    if reason in _CONFIG:
        return _config(pod, name, where, reason, words, look)
    if (crashed := _crash(pod, status, where, look)) is not None:
        return _of_init(crashed) if kind == "init container" else crashed
    if at(status, "state", "running") and not status.get("ready"):
        return _probe(pod, status, where, look)
    return None


def _of_init(found: Trouble) -> Trouble:
    memory = found.reason is Reason.MEMORY
    return found if memory else Trouble(Reason.INIT, found.says, found.next, final=found.final)


def _image(pod: Object, name: str, where: str, waiting: Object, look: Look) -> Trouble:
    reason, image = str(waiting.get("reason")), _DIGEST.sub(r"\1...", str(_of_spec(pod, name).get("image")))
    failed = [e for e in look.events.about(pod, "Failed") if of_container(e, name)]
    said = [str(e.get("message")) for e in failed if "pull" in str(e.get("message"))]
    whole = str(waiting.get("message") or "")
    if not whole.rpartition('": ')[2].strip() or re.fullmatch(r'Back-off pulling image "[^"]*"', whole):
        whole = next((s for s in said if not s.startswith("Error: ")), whole)
    told = _BEFORE_WORDS.sub("", whole)
    told = short(_DIGEST.sub(r"\1...", told))
    asked = [e for e in look.events.about(pod, "Pulling", "Failed") if of_container(e, name)]
    begun = min((first_seen(e) for e in asked), default=None)
    tried = (look.now - begun).total_seconds() if begun else seconds_since(at(pod, "status", "startTime"), look.now)
    final = reason in _NEVER or bool(_FINAL_PULL.search(whole))
    if reason == "InvalidImageName":
        to_do = "Correct the name of the image."
    elif reason == "ErrImageNeverPull":
        to_do = "The node does not have it, and imagePullPolicy Never forbids to ask for it."
    elif _RIGHTS.search(whole):
        to_do = "Look at the pod's imagePullSecrets, and whether the registry lets them read this image."
    elif final:
        to_do = "Push the image, or correct its name; `docker manifest inspect` tells whether the registry has it."
    else:
        to_do = "Look whether the registry answers from the node, and whether its certificate is trusted there."
    return Trouble(
        Reason.IMAGE,
        f"{where}: {reason}: {image} cannot be pulled: {told.rstrip('.') or 'no reason is given'}.",
        to_do,
        final=final or tried >= PULL_SECONDS,
    )


def _config(pod: Object, name: str, where: str, reason: str, words: str, look: Look) -> Trouble:
    failed = [e for e in look.events.about(pod, "Failed") if of_container(e, name)]
    begun = min((first_seen(e) for e in failed), default=None)
    tried = (look.now - begun).total_seconds() if begun else seconds_since(at(pod, "status", "startTime"), look.now)
    to_do = (
        f"Make what is missing in namespace {_namespace(pod)}, or correct the name or the key in the manifest."
        if _MISSING.search(words)
        else f"Correct the container's settings; `kubectl describe pod {name_of(pod)} -n {_namespace(pod)}` has all of it."
    )
    return Trouble(
        Reason.MISSING,
        f"{where}: {reason}: {words.rstrip('.')}.",
        to_do,
        final="runAsNonRoot" in words or tried >= MISSING_SECONDS,
    )


def _crash(pod: Object, status: Object, where: str, look: Look) -> Trouble | None:
    """Return how a container ended, if it did: a final one waits for its next start, or cannot be started at all."""
    state = status.get("state") or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated")
    cannot_start = waiting.get("reason") in ("RunContainerError", "StartError", "PostStartHookError")
    last = ended or at(status, "lastState", "terminated")
    if not (last or cannot_start) or _finished(pod, status):
        return None
    running = bool(state.get("running"))
    crashes = number(status, "restartCount") + (0 if running else 1)
    if waiting.get("reason") == "CrashLoopBackOff" and not at(status, "lastState", "terminated", "exitCode"):
        crashes = max(crashes, 1)
    if running and status.get("ready"):
        return None
    last = last or {}
    words = short(last.get("message") or (waiting.get("message") if cannot_start else ""))
    hopeless = cannot_start or last.get("reason") in ("StartError", "ContainerCannotRun")
    hopeless = hopeless and bool(_FINAL_START.search(words))
    memory = last.get("reason") == "OOMKilled"
    killed = "" if memory else _killed_by_probe(pod, str(status.get("name")), last, look)
    how = "killed, for its probe failed" if killed else _how_it_ended(pod, str(status.get("name")), last, waiting)
    if any(e.get("message") == "FailedPostStartHook" for e in _killed(pod, str(status.get("name")), last, look)):
        how = "killed, for its postStart hook failed"
    often = f", {plural(crashes, 'time')} so far" if crashes > 1 else ""
    loop = " (CrashLoopBackOff)" if waiting.get("reason") == "CrashLoopBackOff" else ""
    again = ", and was started again" if running else ""
    says = f"{where}: {how}{often}{loop}{again}"
    if killed or words:
        says += f": {killed or words}"
    return Trouble(
        Reason.MEMORY if memory else Reason.PROBE if killed else Reason.CRASH,
        f"{says.rstrip('.')}.",
        _after_crash(pod, str(status.get("name")), memory=memory, hopeless=hopeless, probe=bool(killed)),
        final=not running and (hopeless or crashes >= CRASHES),
    )


def _finished(pod: Object, status: Object) -> bool:
    """Return whether a container is an init container that is done. One that stays beside the others (a sidecar) never is."""
    init = next((c for c in listed(pod, "spec", "initContainers") if c.get("name") == status.get("name")), None)
    if init is None or init.get("restartPolicy") == "Always":
        return False
    return bool(at(status, "state", "terminated", "exitCode") == 0)


def _how_it_ended(pod: Object, name: str, last: Any, waiting: Any) -> str:
    code = last.get("exitCode")
    if last.get("reason") == "OOMKilled":
        limit = at(_of_spec(pod, name), "resources", "limits", "memory")
        may = f"its memory limit of {limit}" if limit else "the memory of its node"
        return f"OOMKilled (exit code {code}): it used more than {may}"
    if last.get("reason") in ("StartError", "ContainerCannotRun") or not last:
        return f"{last.get('reason') or waiting.get('reason')}: it could not be started"
    signal = last.get("signal") or (code - 128 if isinstance(code, int) and code > 128 else 0)
    if signal:
        try:
            return f"ended by signal {Signals(signal).name} (exit code {code})"
        except ValueError:
            pass
    if code == 0:
        return "ended with exit code 0, although it is meant to go on"
    return f"ended with exit code {code}"


def _after_crash(pod: Object, name: str, *, memory: bool, hopeless: bool, probe: bool) -> str:
    log = f"`kubectl logs {name_of(pod)} -c {name} --previous -n {_namespace(pod)}`"
    if memory:
        return f"Raise resources.limits.memory, or find what uses so much: {log}."
    if hopeless:
        return "Correct command, args and mounts, or the image: what is to be started is not in it, or cannot be run on this node."
    if probe:
        return f"Read its last log: {log}; if it only needs longer to start, give it a startupProbe with a higher failureThreshold."
    return f"Read its last log: {log}."


def _killed_by_probe(pod: Object, name: str, last: Object, look: Look) -> str:
    """Return what the probe said for which the kubelet killed a container the ``last`` time, "" if it did not."""
    killed = [e for e in _killed(pod, name, last, look) if "probe" in str(e.get("message"))]
    if not killed:
        return ""
    said = [e for e in look.events.about(pod, "Unhealthy") if of_container(e, name)]
    fatal = [e for e in said if not str(e.get("message")).startswith("Readiness")]
    return _of_probe((fatal or killed)[-1])


def _killed(pod: Object, name: str, last: Object, look: Look) -> list[Object]:
    """Return the events that say why the kubelet ended a container the ``last`` time."""
    finished = when(last.get("finishedAt"))
    longest = timedelta(seconds=number(pod, "spec", "terminationGracePeriodSeconds", otherwise=30) + 5)
    events = [e for e in look.events.about(pod, "Killing") if of_container(e, name)]
    return [e for e in events if finished and abs(finished - last_seen(e)) <= longest]


def _of_probe(event: Object) -> str:
    """Return what a probe said; one that runs a program may say nothing."""
    said = short(event.get("message")).rstrip(".")
    return f"{said} it printed nothing" if said.endswith(":") else said


def _probe(pod: Object, status: Object, where: str, look: Look) -> Trouble | None:
    said = [e for e in look.events.about(pod, "Unhealthy") if of_container(e, str(status.get("name")))]
    if not said:
        return None
    return Trouble(
        Reason.PROBE,
        f"{where}: runs and is not ready: {_of_probe(said[-1])}.",
        f"Read what it says: `kubectl logs {name_of(pod)} -c {status.get('name')} -n {_namespace(pod)}`; "
        "and look whether the probe asks the right port and path.",
        final=False,
    )


def _of_spec(pod: Object, name: str) -> Object:
    return next((c for c in containers(pod) if c.get("name") == name), {})


def _namespace(pod: Object) -> str:
    return str(at(pod, "metadata", "namespace") or "default")


def is_ready(pod: Object) -> bool:
    """Return whether a pod is ready and stays."""
    return not terminating(pod) and condition(pod, "Ready").get("status") == "True"
