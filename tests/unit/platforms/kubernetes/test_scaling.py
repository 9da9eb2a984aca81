"""How many replicas our apply says: a table over what is there, what is said, and who decided."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runwright.platforms.kubernetes.ownership import LAST_APPLIED
from runwright.platforms.kubernetes.scaling import NUMBER, REPLICAS, numbered, scaled

Object = dict[str, Any]
TREE = {"f:spec": {"f:replicas": {}}}


def shop(replicas: int | None, *managers: tuple[str, str, str], annotations: Any = None) -> Object:
    """Return a Deployment whose replicas these managers own."""
    listed = [{"manager": m, "operation": o, "subresource": s, "fieldsV1": TREE} for m, o, s in managers]
    spec = {} if replicas is None else {"replicas": replicas}
    metadata = {"name": "shop", "annotations": annotations or {}, "managedFields": listed}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


US, KUBECTL = ("runwright", "Apply", ""), ("kubectl-client-side-apply", "Update", "")
SCALED, AUTOSCALER = ("kubectl", "Update", "scale"), ("kube-controller-manager", "Update", "scale")
NOTED = {NUMBER: "2"}
APPLIED = {LAST_APPLIED: json.dumps({"spec": {"replicas": 2}})}
HPA: Object = {
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "shop"},
    "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "shop"}},
}

ROWS = [
    # what is there, what the manifests say, autoscalers; what our apply says, whether it is let go, and freed; what is told
    ("not there yet", None, 2, [], 2, False, False, ""),
    ("not there yet, an autoscaler will take it from there", None, 2, [HPA], 2, False, False, ""),
    ("as it is said", shop(2, US), 2, [], 2, False, False, ""),
    ("the manifests changed", shop(2, US, annotations=NOTED), 3, [], 3, False, True, "Deployment/shop gets the 3 replicas that the manifests say now, before 2, in place of 2"),
    ("scaled by hand", shop(5, SCALED, annotations=NOTED), 2, [], None, True, False, "Deployment/shop keeps its 5 replicas set by kubectl; the manifests say 2 as before"),
    ("scaled by hand, ours too", shop(5, SCALED, US, annotations=NOTED), 2, [], None, True, False, "Deployment/shop keeps its 5 replicas set by kubectl; the manifests say 2 as before"),
    ("scaled by hand, never released by us", shop(5, SCALED, annotations=APPLIED), 2, [], None, True, False, "Deployment/shop keeps its 5 replicas set by kubectl; the manifests say 2 as before"),
    ("scaled by hand, nobody knows what was said", shop(5, SCALED), 2, [], None, True, False, "Deployment/shop keeps its 5 replicas set by kubectl; the manifests say 2"),
    ("scaled by hand, and the manifests changed", shop(5, SCALED, annotations=NOTED), 3, [], 3, False, True, "Deployment/shop gets the 3 replicas that the manifests say now, before 2, in place of 5 set by kubectl"),
    ("scaled by hand to what the manifests say now", shop(5, SCALED, annotations=NOTED), 5, [], 5, False, False, ""),
    ("stopped by hand", shop(0, SCALED, annotations=NOTED), 2, [], None, True, False, "Deployment/shop keeps its 0 replicas set by kubectl, so nothing of it runs; the manifests say 2 as before"),
    ("changed by whom no field names", shop(4, annotations=NOTED), 2, [], None, True, False, "Deployment/shop keeps its 4 replicas; the manifests say 2 as before"),
    ("kubectl's, nobody knows what was said", shop(2, KUBECTL), 3, [], 3, False, True, "Deployment/shop gets the 3 replicas that the manifests say now, in place of 2"),
    ("no longer said", shop(3, US), None, [], None, True, False, "Deployment/shop keeps its 3 replicas; the manifests do not say how many"),
    ("no longer said, and scaled", shop(3, SCALED), None, [], None, True, False, "Deployment/shop keeps its 3 replicas set by kubectl; the manifests do not say how many"),
    ("never said", shop(1), None, [], None, True, False, ""),
    ("an autoscaler decides", shop(4, AUTOSCALER), 2, [HPA], None, True, False, "Deployment/shop: HorizontalPodAutoscaler/shop decides about its replicas (now 4), not the 2 of the manifests"),
    ("an autoscaler decides, and we own it", shop(4, US), 2, [HPA], None, True, False, "Deployment/shop: HorizontalPodAutoscaler/shop decides about its replicas (now 4), not the 2 of the manifests"),
    ("an autoscaler decides as it is said", shop(2, US), 2, [HPA], None, True, False, ""),
    ("an autoscaler, and the manifests changed", shop(4, US, annotations=NOTED), 3, [HPA], None, True, False, "Deployment/shop: HorizontalPodAutoscaler/shop decides about its replicas (now 4), not the 3 of the manifests"),
    ("an autoscaler of something that is stopped", shop(0, SCALED), None, [HPA], None, True, False, "Deployment/shop: HorizontalPodAutoscaler/shop decides about its replicas (now 0, so nothing of it runs)"),
    ("none are wanted", shop(0, US), 0, [], 0, False, False, ""),
    ("none are wanted, nor were before", shop(0, US, annotations={"runwright.dev/replicas": "0"}), 0, [], 0, False, False, ""),
    ("an autoscaler went, and the manifests say it now", shop(4, AUTOSCALER, annotations={}), 2, [], 2, False, True, "Deployment/shop gets the 2 replicas that the manifests say now, in place of 4"),
]  # fmt: skip


@pytest.mark.parametrize(("found", "manifest", "scalers", "number", "let_go", "freed", "says"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])  # fmt: skip
def test_replicas_are_whose_they_are(
    found: Object | None,
    manifest: int | None,
    scalers: list[Object],
    number: int | None,
    let_go: bool,
    freed: bool,
    says: str,
) -> None:
    """The manifests' number is ours to say until an autoscaler, or a person, has chosen another; then until it changes."""
    scaling = scaled(found, shop(manifest), scalers)
    assert (scaling.number, scaling.let_go, scaling.freed, scaling.says) == (
        number,
        (REPLICAS,) if let_go else (),
        (REPLICAS,) if freed else (),
        says,
    )


def test_what_is_applied_notes_what_the_manifests_said() -> None:
    """Also where the number itself is left out; and the object that was rendered is not changed."""
    rendered = shop(2)
    kept = numbered(rendered, scaled(shop(5, SCALED, annotations=NOTED), rendered, []))
    assert "replicas" not in kept["spec"]
    assert kept["metadata"]["annotations"] == NOTED
    said = numbered(rendered, scaled(shop(2, US), rendered, []))
    assert (said["spec"]["replicas"], said["metadata"]["annotations"]) == (2, NOTED)
    assert (rendered["spec"], rendered["metadata"]["annotations"]) == ({"replicas": 2}, {})
    silent = shop(None)
    assert numbered(silent, scaled(None, silent, [])) is silent


def test_the_release_before_says_what_no_annotation_does() -> None:
    """The recorded manifests of a version that wrote none."""
    assert scaled(shop(5, SCALED), shop(3), [], last=shop(2)).number == 3
    assert scaled(shop(5, SCALED), shop(2), [], last=shop(2)).number is None


OTHERS = [
    {**HPA, "spec": {"scaleTargetRef": {"kind": "StatefulSet", "name": "shop"}}},
    {**HPA, "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "other"}}},
    {**HPA, "metadata": {"name": "shop", "namespace": "elsewhere"}},
    {**HPA, "spec": {}},
    {"metadata": {}},
]


@pytest.mark.parametrize("scaler", OTHERS)
def test_an_autoscaler_of_something_else_is_none(scaler: Object) -> None:
    """By kind, name and namespace of what it scales."""
    rendered = shop(2)
    rendered["metadata"]["namespace"] = "shop"
    assert scaled(shop(2), rendered, [scaler]).autoscaler == ""


def test_a_keda_object_scales_a_deployment_unless_it_says_otherwise() -> None:
    """Its autoscaler may not be there yet."""
    scaler = {"kind": "ScaledObject", "metadata": {"name": "queue"}, "spec": {"scaleTargetRef": {"name": "shop"}}}
    assert scaled(shop(2), shop(2), [scaler]).autoscaler == "ScaledObject/queue"


@pytest.mark.parametrize("annotations", [{NUMBER: "many"}, {LAST_APPLIED: "{"}, {LAST_APPLIED: "[" * 9999}, {LAST_APPLIED: "7"}, {NUMBER: 2}])  # fmt: skip
def test_an_odd_annotation_says_nothing(annotations: Any) -> None:
    """Anybody can write one."""
    assert scaled(shop(5, SCALED, annotations=annotations), shop(2), []).before is None
