"""What is told of an object that somebody changed: over objects that a real cluster wrote, and over small ones."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from runwright.platforms.kubernetes.by_hand import by_hand
from runwright.platforms.kubernetes.ownership import LAST_APPLIED

Object = dict[str, Any]
CAPTURED: dict[str, Object] = {o["kind"]: o for o in json.loads((Path(__file__).parent / "by_hand.json").read_text())}


def applied(kind: str) -> Object:
    """Return what ``kubectl apply`` was given for a captured object: the manifests before anybody changed anything."""
    said: Object = json.loads(CAPTURED[kind]["metadata"]["annotations"][LAST_APPLIED])
    return said


WHEN = "at 2026-11-26 13:22 UTC; the manifests"
TOLD = {
    "Deployment": (
        "Deployment/shop is paused (by kubectl-rollout, since 2026-11-26 13:22 UTC); the manifests do not say it",
        f"Deployment/shop: label team=blue was set by kubectl-label {WHEN} do not say it",
        f"Deployment/shop: annotation note=hello was set by kubectl-annotate {WHEN} do not say it",
        f"Deployment/shop: container helper=(image localhost:5000/helper:1) was set by kubectl-patch {WHEN} do not say it",
        f'Deployment/shop: livenessProbe={{"tcpSocket": {{"port": 8000}}}} of container shop was set by kubectl-patch {WHEN} do not say it',
        f'Deployment/shop: nodeSelector={{"disk": "ssd"}} of the pods was set by kubectl-patch {WHEN} do not say it',
        f"Deployment/shop: env DB_PASSWORD (not shown) of container shop was set by kubectl-set {WHEN} do not say it",
        f"Deployment/shop: env SET_COLOUR=red of container shop was set by kubectl-set {WHEN} say blue",
        f"Deployment/shop: env SET_DEBUG=1 of container shop was set by kubectl-set {WHEN} do not say it",
        f'Deployment/shop: resources.limits={{"memory": "64Mi"}} of container shop was set by kubectl-set {WHEN} do not say it',
    ),
    "CronJob": (
        "CronJob/nightly is suspended (by kubectl-patch, since 2026-11-26 13:22 UTC); the manifests do not say it",
    ),
    "ConfigMap": (
        f"ConfigMap/settings: key EXTRA=1 was set by kubectl-patch {WHEN} do not say it",
        f"ConfigMap/settings: key LEVEL=debug was set by kubectl-patch {WHEN} say info",
    ),
    "Secret": (f"Secret/keys: key EXTRA (not shown) was set by kubectl-patch {WHEN} do not say it",),
}


@pytest.mark.parametrize("kind", TOLD)
def test_each_setting_of_a_captured_object_is_a_sentence(kind: str) -> None:
    """What stops the object comes first; what was restarted, scaled, applied, or is a controller's, is not among them."""
    assert tuple(one.says for one in by_hand(CAPTURED[kind], applied(kind))) == TOLD[kind]


@pytest.mark.parametrize("kind", TOLD)
def test_nothing_is_told_of_what_the_manifests_say_as_well(kind: str) -> None:
    """Who has written it into the manifests since has nothing to decide."""
    assert by_hand(CAPTURED[kind], CAPTURED[kind]) == ()


def test_no_secret_is_in_what_is_told() -> None:
    """Neither in a sentence, nor in what a log would show of the value."""
    told = [one for kind in TOLD for one in by_hand(CAPTURED[kind], applied(kind))]
    assert "sesame" not in "".join(f"{one!r} {one.says}" for one in told)
    assert "aGlkZGVu" not in "".join(f"{one!r}" for one in told)


def entry(manager: str, tree: Any, operation: str = "Update") -> Object:
    return {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": tree}


def made(fields: Object, *entries: Object, kind: str = "Deployment") -> Object:
    """Return an object in the cluster: its fields, and who owns them."""
    metadata = {"name": "shop", "managedFields": list(entries), **fields.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **fields}


def container(**fields: Any) -> Object:
    return {"spec": {"template": {"spec": {"containers": [{"name": "shop", **fields}]}}}}


def of_container(tree: Any) -> Any:
    return {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"shop"}': tree}}}}}


def told(
    now: Object, tree: Any, rendered: Object, kind: str = "Deployment", manager: str = "kubectl-edit"
) -> list[str]:
    said = made(copy.deepcopy(rendered), kind=kind)
    prefix = f"{kind}/shop: "
    return [one.says.removeprefix(prefix) for one in by_hand(made(now, entry(manager, tree), kind=kind), said)]


def test_what_the_cluster_writes_otherwise_is_the_same() -> None:
    """A quantity has many spellings, and a reference gets its version; that is nobody's change."""
    field = {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}
    tree = of_container({"f:resources": {"f:limits": {"f:cpu": {}, "f:memory": {}}}, "f:env": {'k:{"name":"IP"}': {"f:valueFrom": {"f:fieldRef": {}}}}})  # fmt: skip
    now = container(resources={"limits": {"cpu": "1", "memory": "1Gi"}}, env=[{"name": "IP", "valueFrom": field}])
    said = container(
        resources={"limits": {"cpu": "1000m", "memory": "1024Mi"}},
        env=[{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
    )
    assert told(now, tree, said) == []
    said["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"] = "1001m"
    assert told(now, tree, said) == [
        "resources.limits.cpu=1 of container shop was set by kubectl-edit; the manifests say 1001m"
    ]


def test_a_number_in_a_variable_is_a_text() -> None:
    """1 and 1000m are one quantity and two values."""
    tree = of_container({"f:env": {'k:{"name":"N"}': {"f:value": {}}}})
    now, said = (container(env=[{"name": "N", "value": value}]) for value in ("1", "1000m"))
    assert told(now, tree, said) == ["env N=1 of container shop was set by kubectl-edit; the manifests say 1000m"]


def test_what_is_as_if_nobody_had_said_it_is_not_told() -> None:
    """Whoever creates an object through the API owns all defaults of it; a label of that name is no default."""
    tree = {
        "f:metadata": {"f:labels": {".": {}, "f:type": {}}},
        "f:spec": {"f:progressDeadlineSeconds": {}, "f:paused": {}, "f:strategy": {"f:type": {}}},
    }
    now = {
        "metadata": {"labels": {"type": "ClusterIP"}},
        "spec": {"progressDeadlineSeconds": 600, "paused": False, "strategy": {"type": "RollingUpdate"}},
    }
    assert told(now, tree, {"spec": {}}, manager="a-script") == [
        "label type=ClusterIP was set by a-script; the manifests do not say it"
    ]


def test_an_item_that_only_its_value_was_set_of_is_told_as_one() -> None:
    """The manifests dropped the variable, and it stays: its value is somebody's."""
    tree = of_container({"f:env": {'k:{"name":"SET_COLOUR"}': {"f:value": {}}}})
    now = container(env=[{"name": "SET_COLOUR", "value": "red"}])
    assert told(now, tree, container(env=[])) == [
        "env SET_COLOUR=red of container shop was set by kubectl-edit; the manifests do not say it"
    ]


def test_a_variable_from_elsewhere_is_told_by_where_it_comes_from() -> None:
    """The name of a key is no secret."""
    tree = of_container({"f:env": {'k:{"name":"DB_PASSWORD"}': {".": {}, "f:name": {}, "f:valueFrom": {"f:secretKeyRef": {}}}}})  # fmt: skip
    source = {"secretKeyRef": {"name": "keys", "key": "PASSWORD"}}
    assert told(container(env=[{"name": "DB_PASSWORD", "valueFrom": source}]), tree, container()) == [
        "env DB_PASSWORD=(secretKeyRef keys/PASSWORD) of container shop was set by kubectl-edit; the manifests do not say it"
    ]


SECRETS = [
    ({"env": [{"name": "DATABASE", "value": "postgres://shop:sesame1@db/shop"}]}, {"f:env": {'k:{"name":"DATABASE"}': {"f:value": {}}}}),
    ({"args": ["--token", "sesame1"]}, {"f:args": {}}),
    ({"command": ["run", "--password=sesame1"]}, {"f:command": {}}),
    ({"lifecycle": {"preStop": {"httpGet": {"httpHeaders": [{"name": "X-Api-Key", "value": "sesame1"}]}}}}, {"f:lifecycle": {"f:preStop": {"f:httpGet": {"f:httpHeaders": {}}}}}),
]  # fmt: skip


@pytest.mark.parametrize(("now", "tree"), SECRETS)
def test_a_value_that_is_a_secret_itself_is_not_shown(now: Object, tree: Any) -> None:
    """Whatever its name; and neither is what the manifests say of it."""
    rendered = json.loads(json.dumps(now).replace("sesame1", "sesame2"))
    (says,) = told(container(**now), of_container(tree), container(**rendered))
    assert "sesame" not in says
    assert "(not shown)" in says


def test_a_secret_that_is_written_in_plain_is_compared_with_what_the_cluster_keeps() -> None:
    """stringData is data in the cluster."""
    tree, now = {"f:data": {"f:TOKEN": {}}}, {"data": {"TOKEN": "c2VzYW1l"}}
    assert told(copy.deepcopy(now), tree, {"stringData": {"TOKEN": "sesame"}}, "Secret") == []
    assert told(now, tree, {"stringData": {"TOKEN": "another"}}, "Secret") == [
        "key TOKEN (not shown) was set by kubectl-edit; the manifests say otherwise"
    ]


def test_another_applier_is_told_as_one() -> None:
    """It will apply again: that is another thing to decide than what somebody typed once."""
    found = made(
        {"spec": {"minReadySeconds": 3}}, entry("argocd-controller", {"f:spec": {"f:minReadySeconds": {}}}, "Apply")
    )
    (one,) = by_hand(found, made({"spec": {}}))
    assert (
        one.says
        == "Deployment/shop: spec.minReadySeconds=3 is applied by argocd-controller; the manifests do not say it"
    )


def test_paused_by_the_manifests_is_not_by_hand_and_against_them_is() -> None:
    """A pause that somebody says is one only if the manifests do not."""
    tree = {"f:spec": {"f:paused": {}}}
    assert told({"spec": {"paused": True}}, tree, {"spec": {"paused": True}}) == []
    found = made({"spec": {"paused": True}}, entry("k9s", tree))
    (one,) = by_hand(found, made({"spec": {"paused": False}}))
    assert (one.stops, one.says) == ("paused", "Deployment/shop is paused (by k9s); the manifests say false")


def test_a_long_value_is_cut_and_is_one_line() -> None:
    """A file in a ConfigMap does not fill the plan."""
    tree = {"f:data": {"f:app.conf": {}}}
    (says,) = told({"data": {"app.conf": "a = 1\n" * 100}}, tree, {"data": {}}, "ConfigMap")
    assert says.startswith("key app.conf=a = 1\\na = 1\\n") and "… was set by kubectl-edit" in says
    assert len(says) < 140


def test_what_is_owned_and_no_longer_there_is_not_told() -> None:
    """A field may have been removed by another way than its owner's."""
    assert told({"spec": {}}, {"f:spec": {"f:paused": {}}}, {"spec": {}}) == []
