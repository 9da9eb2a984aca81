"""What of a commit's manifests is applied: images by digest, configuration by contents, and whose objects are refused."""

from __future__ import annotations

import copy

import pytest

from runwright.errors import InputError
from runwright.platforms.kubernetes.manifests import COMMIT, RELEASE, Composed, composed, marked, template
from tests.unit.platforms.kubernetes.objects import DIGEST, REFERENCE, configuration, container, target, workload

MARKS = {"runwright.dev/system": "shop", "runwright.dev/environment": "production"}
SERVICES = {"shop": "shop"}


def made(*objects, services=None, references=None, **said):
    """Return what is applied of ``objects``."""
    return composed(objects, target(**said), services or SERVICES, references or {"shop": REFERENCE}, MARKS)


def images(one):
    """Return {container: image} of a workload."""
    spec = template(one)["spec"]
    return {c["name"]: c["image"] for c in (*spec.get("initContainers", ()), *spec["containers"])}


def test_the_only_container_runs_the_component_by_digest_and_the_user_s_object_is_not_changed():
    given = workload()
    before = copy.deepcopy(given)
    found = made(given)
    assert images(found.workloads["shop"]) == {"shop": REFERENCE}
    assert found.images == {"shop": {"shop": REFERENCE}}
    assert found.workloads["shop"]["metadata"]["namespace"] == "shop"
    assert given == before


def test_a_sidecar_and_an_init_container_of_the_same_image_run_the_same_digest_and_others_stay():
    given = workload(
        container(),
        container("proxy", "localhost:5000/shop:v1"),
        container("mesh", "envoy:1.30"),
        initContainers=[container("wait", "localhost:5000/shop:latest"), container("chown", "busybox:1")],
    )
    assert images(made(given).workloads["shop"]) == {
        "wait": REFERENCE,
        "chown": "busybox:1",
        "shop": REFERENCE,
        "proxy": REFERENCE,
        "mesh": "envoy:1.30",
    }


@pytest.mark.parametrize(
    "containers, said, chosen",
    [
        ([container("a", "other:1"), container("b", "registry.example.com/team/shop:1")], {}, "b"),
        ([container("a", "x:1"), container("web", "y:1")], {"containers": {"shop": "web"}}, "web"),
        ([container("mesh", "envoy:1"), container("shop", "whatever:1")], {}, "shop"),
    ],
    ids=["by its image", "as the runbook says", "by its name"],
)
def test_which_of_several_containers_is_the_component_s(containers, said, chosen):
    found = made(workload(*containers), **said)
    assert [name for name, image in images(found.workloads["shop"]).items() if image == REFERENCE] == [chosen]


def test_where_it_cannot_be_told_the_line_to_write_is_said():
    with pytest.raises(InputError) as caught:
        made(workload(container("a", "x:1"), container("b", "y:1")))
    assert "Deployment/shop has several containers (a, b)" in caught.value.what
    assert "containers: {shop: a}" in caught.value.next


@pytest.mark.parametrize(
    "objects, said, what",
    [
        ([workload(name="other")], {}, "no Deployment, StatefulSet, DaemonSet or CronJob shop"),
        ([workload(), workload(kind="StatefulSet")], {}, "several workloads of the name shop"),
        ([workload(), workload()], {}, "Deployment/shop is in the manifests twice"),
        ([workload()], {"containers": {"shop": "web"}}, "has no container web"),
        ([workload(), workload(name="worker")], {}, "Deployment/worker runs the image of a component"),
        ([workload(), workload(name="nightly", kind="CronJob")], {}, "CronJob/nightly runs the image of a component"),
    ],
    ids=[
        "none",
        "two kinds",
        "twice",
        "no such container",
        "a worker that nobody named",
        "a cron job that nobody named",
    ],
)
def test_what_cannot_be_released_as_it_is(objects, said, what):
    with pytest.raises(InputError) as caught:
        made(*objects, **said)
    assert what in caught.value.what and caught.value.next


def test_an_object_of_another_namespace_is_refused_and_one_of_the_cluster_is_not():
    stranger = configuration("theirs")
    stranger["metadata"]["namespace"] = "kube-system"
    with pytest.raises(InputError, match="for the namespace kube-system"):
        made(workload(), stranger)
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}, "rules": []}
    (found,) = made(workload(), role).base
    assert "namespace" not in found["metadata"]


def test_a_job_is_kept_apart_with_this_version_s_image_and_what_is_left_is_not_there():
    found = made(
        workload(), workload(name="migrate", kind="Job"), workload(name="seed", kind="Job"), leave=["Job/seed"]
    )
    assert list(found.jobs) == ["migrate"] and images(found.jobs["migrate"]) == {"shop": REFERENCE}
    assert found.left == ("Job/seed",) and [o["kind"] for o in found.objects] == ["Deployment"]


def test_configuration_that_pods_name_is_called_by_its_contents_and_the_plain_one_is_applied_too():
    given = workload(
        container(
            env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "a"}}}],
            envFrom=[{"secretRef": {"name": "keys"}}],
        ),
        volumes=[
            {"name": "v", "projected": {"sources": [{"configMap": {"name": "settings"}}]}},
            {"name": "w", "secret": {"secretName": "elsewhere"}},
        ],
    )
    parts = (given, configuration("settings", a="1"), configuration("keys", "Secret", k="x"))
    found = made(*parts)
    names = {o["kind"]: [] for o in found.base}
    for one in found.base:
        names[one["kind"]].append(one["metadata"]["name"])
    (copied,) = [n for n in names["ConfigMap"] if n != "settings"]
    (secret,) = [n for n in names["Secret"] if n != "keys"]
    spec = template(found.workloads["shop"])["spec"]
    assert spec["containers"][0]["env"][0]["valueFrom"]["configMapKeyRef"]["name"] == copied
    assert spec["containers"][0]["envFrom"][0]["secretRef"]["name"] == secret
    assert spec["volumes"][0]["projected"]["sources"][0]["configMap"]["name"] == copied
    assert spec["volumes"][1]["secret"]["secretName"] == "elsewhere"
    assert next(o for o in found.base if o["metadata"]["name"] == copied)["immutable"] is True
    other = made(given, configuration("settings", a="2"), configuration("keys", "Secret", k="x"))
    assert {o["metadata"]["name"] for o in other.base} - {copied} >= {"settings", "keys", secret}
    assert copied not in {o["metadata"]["name"] for o in other.base}


def test_what_kustomize_has_named_by_its_contents_is_left_so():
    given = workload(container(envFrom=[{"configMapRef": {"name": "settings-4b7mf6g2t8"}}]))
    found = made(given, configuration("settings-4b7mf6g2t8", a="1"))
    assert [o["metadata"]["name"] for o in found.base] == ["settings-4b7mf6g2t8"]


def test_the_order_is_the_runbook_s_and_what_others_need_comes_first():
    objects = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop"}, "spec": {}},
        workload(),
        workload(container(image="localhost:5000/shop:v1"), name="worker"),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "shop"}},
        configuration("settings"),
    ]
    found = made(*objects, services={"shop": "shop", "worker": "shop"}, order=["worker"])
    assert list(found.workloads) == ["worker", "shop"]
    assert [o["kind"] for o in found.base] == ["ServiceAccount", "ConfigMap", "Service"]


def test_a_release_leaves_its_mark_on_the_pods_alone():
    one = marked(made(workload()).workloads["shop"], {RELEASE: "r1", COMMIT: "c1"})
    assert template(one)["metadata"]["labels"] == {"app": "shop", RELEASE: "r1"}
    assert template(one)["metadata"]["annotations"] == {RELEASE: "r1", COMMIT: "c1"}
    assert RELEASE not in one["metadata"]["labels"] and one["spec"]["selector"] == {"matchLabels": {"app": "shop"}}


def test_it_can_be_kept():
    found = made(workload(), configuration("settings"), workload(name="migrate", kind="Job"))
    assert Composed.from_json(found.as_json()) == found
    assert DIGEST in str(found.as_json())
