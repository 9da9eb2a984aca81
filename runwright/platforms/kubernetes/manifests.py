"""What is applied: a commit's objects with the images of a version by digest, configuration by its contents, and our marks."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runwright.errors import InputError
from runwright.platforms.kubernetes.kubectl import Object, name_of, title
from runwright.plural import few
from runwright.runbook.platforms.kubernetes import KubernetesTarget
from runwright.versions import repository

DOMAIN = "runwright.dev"
RELEASE, COMMIT = f"{DOMAIN}/release", f"{DOMAIN}/commit"
SYSTEM, ENVIRONMENT = f"{DOMAIN}/system", f"{DOMAIN}/environment"
SLOT = f"{DOMAIN}/slot"
COPY_OF = f"{DOMAIN}/copy-of"

ROLLED = ("Deployment", "StatefulSet", "DaemonSet")
"""Kinds whose pods are replaced by new ones."""
WORKLOADS = (*ROLLED, "CronJob")
"""Kinds that can be a service of a component."""
CONFIGURATION = ("ConfigMap", "Secret")
CLUSTER_WIDE = frozenset(
    [
        "Namespace",
        "Node",
        "PersistentVolume",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "StorageClass",
        "PriorityClass",
        "IngressClass",
        "GatewayClass",
        "RuntimeClass",
        "CSIDriver",
        "APIService",
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ClusterIssuer",
        "CertificateSigningRequest",
    ]
)
"""Kinds that are in no namespace."""
_HASHED = re.compile(r"-[bcdfghkmt2456789]{10}$")
"""How kustomize ends the names of what it generates."""


@dataclass(frozen=True)
class Composed:
    """The objects of a version, as they are applied but for the release's own mark.

    base: what is applied first: everything but the application's own workloads. workloads: {service: its object}, in the order
    of the rollout. jobs: {name: Job} of the manifests, which are not applied. images: {service: {container: reference}} of the
    containers that run one of our components. left: objects that the runbook leaves, as KIND/NAME.
    """

    base: tuple[Object, ...]
    workloads: Mapping[str, Object]
    jobs: Mapping[str, Object] = field(default_factory=dict)
    images: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    left: tuple[str, ...] = ()

    @property
    def objects(self) -> tuple[Object, ...]:
        """All that is applied."""
        return (*self.base, *self.workloads.values())

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON values. May hold secrets."""
        return {
            "base": list(self.base),
            "workloads": dict(self.workloads),
            "jobs": dict(self.jobs),
            "images": {service: dict(found) for service, found in self.images.items()},
            "left": list(self.left),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Composed:
        """Return what ``as_json`` gave."""
        return cls(tuple(data["base"]), data["workloads"], data["jobs"], data["images"], tuple(data["left"]))


def composed(
    objects: Sequence[Object],
    target: KubernetesTarget,
    services: Mapping[str, str],
    references: Mapping[str, str],
    marks: Mapping[str, str],
) -> Composed:
    """Return the objects of a version, ready to be applied.

    services: {service: component}. references: {component: image by digest}. marks: labels that say whose the objects are.
    Raise InputError if a service has no workload, a container cannot be told, or an object is of another namespace.
    """
    left = tuple(title(o) for o in objects if title(o) in target.leave)
    mine = [_placed(copy.deepcopy(o), target) for o in objects if title(o) not in target.leave]
    _require_each_once(mine)
    jobs = {name_of(o): o for o in mine if o["kind"] == "Job"}
    rest = [o for o in mine if o["kind"] != "Job"]
    workloads = {service: _workload(rest, service) for service in in_order(target, services)}
    found = {s: _container(w, services[s], s, target, references[services[s]]) for s, w in workloads.items()}
    named = {repository(str(c.get("image", ""))): references[services[s]] for s, c in found.items()}
    images = {
        service: set_images(workload, found[service], references[services[service]])
        for service, workload in workloads.items()
    }
    for job in jobs.values():
        set_images(job, None, "", named)
    _require_known(rest, workloads, named)
    chosen = {id(o) for o in workloads.values()}
    base = [o for o in rest if id(o) not in chosen]
    base, copies = _by_contents(
        base, [*workloads.values(), *jobs.values(), *(o for o in base if o["kind"] in WORKLOADS)]
    )
    for one in (*base, *copies, *workloads.values()):
        one["metadata"].setdefault("labels", {}).update(marks)
    return Composed((*_sorted(copies), *_sorted(base)), workloads, jobs, images, left)


def in_order(target: KubernetesTarget, services: Mapping[str, str]) -> list[str]:
    """Return the services in the order of the rollout."""
    return [*(s for s in target.order if s in services), *(s for s in services if s not in target.order)]


def template(workload: Object) -> Object:
    """Return the pod template of a workload or Job, itself and no copy."""
    spec = workload["spec"]
    if workload["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    found: Object = spec["template"]
    return found


def containers(pod: Mapping[str, Any]) -> Iterator[Object]:
    """Yield the containers of a pod's spec, those that start before the others too."""
    yield from pod.get("initContainers") or ()
    yield from pod.get("containers") or ()


def set_images(
    workload: Object, main: Object | None, reference: str, named: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Let the containers of ``workload`` run a version's images; return {container: reference} of those.

    main: the container that runs ``reference``; all with the same image, by whatever tag, run it too. named: {repository in
    the manifests: reference} for a workload where it is told by the image.
    """
    found = list(containers(template(workload)["spec"]))
    wanted = dict(named or {})
    if main is not None and main.get("image"):
        wanted[repository(str(main["image"]))] = reference
    set_now = {}
    for one in found:
        to = reference if one is main else wanted.get(repository(str(one.get("image", ""))))
        if to is not None:
            one["image"] = to
            set_now[str(one["name"])] = to
    return set_now


def _container(workload: Object, component: str, service: str, target: KubernetesTarget, reference: str) -> Object:
    """Return the container of ``workload`` that runs ``component``. Raise InputError if that cannot be told."""
    there: list[Object] = template(workload)["spec"].get("containers") or []
    names, wanted = [str(c.get("name")) for c in there], target.containers.get(component)
    if wanted is not None:
        for one in there:
            if one.get("name") == wanted:
                return one
        raise InputError(
            f"{title(workload)} has no container {wanted}.",
            next=f"It has {few(names)}: correct `containers` of the target.",
        )
    if len(there) == 1:
        return there[0]
    own = repository(reference).rpartition("/")[2]
    by_name = [c for c in there if c.get("name") in (component, service)]
    by_image = [c for c in there if repository(str(c.get("image", ""))).rpartition("/")[2] in (own, component)]
    for candidates in (by_name, by_image):
        # sidecars of the application's own image are as good as it
        if candidates and len({repository(str(c.get("image", ""))) for c in candidates}) == 1:
            return candidates[0]
    raise InputError(
        f"{title(workload)} has several containers ({few(names)}), and which one runs {component} is not known.",
        next=f"Say so in the target: `containers: {{{component}: {names[0] if names else 'app'}}}`.",
    )


def _require_known(rest: Sequence[Object], workloads: Mapping[str, Object], named: Mapping[str, str]) -> None:
    """Raise InputError if a workload runs a component's image and is no service of one: it would run whatever its tag means."""
    mine = {id(o) for o in workloads.values()}
    for one in rest:
        if one["kind"] not in WORKLOADS or id(one) in mine:
            continue
        if any(repository(str(c.get("image", ""))) in named for c in containers(template(one)["spec"])):
            raise InputError(
                f"{title(one)} runs the image of a component, and is no service of one.",
                next=f"Add {name_of(one)} to the `services` of that component, so that it gets the same version; or leave it: "
                f"`leave: [{title(one)}]`.",
            )


def _placed(one: Object, target: KubernetesTarget) -> Object:
    """Return an object in the target's namespace. Raise InputError if it says another one."""
    metadata = one["metadata"]
    if one["kind"] in CLUSTER_WIDE:
        return one
    said = metadata.get("namespace")
    if said not in (None, target.namespace):
        raise InputError(
            f"{title(one)} of the manifests is for the namespace {said}, and the target is {target.namespace}.",
            next=f"Correct one of them, or leave the object: `leave: [{title(one)}]`.",
        )
    metadata["namespace"] = target.namespace
    return one


def _require_each_once(objects: Sequence[Object]) -> None:
    seen: set[tuple[str, str]] = set()
    for one in objects:
        key = (str(one["apiVersion"]).partition("/")[0], title(one))
        if key in seen:
            raise InputError(f"{title(one)} is in the manifests twice.", next="Take one of them out.")
        seen.add(key)


def _workload(objects: Sequence[Object], service: str) -> Object:
    found = [o for o in objects if o["kind"] in WORKLOADS and name_of(o) == service]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"The manifests have several workloads of the name {service}: {few([title(o) for o in found])}.",
            next="Give them names of their own.",
        )
    there = [name_of(o) for o in objects if o["kind"] in WORKLOADS]
    raise InputError(
        f"The manifests have no Deployment, StatefulSet, DaemonSet or CronJob {service}.",
        next=f"They have {few(there) if there else 'none at all'}: correct `services` of the component.",
    )


# ------------------------------------------------------------------------------------- configuration by its contents


def _by_contents(base: list[Object], users: Sequence[Object]) -> tuple[list[Object], list[Object]]:
    """Return ``base``, and copies of the configuration that ``users`` name, each called by its contents; they use the copies.

    So a pod that starts again gets what its own version had, whichever version was applied last. What kustomize has generated
    is named so already.
    """
    given = {(o["kind"], name_of(o)): o for o in base if o["kind"] in CONFIGURATION and not _HASHED.search(name_of(o))}
    used: dict[tuple[str, str], str] = {}
    for user in users:
        for kind, holder, key in named_configuration(template(user)["spec"]):
            if (kind, holder[key]) in given:
                wanted = (kind, holder[key])
                used[wanted] = name = copy_name(given[wanted])
                holder[key] = name
    copies = []
    for (kind, name), called in sorted(used.items()):
        one = copy.deepcopy(given[kind, name])
        one["metadata"]["name"] = called
        one["metadata"].setdefault("labels", {})[COPY_OF] = name[:63].rstrip("-.")
        one["immutable"] = True
        copies.append(one)
    return base, copies


def copy_name(one: Object) -> str:
    """Return what the copy of a ConfigMap or Secret is called: by all that it holds."""
    held = {key: one.get(key) for key in ("data", "binaryData", "stringData", "type")}
    mark = hashlib.sha256(json.dumps(held, sort_keys=True, default=str).encode()).hexdigest()[:10]
    return f"{name_of(one)[:240]}-{mark}"


def named_configuration(spec: Mapping[str, Any]) -> Iterator[tuple[str, Object, str]]:
    """Yield (kind, the part that names it, the key of the name) of every ConfigMap and Secret that a pod's spec names."""
    for volume in spec.get("volumes") or ():
        yield from _of_volume(volume)
        for source in (volume.get("projected") or {}).get("sources") or ():
            for kind, part in (("ConfigMap", "configMap"), ("Secret", "secret")):
                if (source.get(part) or {}).get("name"):
                    yield kind, source[part], "name"
    for one in containers(spec):
        for variable in one.get("env") or ():
            given = variable.get("valueFrom") or {}
            for kind, part in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
                if (given.get(part) or {}).get("name"):
                    yield kind, given[part], "name"
        for given in one.get("envFrom") or ():
            for kind, part in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                if (given.get(part) or {}).get("name"):
                    yield kind, given[part], "name"


def _of_volume(volume: Mapping[str, Any]) -> Iterator[tuple[str, Object, str]]:
    if (volume.get("configMap") or {}).get("name"):
        yield "ConfigMap", volume["configMap"], "name"
    if (volume.get("secret") or {}).get("secretName"):
        yield "Secret", volume["secret"], "secretName"


# ------------------------------------------------------------------------------------------------------------ marks


def marked(workload: Object, marks: Mapping[str, str]) -> Object:
    """Return ``workload`` with ``marks`` as annotations and the release as label of its pods: other marks make other pods."""
    made = copy.deepcopy(workload)
    metadata = template(made).setdefault("metadata", {})
    metadata.setdefault("annotations", {}).update(marks)
    metadata.setdefault("labels", {})[RELEASE] = marks[RELEASE]
    return made


_FIRST = [
    "Namespace",
    "CustomResourceDefinition",
    "ResourceQuota",
    "LimitRange",
    "PriorityClass",
    "StorageClass",
    "ServiceAccount",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Service",
]


def _sorted(objects: Collection[Object]) -> list[Object]:
    """Return objects so that what others need comes first."""
    return sorted(objects, key=lambda o: _FIRST.index(o["kind"]) if o["kind"] in _FIRST else len(_FIRST))
