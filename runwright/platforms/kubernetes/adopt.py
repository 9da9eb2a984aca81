"""Takes what runs now, whoever applied it, as a version that can be applied again: the objects as they are, images by digest."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from runwright.engine.actions import Do, WriteFile
from runwright.errors import ActionError, RefusedError
from runwright.platforms.kubernetes import applying, preparing
from runwright.platforms.kubernetes.kubectl import Object, items, name_of, title
from runwright.platforms.kubernetes.manifests import WORKLOADS, Composed, named_configuration, template
from runwright.platforms.kubernetes.pods import image_of, workload_of
from runwright.platforms.kubernetes.vanished import identity
from runwright.plural import few
from runwright.versions import Artifact, Version

STARTED = "adopted"
"""The name of the start of what nobody of us has started."""
UNREAD = "unread"
"""The fact of an adopted version with the addresses of what it could not read: whether it was there nobody knows."""
_OF_THE_CLUSTER = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "selfLink",
    "ownerReferences",
    "finalizers",
)
_ANNOTATIONS_OF_OTHERS = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
)
_GIVEN = {"Service": ("clusterIP", "clusterIPs", "healthCheckNodePort"), "PersistentVolumeClaim": ("volumeName",)}
"""What the cluster gives to an object that is made, and nobody may ask for twice."""


def adopt(
    do: Do, site: preparing.Site, found: Sequence[Object], version: Version | None, prefix: str
) -> Version | None:
    """Return what runs as a version, None if none of our workloads has a pod.

    found: the workloads, ReplicaSets and pods of the namespace. version: what is about to be released, as far as it was prepared:
    what it has of other objects is kept as it is now. Raise RefusedError if two versions run.
    """
    there = {name_of(o): o for o in found if o["kind"] in WORKLOADS and name_of(o) in site.services}
    owners = [o for o in found if o["kind"] == "ReplicaSet"]
    pods = [o for o in found if o["kind"] == "Pod" and o.get("status", {}).get("phase") == "Running"]
    running: dict[str, list[Object]] = {}
    for pod in pods:
        name = workload_of(pod, owners).partition("/")[2]
        if name in there and not pod["metadata"].get("deletionTimestamp"):
            running.setdefault(name, []).append(pod)
    if not running:
        return None
    workloads, images = {}, {}
    for service in (s for s in site.services if s in there):
        workloads[service] = _as_applied(there[service])
        images[service] = _digests(workloads[service], running.get(service, []))
    base, unread = _others(do, site, version, workloads)
    made = Composed(tuple(base), workloads, {}, images)
    cluster = preparing.identity(do, site.kubectl)
    mark = hashlib.sha256(json.dumps(made.as_json(), sort_keys=True).encode()).hexdigest()[:12]
    name = f"adopted-{mark}"
    folder = site.folder / "releases" / name
    content = json.dumps(made.as_json(), indent=1).encode()
    says = f"keep the manifests of what runs in {folder}"
    do(WriteFile(says=says, key=f"{prefix}/manifests", path=folder / preparing.COMPOSED, content=content, mode=0o600))
    applying.write_files(do, applying.files_of(folder, STARTED, made), made.base, list(workloads.values()), prefix)
    extra = {**preparing.facts(made, folder, cluster), UNREAD: unread}
    extra["main"] = {service: _main(site, version, service, o) for service, o in workloads.items()}
    artifacts = tuple(_artifacts(site.services, images, extra["main"]))
    return Version(site.system, site.environment, name, "", artifacts, adopted=True, extra=extra)


def _main(site: preparing.Site, version: Version | None, service: str, workload: Object) -> str:
    """Return the container that runs the component's image: as the new version has it, or as the runbook or its name says."""
    there = [str(c["name"]) for c in template(workload)["spec"].get("containers") or ()]
    component = site.services[service]
    known = version.extra.get("main", {}).get(service) if version is not None else None
    named = (known, site.target.containers.get(component), service, component)
    return next((name for name in named if name in there), next(iter(there), ""))


def _artifacts(
    services: Mapping[str, str], images: Mapping[str, Mapping[str, str]], main: Mapping[str, str]
) -> Iterable[Artifact]:
    seen = set()
    for service, component in services.items():
        reference = images.get(service, {}).get(main.get(service, ""), "")
        if reference and component not in seen:
            seen.add(component)
            yield Artifact(component, reference, image_of(reference).digest or reference)


def _digests(workload: Object, pods: Sequence[Object]) -> dict[str, str]:
    """Let the containers of ``workload`` run by digest what its pods run; return {container: reference}."""
    found: dict[str, str] = {}
    for one in template(workload)["spec"].get("containers") or ():
        name = str(one["name"])
        runs = {image for pod in pods for image in _of_container(pod, name)}
        if len({image.digest for image in runs}) > 1:
            raise RefusedError(
                f"The pods of {title(workload)} run two images in {name}: {few(sorted(i.digest[:19] for i in runs))}.",
                state="Nothing was changed.",
                next="A rollout is under way, or hangs: end it (`kubectl rollout status`), then deploy again.",
            )
        for image in runs:
            # what a node knows by the image's own id alone can be had by no name of a registry
            if image.digest and image.repository and not image.of_config:
                one["image"] = f"{image.repository}@{image.digest}"
        found[name] = str(one["image"])
    return found


def _of_container(pod: Object, name: str) -> list[Any]:
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    return [image_of(s.get("imageID")) for s in statuses if s.get("name") == name]


def _others(
    do: Do, site: preparing.Site, version: Version | None, workloads: Mapping[str, Object]
) -> tuple[list[Object], list[str]]:
    """Return what there is of the objects that the new version has, and of the configuration that the pods name, as it is now; and
    the addresses of what may not be read."""
    wanted = {f"{kind.lower()}/{name}" for w in workloads.values() for kind, name in _configuration(w)}
    mine = {("apps/v1", o["kind"], name_of(o)) for o in workloads.values()} | {
        (o["apiVersion"], o["kind"], name_of(o)) for o in workloads.values()
    }
    for api, kind, name in version.extra.get("objects", ()) if version is not None else ():
        if (api, kind, name) not in mine and kind not in ("Namespace", "CustomResourceDefinition"):
            wanted.add(
                identity({"apiVersion": api, "kind": kind, "metadata": {"name": name}}, site.target.namespace).address
            )
    found: list[Object] = []
    unread: list[str] = []
    for names in (
        sorted(n for n in wanted if not n.startswith("secret")),
        sorted(n for n in wanted if n.startswith("secret")),
    ):
        if not names:
            continue
        words = ("get", *names, "-o", "json", "--ignore-not-found")
        try:
            found += do(site.kubectl.read(*words, says=f"look at {few(names)}", parse=items, untouched=True))
        except ActionError as error:
            if "forbidden" not in error.what.lower():
                raise
            unread += names  # stays as it is: on the way back, too, for nobody knows whether it was there
    return [_as_applied(one) for one in found], unread


def _configuration(workload: Object) -> set[tuple[str, str]]:
    return {(kind, str(holder[key])) for kind, holder, key in named_configuration(template(workload)["spec"])}


def _as_applied(found: Object) -> Object:
    """Return an object of the cluster as somebody would have applied it."""
    made = copy.deepcopy(found)
    made.pop("status", None)
    metadata = made["metadata"]
    for part in _OF_THE_CLUSTER:
        metadata.pop(part, None)
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k not in _ANNOTATIONS_OF_OTHERS}
    metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = annotations
    for part in _GIVEN.get(made["kind"], ()):
        made.get("spec", {}).pop(part, None)
    if made["kind"] in WORKLOADS:
        (template(made).get("metadata") or {}).pop("creationTimestamp", None)
        # somebody's pause is no part of what runs
        made["spec"].pop("paused", None)
    return made
