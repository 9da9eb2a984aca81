"""What a cluster shows of a version that failed, or is being watched: read only, and each thing that may not be seen is told as that.

`evidence` asks all of it at once, for a report. Each piece can be asked alone as well, for a probe or a gate; then what may not be
seen is an ActionError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from runwright.engine.actions import Branch, Do, Output, Together
from runwright.errors import ActionError, ObservationError
from runwright.platforms.kubernetes.kubectl import Kubectl, Object, items, name_of
from runwright.platforms.kubernetes.pods import fact, workload_of
from runwright.platforms.kubernetes.reading import at, listed, short
from runwright.platforms.kubernetes.surroundings import (
    Autoscaler,
    Budget,
    Certificate,
    EventFact,
    NodeFact,
    autoscalers,
    budgets,
    certificates,
    crashed,
    event_facts,
    node_facts,
    policies,
    unwell,
)
from runwright.platforms.kubernetes.usage import Measured, Used, measured, of_nodes, served
from runwright.plural import few

T = TypeVar("T")
SINCE = timedelta(minutes=15)
"""Events that are older are about something else."""
MOST_EVENTS = 60
LINES = 60
"""So many of the last lines of each log."""
MOST_LOGS = 6
"""Ten pods that crash alike say the same ten times."""
LONGEST_LINE = 2000
LOG_SECONDS = 15.0
SYSTEM = "kube-system"
CERTIFICATES = "certificates.cert-manager.io"
ISSUER = "cert-manager"
"""The namespace, and the Deployment in it, that its own manifests and chart make."""
CERTIFICATES_API = "cert-manager.io/v1"
_FROM_SERVER = re.compile(r"^Error from server \((\w+)\): ")
_KINDS = (
    "pods",
    "events",
    "replicasets.apps",
    "jobs.batch",
    "horizontalpodautoscalers.autoscaling",
    "poddisruptionbudgets.policy",
    "networkpolicies.networking.k8s.io",
)


@dataclass(frozen=True)
class Log:
    """The last lines of one container, oldest first. previous: of its run before, which ended. May hold secrets."""

    pod: str
    container: str
    previous: bool
    lines: tuple[str, ...]

    @property
    def command(self) -> str:
        """The words that show it."""
        of = f" -c {self.container}" if self.container else ""
        return f"kubectl logs {self.pod}{of}{' --previous' if self.previous else ''}"


@dataclass(frozen=True)
class Evidence:
    """What a cluster showed of some workloads at one moment. All texts may hold secrets.

    pods: a line each. events: about them and what they belong to, newest last. used: None where nothing measures. unseen: a phrase for
    each thing that we may not see, or that is not there.
    """

    pods: tuple[str, ...] = ()
    events: tuple[EventFact, ...] = ()
    logs: tuple[Log, ...] = ()
    nodes: tuple[NodeFact, ...] = ()
    nodes_used: Mapping[str, Used] | None = None
    system: tuple[str, ...] = ()
    used: Measured | None = None
    autoscalers: tuple[Autoscaler, ...] = ()
    budgets: tuple[Budget, ...] = ()
    policies: tuple[str, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    unseen: tuple[str, ...] = ()

    def text(self) -> str:
        """Return all of it for people, under headings; what there is nothing of is left out."""
        return "\n\n".join("\n".join((f"==> {title} <==", *lines)) for title, lines in self._parts() if lines) + "\n"

    def _parts(self) -> Iterator[tuple[str, list[str]]]:
        yield "pods", list(self.pods)
        yield "events (! is a warning)", [event.line for event in self.events]
        for log in self.logs:
            yield log.command, list(log.lines) or ["(it printed nothing)"]
        yield "usage", list(_usage_lines(self.used or {}))
        yield "nodes", [node.line + _of_node(self.nodes_used or {}, node.name) for node in self.nodes]
        yield f"{SYSTEM}: not well", list(self.system)
        yield "autoscalers", [one.line for one in self.autoscalers]
        yield "disruption budgets", [one.line for one in self.budgets]
        yield "network policies that select these pods", list(self.policies)
        yield "certificates", [one.line for one in self.certificates]
        yield "not seen", list(self.unseen)


def _of_node(used: Mapping[str, Used], name: str) -> str:
    return f" (uses {used[name].line})" if name in used else ""


def _usage_lines(used: Measured) -> Iterator[str]:
    for pod, of in used.items():
        for container, one in of.items():
            yield f"{pod} {container}: {one.line}"


def evidence(do: Do, kubectl: Kubectl, workloads: Iterable[str], now: datetime, release: str = "") -> Evidence:
    """Return what there is to see of ``workloads`` ("Deployment/shop"; none: of all pods of the namespace) at ``now``.

    Logs are those of what crashed or is not ready; with a ``release`` also of the other pods that it started.

    Nothing here raises because a right is missing, an API is not there or the cluster does not answer: that is told in ``unseen``.
    """
    asked = tuple(workloads)
    answers = _asked_together(do, kubectl)
    unseen = [phrase for answer in answers for phrase in answer.unseen]
    here, nodes_read, system_read, used_read, nodes_used, certificates_read = answers
    found = here.value or {}
    beside = [*found.get("ReplicaSet", ()), *found.get("Job", ())]
    pods = [p for p in found.get("Pod", ()) if not asked or workload_of(p, beside) in asked]
    names = {f"Pod/{name_of(pod)}" for pod in pods} | set(asked)
    names |= {f"ReplicaSet/{name_of(r)}" for r in beside if _owner(r) in asked}
    scalers = _for(autoscalers(found.get("HorizontalPodAutoscaler", ())), asked)
    names |= {f"HorizontalPodAutoscaler/{one.name}" for one in scalers}
    logs = _logs(do, kubectl, pods, release)
    if any(not one.well for one in certificates_read.value or ()):
        logs.append(_tried(do, "log of cert-manager", partial(_of, kubectl, issuer_log)))
    unseen += [phrase for log in logs for phrase in log.unseen]
    used = used_read.value
    mine = {name_of(pod) for pod in pods}
    return Evidence(
        pods=tuple(line_of(pod, now) for pod in pods),
        events=event_facts(found.get("Event", ()), now - SINCE, names if asked else None)[-MOST_EVENTS:],
        logs=tuple(log.value for log in logs if log.value is not None),
        nodes=nodes_read.value or (),
        nodes_used=nodes_used.value,
        system=unwell(system_read.value or (), now),
        used={name: of for name, of in used.items() if name in mine} if used is not None else None,
        autoscalers=scalers,
        budgets=budgets(found.get("PodDisruptionBudget", ()), pods),
        policies=policies(found.get("NetworkPolicy", ()), pods),
        certificates=certificates_read.value or (),
        unseen=tuple(unseen),
    )


def _owner(found: Object) -> str:
    return next((f"{o.get('kind')}/{o.get('name')}" for o in listed(found, "metadata", "ownerReferences")), "")


def _for(found: Sequence[Autoscaler], asked: Sequence[str]) -> tuple[Autoscaler, ...]:
    return tuple(one for one in found if not asked or one.target in asked)


# ---------------------------------------------------------------------------------------------------------- one by one


def around(do: Do, kubectl: Kubectl) -> tuple[dict[str, list[Object]], tuple[str, ...]]:
    """Return ({kind: objects} of the namespace, phrases about what may not be read of them). Raise ActionError if nothing may be.

    kubectl answers with what it got and says what it did not get, so that one question does for all kinds.
    """

    def parse(output: Output) -> tuple[dict[str, list[Object]], tuple[str, ...]]:
        found: dict[str, list[Object]] = {}
        for one in items(output):
            found.setdefault(str(one.get("kind")), []).append(one)
        return found, tuple(dict.fromkeys(_complaints(output))) if output.code else ()

    words = ("get", ",".join(_KINDS), "-o", "json")
    read = kubectl.read(
        *words, says=f"look at what is in {kubectl.namespace}", parse=parse, ok=frozenset({0, 1}), assume=({}, ())
    )
    answer: tuple[dict[str, list[Object]], tuple[str, ...]] = do(read)
    return answer


def _complaints(output: Output) -> Iterator[str]:
    for line in output.stderr.decode("utf-8", "replace").splitlines():
        if line.strip() and not line.startswith("Warning:"):
            yield _words(line)


def _words(said: str) -> str:
    """Return kubectl's own words, without what our own error puts round them."""
    line = said.partition(" (kubectl exited with")[0]
    return short(_FROM_SERVER.sub(r"\1: ", line) if _FROM_SERVER.match(line) else line)


def nodes(do: Do, kubectl: Kubectl) -> tuple[NodeFact, ...]:
    """Return how the nodes fare. Raise ActionError if we may not see them."""
    return node_facts(_all(do, kubectl, "nodes", "look at the nodes"))


def system(do: Do, kubectl: Kubectl) -> tuple[Object, ...]:
    """Return the pods of kube-system. Raise ActionError if we may not see them."""
    return Kubectl(kubectl.context, SYSTEM, kubectl.program, kubectl.config).objects(do, ("pods",), assume=())


def certificates_of(do: Do, kubectl: Kubectl) -> tuple[Certificate, ...] | None:
    """Return how the certificates of the namespace fare, None where cert-manager is not installed. Raise ActionError if we may not
    see them."""
    try:
        return certificates(_all(do, kubectl, CERTIFICATES, "look at the certificates"))
    except ActionError:
        if CERTIFICATES_API in served(do, kubectl):
            raise
        return None


def _all(do: Do, kubectl: Kubectl, kind: str, says: str) -> tuple[Object, ...]:
    found: tuple[Object, ...] = do(kubectl.read("get", kind, "-o", "json", says=says, parse=items, assume=()))
    return found


def log(do: Do, kubectl: Kubectl, pod: str, container: str, *, previous: bool = False, lines: int = LINES) -> Log:
    """Return the last lines of a container of a pod, with their times. Raise ActionError if there is none, or we may not read it."""

    def parse(output: Output) -> tuple[str, ...]:
        return tuple(line[:LONGEST_LINE] for line in output.text.splitlines()[-lines:])

    of = ("-c", container) if container else ()
    words = ("logs", pod, *of, "--timestamps", f"--tail={lines}", *(("--previous",) if previous else ()))
    run = "its run before" if previous else "it"
    says = f"read what {container or 'the first container'} of {pod} printed last ({run})"
    found: tuple[str, ...] = do(
        kubectl.read(*words, says=says, parse=parse, assume=(), last=True, deadline_seconds=LOG_SECONDS)
    )
    return Log(pod, container, previous, found)


def issuer_log(do: Do, kubectl: Kubectl) -> Log:
    """Return what cert-manager printed last. Raise ActionError if we may not read it, or it is installed otherwise than usual."""
    return log(do, replace(kubectl, namespace=ISSUER), f"deployment/{ISSUER}", "", lines=LINES)


def line_of(pod: Object, now: datetime) -> str:
    """Return a pod on one line: phase, how many of its containers are ready, restarts, and what is wrong."""
    status = [s for kind in ("initContainerStatuses", "containerStatuses") for s in listed(pod, "status", kind)]
    main = listed(pod, "status", "containerStatuses")
    restarts = sum(int(s.get("restartCount") or 0) for s in status)
    ready = f"{sum(bool(s.get('ready')) for s in main)}/{len(listed(pod, 'spec', 'containers'))} ready"
    ending = ", ending" if at(pod, "metadata", "deletionTimestamp") else ""
    again = f", {restarts} restarts" if restarts else ""
    wrong = unwell([pod], now)
    images = few(dict.fromkeys(str(c.get("image")) for c in listed(pod, "spec", "containers")))
    first = f"{name_of(pod)}: {at(pod, 'status', 'phase')}, {ready}{again}{ending}, {images}"
    return f"{first}. {wrong[0]}" if wrong else first


# ------------------------------------------------------------------------------------------------------ all at once


@dataclass(frozen=True)
class _Seen:
    """What one question brought: a value, or why there is none."""

    value: Any = None
    unseen: tuple[str, ...] = ()


def _tried(do: Do, what: str, ask: Callable[[Do], Any], without: str = "") -> _Seen:
    """Return what ``ask`` returns. without: why there is nothing where it returns None."""
    try:
        found = ask(do)
    except (ActionError, ObservationError) as error:
        return _Seen(None, (f"{what}: {_words(error.what)}",))
    return _Seen(found, (f"{what}: {without}",) if found is None and without else ())


def _asked_together(do: Do, kubectl: Kubectl) -> tuple[_Seen, ...]:
    questions: tuple[tuple[str, str, Callable[[Do, Kubectl], Any], str], ...] = (
        ("namespace", f"what is in {kubectl.namespace}", around, ""),
        ("nodes", "nodes", nodes, ""),
        ("system", f"pods of {SYSTEM}", system, ""),
        ("usage", "what pods use", measured, "the cluster has no metrics API"),
        ("load", "what nodes use", of_nodes, ""),
        ("certificates", "certificates", certificates_of, "cert-manager is not installed"),
    )
    branches = tuple(
        Branch(name=name, run=partial(_tried, what=what, ask=partial(_of, kubectl, ask), without=without))
        for name, what, ask, without in questions
    )
    first, *others = do(Together(says="look at what the cluster shows", branches=branches))
    if first.value is not None:
        first = _Seen(*first.value)
    return (first, *others)


def _of(kubectl: Kubectl, ask: Callable[[Do, Kubectl], T], do: Do) -> T:
    return ask(do, kubectl)


def _logs(do: Do, kubectl: Kubectl, pods: Sequence[Object], release: str) -> list[_Seen]:
    wanted = [(name_of(pod), name, previous) for pod in pods for name, previous in crashed(pod)]
    broken = {(pod, name) for pod, name, _ in wanted}
    started = [fact(pod) for pod in pods] if release else []
    others = [
        (one.name, container.name, False)
        for one in started
        if one.marks.get("release") == release
        for container in one.containers
        if container.running and (one.name, container.name) not in broken
    ]
    return [
        _tried(do, f"log of {name} of {pod}", partial(_last, kubectl, pod, name, previous))
        for pod, name, previous in [*wanted, *others][:MOST_LOGS]
    ]


def _last(kubectl: Kubectl, pod: str, name: str, previous: bool, do: Do) -> Log:
    """Return the log of the run that ended; the node may have removed it, then that of the one that runs."""
    if previous:
        with suppress(ActionError):
            return log(do, kubectl, pod, name, previous=True)
    return log(do, kubectl, pod, name)
