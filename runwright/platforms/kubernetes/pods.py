"""What pods are: whose, of which images, and how they fare."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runwright.platforms.kubernetes.kubectl import Object, name_of
from runwright.platforms.kubernetes.reading import (
    at,
    condition,
    containers,
    controller,
    listed,
    number,
    terminating,
    uid,
)
from runwright.platforms.kubernetes.selectors import labels_of

OURS = "runwright.dev/"
"""What begins the names of the labels and annotations that we leave on pods."""

_DIGEST = re.compile(r"(?:^|@|://)(sha256:[0-9a-f]{64})$")
_BARE = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Image:
    """What a container runs. repository: "" if the node does not say.

    digest: "sha256:…", "" if it is not known. of_config: the digest is that of the image's configuration (what `docker images`
    shows), not that of its manifest, which is what a registry is asked for: the two are never equal.
    """

    repository: str
    digest: str
    of_config: bool = False


@dataclass(frozen=True)
class ContainerFact:
    """One container of a pod. init: it runs before the others. asked: the image as the pod's spec names it."""

    name: str
    image: Image
    asked: str
    init: bool
    running: bool
    ready: bool
    restarts: int


@dataclass(frozen=True)
class PodFact:
    """One pod. workload: who it belongs to in the end ("Deployment/shop"), "" if to nobody. marks: our labels and annotations, by
    what follows ``runwright.dev/``. started: when its node took it, as the API server writes it."""

    name: str
    workload: str
    phase: str
    ready: bool
    ending: bool
    node: str
    started: str
    containers: tuple[ContainerFact, ...]
    marks: Mapping[str, str]
    labels: Mapping[str, str]

    @property
    def restarts(self) -> int:
        """How often its containers were restarted, together."""
        return sum(one.restarts for one in self.containers)


def image_of(status_or_text: Any) -> Image:
    """Return what an ``imageID`` names: ``REPO@sha256:…``, with ``docker-pullable://`` before it, or a bare digest, which is that of
    the image's configuration (Docker's image id; what was loaded into the node and never pulled)."""
    text = str(status_or_text or "")
    bare = text.rpartition("://")[2]
    if _BARE.fullmatch(bare):
        return Image("", f"sha256:{bare}", of_config=True)
    found = _DIGEST.search(text)
    if found is None:
        return Image("", "")
    repository = bare.rpartition("@")[0]
    return Image(_without_tag(repository), found[1], of_config=not repository)


def _without_tag(reference: str) -> str:
    return re.sub(r":[\w][\w.-]*$", "", reference)


def reference_of(image: str) -> Image:
    """Return what a reference in a manifest names; its digest is "" if it has only a tag."""
    repository, _, digest = image.partition("@")
    return Image(_without_tag(repository), digest)


def facts(pods: Iterable[Object], others: Sequence[Object] = ()) -> tuple[PodFact, ...]:
    """Return what there is to know of ``pods``. others: ReplicaSets and Jobs, by which the Deployment or CronJob is found."""
    return tuple(fact(pod, others) for pod in pods)


def fact(pod: Object, others: Sequence[Object] = ()) -> PodFact:
    """Return what there is to know of one pod."""
    marks = {**(at(pod, "metadata", "annotations") or {}), **labels_of(pod)}
    return PodFact(
        name=name_of(pod),
        workload=workload_of(pod, others),
        phase=str(at(pod, "status", "phase") or ""),
        ready=condition(pod, "Ready").get("status") == "True",
        ending=terminating(pod),
        node=str(at(pod, "spec", "nodeName") or ""),
        started=str(at(pod, "status", "startTime") or ""),
        containers=tuple(_containers(pod)),
        marks={name.removeprefix(OURS): str(v) for name, v in marks.items() if name.startswith(OURS)},
        labels=labels_of(pod),
    )


def _containers(pod: Object) -> Iterable[ContainerFact]:
    init = {str(c.get("name")) for c in listed(pod, "spec", "initContainers")}
    states = statuses(pod)
    for spec in containers(pod):
        name = str(spec.get("name"))
        status = states.get(name, {})
        yield ContainerFact(
            name=name,
            image=image_of(status.get("imageID")),
            asked=str(spec.get("image") or ""),
            init=name in init,
            running=bool(at(status, "state", "running")),
            ready=bool(status.get("ready")),
            restarts=number(status, "restartCount"),
        )


def statuses(pod: Object) -> dict[str, Object]:
    """Return what the node says of the containers of a pod, by name."""
    kinds = ("initContainerStatuses", "containerStatuses")
    return {str(s.get("name")): s for kind in kinds for s in listed(pod, "status", kind)}


def workload_of(pod: Object, others: Sequence[Object] = ()) -> str:
    """Return who a pod belongs to in the end: "Deployment/shop", "StatefulSet/db", "Job/migrate", "" if to nobody.

    Without its ReplicaSet among ``others`` the Deployment is known by the name of the ReplicaSet, which ends with the pod's hash.
    """
    owner = controller(pod)
    if not owner:
        return ""
    between = next((o for o in others if uid(o) and uid(o) == owner.get("uid")), None)
    above = controller(between) if between else {}
    if above:
        return f"{above.get('kind')}/{above.get('name')}"
    kind, name = str(owner.get("kind")), str(owner.get("name"))
    ending = f"-{labels_of(pod).get('pod-template-hash')}"
    if kind == "ReplicaSet" and between is None and name.endswith(ending):
        return f"Deployment/{name.removesuffix(ending)}"
    return f"{kind}/{name}"
