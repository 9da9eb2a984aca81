"""What goes with a version that no longer has it, what is kept, and whose pods a Service selects besides ours."""

from __future__ import annotations

from typing import Any

import pytest

from runwright.platforms.kubernetes.vanished import Identity, identity, selected_by, still_ours, vanished

Object = dict[str, Any]
MARKS = {"runwright.dev/system": "shop", "runwright.dev/environment": "production"}
US = [{"manager": "runwright", "operation": "Apply", "fieldsV1": {}}]


def thing(kind: str, name: str = "shop", version: str = "apps/v1", spec: Any = None, **metadata: Any) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec or {}}


DEPLOYMENT, SERVICE = thing("Deployment"), thing("Service", version="v1")

GONE = [
    # what vanished; why it is kept, nothing if it is taken away
    (DEPLOYMENT, ""),
    (SERVICE, ""),
    (thing("ConfigMap", version="v1"), ""),
    (thing("HorizontalPodAutoscaler", version="autoscaling/v2"), ""),
    (thing("CronJob", version="batch/v1"), ""),
    (thing("StatefulSet"), ""),
    (thing("StatefulSet", spec={"volumeClaimTemplates": [{}]}), "its volumes may go with it"),
    (thing("PersistentVolumeClaim", version="v1"), "the data of its volume would go with it"),
    (thing("Namespace", version="v1"), "everything in it would go with it"),
    (thing("CustomResourceDefinition", version="apiextensions.k8s.io/v1"), "all objects of its kind would go with it"),
    (thing("Kafka", version="kafka.strimzi.io/v1"), "what goes with a Kafka is not known here"),
    (thing("Deployment", version="example.com/v1"), "what goes with a Deployment is not known here"),
    (thing("ClusterRole", version="rbac.authorization.k8s.io/v1"), "what goes with a ClusterRole is not known here"),
    (thing("Service", version="v1", spec={"type": "LoadBalancer"}), "its address would go with it, and a new one would be another"),
    (thing("Deployment", annotations={"helm.sh/resource-policy": "keep"}), "its annotation helm.sh/resource-policy says so"),
    (thing("Deployment", annotations={"argocd.argoproj.io/sync-options": "Validate=false,Prune=false"}), "its annotation argocd.argoproj.io/sync-options says so"),
    (thing("Deployment", namespace="elsewhere"), "it is in the namespace elsewhere, not in the release's own"),
]  # fmt: skip


@pytest.mark.parametrize(("gone", "kept"), GONE, ids=lambda value: value if isinstance(value, str) else value["kind"])
def test_what_has_data_or_is_not_known_is_kept_and_told(gone: Object, kept: str) -> None:
    """Only what can be made again from its manifest is taken away."""
    (one,) = vanished([gone], [], "production")
    title = f"{gone['kind']}/shop"
    assert one.kept == kept
    assert one.says == (
        f"{title} is no longer in the manifests, and is kept: {kept}"
        if kept
        else f"{title} is no longer in the manifests: it is taken away when the new version is ready"
    )


def test_what_is_still_said_has_not_vanished() -> None:
    """By group, kind, name and namespace; not by the version of the API, nor by whether the namespace is named."""
    old = [thing("Ingress", version="extensions/v1beta1"), thing("Deployment", version="apps/v1beta1"), SERVICE]
    new = [
        thing("Ingress", version="networking.k8s.io/v1"),
        thing("Deployment", namespace="production"),
        {**SERVICE, "metadata": {"name": "shop", "namespace": "production"}},
    ]
    assert vanished(old, new, "production") == ()
    assert [one.title for one in vanished([*old, thing("Deployment", "old")], new, "production")] == ["Deployment/old"]


def test_what_goes_goes_in_an_order_that_stops_nothing_too_early() -> None:
    """An autoscaler before what it scales, what runs before what it needs; what is kept comes last."""
    old = [
        thing("ServiceAccount", version="v1"),
        thing("Secret", version="v1"),
        thing("PersistentVolumeClaim", version="v1"),
        SERVICE,
        DEPLOYMENT,
        thing("HorizontalPodAutoscaler", version="autoscaling/v2"),
    ]
    assert [one.identity.kind for one in vanished(old, [], "production")] == [
        "HorizontalPodAutoscaler",
        "Deployment",
        "Service",
        "Secret",
        "ServiceAccount",
        "PersistentVolumeClaim",
    ]


def test_an_object_that_several_releases_applied_is_one() -> None:
    """The last of them says what it is."""
    later = thing("Deployment", annotations={"helm.sh/resource-policy": "keep"})
    (one,) = vanished([DEPLOYMENT, later], [], "production")
    assert one.kept


def test_what_somebody_else_made_anew_is_kept_and_what_is_gone_is_gone() -> None:
    """Only what is in the cluster as a release of ours applied it is taken away."""
    gone = vanished([DEPLOYMENT, SERVICE, thing("Deployment", "other")], [], "production")
    live = [
        thing("Deployment", namespace="production", managedFields=US),
        thing("Service", version="v1", namespace="production", managedFields=[]),
    ]
    assert [(one.title, one.kept) for one in still_ours(gone, live, "production", MARKS)] == [
        ("Deployment/shop", ""),
        ("Service/shop", "no release of ours applied it as it is now"),
    ]


def test_what_somebody_asked_to_keep_in_the_cluster_is_kept() -> None:
    """An annotation by hand counts as one in the manifests."""
    gone = vanished([DEPLOYMENT], [], "production")
    live = thing("Deployment", managedFields=US, annotations={"helm.sh/resource-policy": "keep"})
    (one,) = still_ours(gone, [live], "production", MARKS)
    assert one.kept


@pytest.mark.parametrize(
    "labels, kept",
    [
        (MARKS, ""),
        ({}, ""),
        ({**MARKS, "runwright.dev/system": "billing"}, "billing/production has applied it since"),
        ({**MARKS, "runwright.dev/environment": "staging"}, "shop/staging has applied it since"),
    ],
)
def test_what_another_system_of_ours_has_applied_since_is_kept(labels: dict[str, str], kept: str) -> None:
    """The field manager is the same, and two systems may live in one namespace."""
    live = thing("Deployment", managedFields=US, labels=labels)
    (one,) = still_ours(vanished([DEPLOYMENT], [], "production"), [live], "production", MARKS)
    assert one.kept == kept


def test_kubectl_finds_an_object_by_its_address() -> None:
    """With the group where there is one: two kinds may have one name."""
    assert identity(DEPLOYMENT, "").address == "deployment.apps/shop"
    assert identity(SERVICE, "").address == "service/shop"
    assert identity(thing("Ingress", version="extensions/v1beta1"), "") == Identity(
        "networking.k8s.io", "Ingress", "shop"
    )


def workload(name: str, kind: str = "Deployment", labels: Any = None, **more: Any) -> Object:
    spec: Object = {"template": {"metadata": {"labels": labels or {"app": "shop"}}}, **more.pop("spec", {})}
    return thing(kind, name, spec={"jobTemplate": {"spec": spec}} if kind == "CronJob" else spec, **more)


DOOR = thing("Service", version="v1", spec={"selector": {"app": "shop"}})
OWNED = [{"kind": "Deployment", "name": "guest", "controller": True}]

SELECTED = [
    (workload("guest", spec={"replicas": 2}), "Deployment/guest (2 pods)"),
    (workload("guest", spec={"replicas": 1}), "Deployment/guest (1 pod)"),
    (workload("guest", "DaemonSet"), "DaemonSet/guest"),
    (workload("guest", "CronJob"), "CronJob/guest"),
    (thing("Pod", "guest", "v1", labels={"app": "shop", "more": "x"}), "Pod/guest"),
    (workload("guest", namespace="production"), "Deployment/guest"),
]
NOT_SELECTED = [
    workload("shop"),
    workload("guest", labels={"app": "other"}),
    workload("guest", namespace="elsewhere"),
    workload("guest-7d", "ReplicaSet", ownerReferences=OWNED),
    thing("Pod", "guest-7d-x", "v1", labels={"app": "shop"}, ownerReferences=OWNED),
    thing("Deployment", "guest", spec={"template": None}),
    thing("Pod", "guest", "v1", labels=None),
]


@pytest.mark.parametrize(("guest", "named"), SELECTED)
def test_a_guest_whose_pods_the_service_selects_is_told(guest: Object, named: str) -> None:
    """It answers users: with what, no release says."""
    (one,) = selected_by(DOOR, [guest], [Identity("apps", "Deployment", "shop")], "production")
    assert one.says.startswith(f"Service/shop selects the pods of {named} too, which is in no manifest")


@pytest.mark.parametrize("other", NOT_SELECTED)
def test_what_is_ours_or_elsewhere_or_somebodys_is_not_told(other: Object) -> None:
    """Pods of a guest are told as the guest."""
    assert selected_by(DOOR, [other], [Identity("apps", "Deployment", "shop")], "production") == ()


@pytest.mark.parametrize("selector", [None, {}, "app=shop"])
def test_a_service_without_a_selector_selects_nothing(selector: Any) -> None:
    """Its endpoints are written by somebody."""
    service = thing("Service", version="v1", spec={"selector": selector})
    assert selected_by(service, [workload("guest")], [], "production") == ()
