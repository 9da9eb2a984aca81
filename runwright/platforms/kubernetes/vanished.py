"""What an earlier release of ours applied and the manifests no longer have; and whose pods, not ours, a Service of ours selects.

The old name would go on serving for ever: nobody who is given manifests learns what is not in them. It is taken away after the
new version is ready. Nothing is taken away that no release of ours applied, nor what has data that would go with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from runwright.platforms.kubernetes.fields import MISSING, at, child
from runwright.platforms.kubernetes.kubectl import Object, name_of, title
from runwright.platforms.kubernetes.ownership import applied_by_us
from runwright.plural import plural

_TAKEN: Final = (
    # in this order: nothing scales or guards what goes next, and nothing that runs misses what it needs
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("policy", "PodDisruptionBudget"),
    ("batch", "CronJob"),
    ("batch", "Job"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("networking.k8s.io", "Ingress"),
    ("gateway.networking.k8s.io", "HTTPRoute"),
    ("gateway.networking.k8s.io", "GRPCRoute"),
    ("", "Service"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("monitoring.coreos.com", "ServiceMonitor"),
    ("monitoring.coreos.com", "PodMonitor"),
    ("monitoring.coreos.com", "PrometheusRule"),
    ("", "ConfigMap"),
    ("", "Secret"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
    ("rbac.authorization.k8s.io", "Role"),
    ("", "ServiceAccount"),
    ("", "LimitRange"),
    ("", "ResourceQuota"),
)
"""What can be made again from its manifest, as (group, kind)."""
_WITH_DATA: Final = {
    "PersistentVolumeClaim": "the data of its volume would go with it",
    "PersistentVolume": "its data would go with it",
    "Namespace": "everything in it would go with it",
    "CustomResourceDefinition": "all objects of its kind would go with it",
}
_KEPT_BY: Final = (
    ("helm.sh/resource-policy", "keep"),
    ("kustomize.toolkit.fluxcd.io/prune", "disabled"),
    ("argocd.argoproj.io/sync-options", "Prune=false"),
)
"""How people say, in an annotation, that an object is not to be taken away."""


@dataclass(frozen=True)
class Identity:
    """What an object is called, whichever version of the API names it. namespace: empty for the release's own."""

    group: str
    kind: str
    name: str
    namespace: str = ""

    @property
    def address(self) -> str:
        """The word by which kubectl finds it: "deployment.apps/shop"."""
        return f"{self.kind.lower()}{'.' if self.group else ''}{self.group}/{self.name}"


@dataclass(frozen=True)
class Vanished:
    """An object that the manifests no longer have. kept: why it is not taken away; empty if it is."""

    identity: Identity
    kept: str = ""

    @property
    def title(self) -> str:
        """How people name it."""
        return f"{self.identity.kind}/{self.identity.name}"

    @property
    def says(self) -> str:
        """What becomes of it, as a sentence without its full stop."""
        if self.kept:
            return f"{self.title} is no longer in the manifests, and is kept: {self.kept}"
        return f"{self.title} is no longer in the manifests: it is taken away when the new version is ready"


def identity(found: Object, namespace: str) -> Identity:
    """Return what an object is called. namespace: that of the release, which objects of manifests need not name."""
    version = str(found.get("apiVersion", ""))
    group = version.rpartition("/")[0]
    kind = str(found.get("kind", ""))
    if group == "extensions":  # where these began
        group = "networking.k8s.io" if kind in ("Ingress", "NetworkPolicy") else "apps"
    own = str(found["metadata"].get("namespace") or "")
    return Identity(group, kind, name_of(found), "" if own == namespace else own)


def vanished(before: Iterable[Object], now: Iterable[Object], namespace: str) -> tuple[Vanished, ...]:
    """Return what ``before`` has and ``now`` has not, in the order in which it is taken away, what is kept last.

    before: the objects that earlier releases of ours applied; now: those that this one renders. Neither with the copies of
    configuration under hashed names: the way back needs those, and they are retired by age.
    """
    there = {identity(one, namespace) for one in now}
    gone = {identity(one, namespace): one for one in before}
    found = [Vanished(who, _kept(who, one)) for who, one in gone.items() if who not in there]
    return tuple(sorted(found, key=lambda one: (bool(one.kept), _turn(one.identity), one.title)))


def still_ours(
    gone: Iterable[Vanished], found: Iterable[Object], namespace: str, marks: Mapping[str, str]
) -> tuple[Vanished, ...]:
    """Return what of it is there still; what somebody else has made anew, or wants kept, is kept.

    found: the objects in the cluster, with their managed fields. marks: the labels of what is this system's, in this environment:
    another one of ours is somebody else, too.
    """
    live = {identity(one, namespace): one for one in found}
    return tuple(
        Vanished(one.identity, one.kept or _kept_in_the_cluster(one.identity, live[one.identity], marks))
        for one in gone
        if one.identity in live
    )


def _turn(who: Identity) -> int:
    kind = (who.group, who.kind)
    return _TAKEN.index(kind) if kind in _TAKEN else len(_TAKEN)


def _kept(who: Identity, found: Object) -> str:
    """Return why an object is not taken away, given what is known of it; empty if it is."""
    if reason := _WITH_DATA.get(who.kind):
        return reason
    if (who.group, who.kind) not in _TAKEN:
        return f"what goes with a {who.kind} is not known here"
    if who.namespace:
        return f"it is in the namespace {who.namespace}, not in the release's own"
    if who.kind == "StatefulSet" and at(found, ("f:spec", "f:volumeClaimTemplates")) not in (MISSING, None, []):
        return "its volumes may go with it"
    if who.kind == "Service" and at(found, ("f:spec", "f:type")) == "LoadBalancer":
        return "its address would go with it, and a new one would be another"
    annotations = at(found, ("f:metadata", "f:annotations"))
    for key, value in _KEPT_BY:
        if value in str(child(annotations, f"f:{key}")).split(","):
            return f"its annotation {key} says so"
    return ""


def _kept_in_the_cluster(who: Identity, found: Object, marks: Mapping[str, str]) -> str:
    if reason := _kept(who, found):
        return reason
    if whose := of_another(found, marks):
        return f"{whose} has applied it since"
    return "" if applied_by_us(found) else "no release of ours applied it as it is now"


def of_another(found: Object, marks: Mapping[str, str]) -> str:
    """Return which other system or environment of ours an object in the cluster is of ("shop/staging"), "" if it is of none."""
    labels = at(found, ("f:metadata", "f:labels"))
    told = [labels.get(key) for key in marks] if isinstance(labels, dict) else []
    return "/".join(map(str, told)) if any(told) and told != list(marks.values()) else ""


@dataclass(frozen=True)
class Selected:
    """A workload of somebody else whose pods a Service of ours sends requests to. replicas: None if it does not say."""

    service: str
    workload: str
    replicas: int | None = None

    @property
    def says(self) -> str:
        """The finding as a sentence without its full stop."""
        pods = "" if self.replicas is None else f" ({plural(self.replicas, 'pod')})"
        return (
            f"{self.service} selects the pods of {self.workload}{pods} too, which is in no manifest of this release: "
            f"it answers users beside the new version, and is not touched"
        )


def selected_by(
    service: Object, workloads: Iterable[Object], ours: Collection[Identity], namespace: str
) -> tuple[Selected, ...]:
    """Return whose pods a Service selects besides those of ``ours``: Deployments and the like, and pods that nobody owns.

    ours: what this release renders and what it takes away. A workload that another one owns is told as its owner's.
    """
    selector = at(service, ("f:spec", "f:selector"))
    if not isinstance(selector, dict) or not selector:
        return ()
    place = identity(service, namespace).namespace
    found = []
    for one in workloads:
        who = identity(one, namespace)
        if who in ours or who.namespace != place or _is_owned(one):
            continue
        if selector.items() <= _labels(one).items():
            replicas = at(one, ("f:spec", "f:replicas"))
            found.append(Selected(title(service), title(one), replicas if type(replicas) is int else None))
    return tuple(found)


def _is_owned(found: Object) -> bool:
    owners = found["metadata"].get("ownerReferences")
    return isinstance(owners, list) and any(isinstance(one, dict) and one.get("controller") for one in owners)


def _labels(workload: Object) -> dict[str, Any]:
    """Return the labels of a workload's pods."""
    spec = {"Pod": (), "CronJob": ("f:spec", "f:jobTemplate", "f:spec", "f:template")}
    labels = at(workload, (*spec.get(str(workload.get("kind")), ("f:spec", "f:template")), "f:metadata", "f:labels"))
    return labels if isinstance(labels, dict) else {}
