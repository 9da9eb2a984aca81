"""What pods are, and what of them is not as it was rendered: on pods of a real cluster, where a webhook gave them other images."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from runwright.engine.actions import Output
from runwright.errors import ActionError
from runwright.platforms.kubernetes.compared import compared, mutating
from runwright.platforms.kubernetes.kubectl import Kubectl
from runwright.platforms.kubernetes.pods import Image, facts, image_of, reference_of, workload_of
from runwright.platforms.kubernetes.selectors import selects, webhooks_of_pods
from runwright.testing.replies import Replies
from tests.unit.platforms.kubernetes.looks import DATA, last

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
V1 = "sha256:192a21fc619f0244fa3f30d71789a6d82b1ac1285b143e20da11ee7e91e4bcb1"
V2 = "sha256:75aecc9b3402bda41d31f42ff04d75255159583b93f074ed94904f5134e4acd7"
HOOK = "approved-images.example.com"
Object = dict[str, Any]


def taken(name: str) -> Any:
    """Return what was captured under ``name``."""
    return json.loads((DATA / "pods" / f"{name}.json").read_text())


@pytest.mark.parametrize(
    ("text", "image"),
    [
        (f"docker-pullable://localhost:5000/shop@{A}", Image("localhost:5000/shop", A)),
        (f"localhost:5000/shop@{A}", Image("localhost:5000/shop", A)),
        (f"docker.io/library/postgres:15@{A}", Image("docker.io/library/postgres", A)),
        (A, Image("", A, of_config=True)),
        (f"docker://{A}", Image("", A, of_config=True)),
        ("a" * 64, Image("", A, of_config=True)),
        ("", Image("", "")),
        (None, Image("", "")),
        ("localhost:5000/shop:v1", Image("", "")),
    ],
)
def test_every_runtime_names_an_image_in_its_own_way(text: str | None, image: Image) -> None:
    """Docker, containerd and CRI-O; a bare digest is that of the configuration, which no registry knows."""
    assert image_of(text) == image


def test_a_reference_has_a_digest_or_only_a_tag() -> None:
    """The port of a registry is no tag."""
    assert reference_of(f"localhost:5000/shop:v1@{A}") == Image("localhost:5000/shop", A)
    assert reference_of("localhost:5000/shop") == Image("localhost:5000/shop", "")


@pytest.mark.parametrize(
    ("case", "workload"),
    [("well", "Deployment/shop"), ("stateful-well", "StatefulSet/shop"), ("daemon", "DaemonSet/shop")],
)
def test_a_pod_belongs_to_who_made_it_in_the_end(case: str, workload: str) -> None:
    """With the ReplicaSet at hand, and without."""
    look = last(case)
    assert {workload_of(pod, look.revisions) for pod in look.pods} == {workload}
    assert {workload_of(pod) for pod in look.pods} == {workload}


def test_a_pod_of_a_job_and_one_of_nobody() -> None:
    """A Job may belong to a CronJob."""
    job: Object = {"kind": "Job", "metadata": {"name": "night-1", "uid": "j"}}
    pod = {"metadata": {"ownerReferences": [{"kind": "Job", "name": "night-1", "uid": "j", "controller": True}]}}
    assert workload_of(pod, [job]) == "Job/night-1"
    job["metadata"]["ownerReferences"] = [{"kind": "CronJob", "name": "night", "uid": "c", "controller": True}]
    assert workload_of(pod, [job]) == "CronJob/night"
    assert workload_of({"metadata": {}}) == ""


def test_a_fact_has_what_the_node_says_and_our_marks() -> None:
    """Marks by what follows our prefix; a crashed container with its restarts; one whose image never came has none."""
    found = next(one for one in facts(last("crash").pods, last("crash").revisions) if not one.ready)
    assert found.marks == {"release": "r1"} and found.restarts >= 1
    assert [(c.name, c.ready, c.running, c.init) for c in found.containers] == [("web", False, False, False)]
    none = next(one for one in facts(last("image-not-found").pods) if not one.ready)
    assert none.containers[0].image == Image("", "") and "never-pushed" in none.containers[0].asked
    init = next(one for one in facts(last("init-fails").pods) if not one.ready)
    assert [(c.name, c.init) for c in init.containers] == [("prepare", True), ("web", False)]


# ------------------------------------------------------------------------------------------------------- the images


def rendered(name: str) -> Object:
    """Return the template as it was rendered: v2 by its digest."""
    template: Object = taken(name)["deployment"]["spec"]["template"]
    return template


def test_an_image_that_a_webhook_changed_is_seen_in_the_pods() -> None:
    """The Deployment has v2's digest, all is "rolled out", and the pods run v1."""
    assert V2 in rendered("pinned")["spec"]["containers"][0]["image"]
    for pod in taken("pinned")["pods"]:
        found = compared(pod, rendered("pinned"), {"shop": {V2}}, webhooks=(HOOK,))
        assert found.differs == (
            f"shop runs {V1}, released was {V2}; its spec was changed on the way "
            f"(a mutating webhook: {HOOK} selects this namespace)",
        )


def test_another_registry_with_the_same_digest_is_right_and_told() -> None:
    """A mirror is no other version."""
    for pod in taken("mirror")["pods"]:
        found = compared(pod, rendered("mirror"), {"shop": {V2}}, webhooks=(HOOK,))
        assert found.differs == ()
        assert (
            len(found.told) == 1
            and "localhost:5000/mirror/image-rewritten for localhost:5000/image-rewritten" in found.told[0]
        )


def test_one_image_under_two_digests_is_right_and_told() -> None:
    """containerd names an image by whichever of its digests comes first: the pod was made with the right one, and is not changed since."""
    pod = taken("twin")["pods"][0]
    asked = reference_of(pod["spec"]["containers"][0]["image"]).digest
    runs = image_of(pod["status"]["containerStatuses"][0]["imageID"]).digest
    assert asked != runs
    template = {"spec": {"containers": deepcopy(pod["spec"]["containers"])}}
    found = compared(pod, template, {})
    assert found.differs == () and found.told == (
        f"{pod['metadata']['name']} is named {runs} by its node: the same image under two digests",
    )
    pod["metadata"]["generation"] = 2
    assert "its spec was changed after it was made" in compared(pod, template, {}).differs[0]


def a_pod(**more: Any) -> Object:
    """Return a pod of one container ``web``, of image A, as it was rendered but for ``more``."""
    spec = {"name": "web", "image": f"shop@{A}", **more}
    status = {"name": "web", "imageID": f"docker.io/library/shop@{A}"}
    return {
        "metadata": {"name": "shop-1", "generation": 1},
        "spec": {"containers": [spec]},
        "status": {"containerStatuses": [status]},
    }


def as_rendered(**more: Any) -> Object:
    """Return the template that `a_pod` is made of, and ``more`` in its container."""
    return {"spec": {"containers": [{"name": "web", "image": f"shop@{A}", **more}]}}


def test_init_containers_count_as_all_others() -> None:
    """What prepares a pod is a part of the version, too."""
    pod, template = a_pod(), as_rendered()
    template["spec"]["initContainers"] = [{"name": "prepare", "image": f"shop@{A}"}]
    pod["spec"]["initContainers"] = [{"name": "prepare", "image": f"shop@{B}"}]
    pod["status"]["initContainerStatuses"] = [{"name": "prepare", "imageID": f"shop@{B}"}]
    assert compared(pod, template, {}).differs == (
        f"prepare runs {B}, released was {A}; its spec was changed on the way",
    )


def test_a_container_that_was_added_is_none_of_ours_and_one_that_is_missing_is() -> None:
    """A mesh's sidecar passes."""
    pod = a_pod()
    pod["spec"]["containers"].append({"name": "mesh", "image": "mesh:1"})
    assert compared(pod, as_rendered(), {}).differs == ()
    assert compared(pod, as_rendered(), {}).told == ("has mesh besides, which was added on the way",)
    assert compared({"spec": {"containers": []}}, as_rendered(), {}).differs == ("has no container web",)


def test_before_the_node_says_anything_the_spec_counts() -> None:
    """A pod that waits for its image has no imageID."""
    pod = a_pod(image=f"shop@{B}")
    pod["status"] = {}
    assert "is to run" in compared(pod, as_rendered(), {}).differs[0]
    right = a_pod()
    right["status"] = {}
    assert compared(right, as_rendered(), {}).differs == ()


def test_an_image_that_was_loaded_into_the_node_is_known_by_its_configuration() -> None:
    """Its digest is no manifest's: what the pod asks for counts, or the configuration itself where that is wanted."""
    pod = a_pod()
    pod["status"]["containerStatuses"][0]["imageID"] = B
    assert compared(pod, as_rendered(), {}).differs == ()
    tagged = a_pod(image="shop:v1")
    tagged["status"]["containerStatuses"][0]["imageID"] = B
    assert compared(tagged, as_rendered(image="shop:v1"), {"web": {B}}).differs == ()
    assert compared(tagged, as_rendered(image="shop:v1"), {"web": {A}}).differs != ()


@pytest.mark.parametrize(
    ("image", "differs"), [("postgres:15", False), ("mirror.example/postgres:15", False), ("postgres:16", True)]
)
def test_without_a_digest_the_reference_counts(image: str, differs: bool) -> None:
    """An image that we do not pin is what the manifest says, from whichever registry."""
    pod = a_pod(image=image)
    assert bool(compared(pod, as_rendered(image="postgres:15"), {}).differs) is differs


# --------------------------------------------------------------------------------------- variables, words, configuration

ENVIRONMENT = [
    pytest.param([("A", "1")], [("A", "1")], (), id="the same"),
    pytest.param([("A", "1")], [("A", "2")], ("web has A=2, rendered was A=1",), id="another value"),
    pytest.param([("A", "1")], [], ("web lacks A, which was rendered",), id="missing"),
    pytest.param([], [("SET_DEBUG", "1")], ("web has SET_DEBUG=1, which was not rendered",), id="left over"),
    pytest.param(
        [("DB_PASSWORD", "x9")],
        [("DB_PASSWORD", "y8")],
        ("web has DB_PASSWORD, rendered was DB_PASSWORD",),
        id="secret",
    ),
    pytest.param(
        [("DB", "a")],
        [("DB", "postgres://u:hunter22@db/shop")],
        ("web has DB, rendered was DB=a",),
        id="a password in an address",
    ),
    pytest.param([("A", "1"), ("A", "2")], [("A", "2")], (), id="the last one counts"),
    pytest.param([("A", "")], [("A", None)], (), id="nothing is nothing"),
]


def env(pairs: list[tuple[str, str | None]]) -> list[Object]:
    """Return variables as a manifest has them."""
    return [{"name": name, **({"value": value} if value is not None else {})} for name, value in pairs]


@pytest.mark.parametrize(("meant", "found", "differs"), ENVIRONMENT)
def test_variables_are_compared_and_no_secret_is_shown(meant: Any, found: Any, differs: tuple[str, ...]) -> None:
    """Each difference by name and value; where the name or the value is secret, by name alone."""
    assert compared(a_pod(env=env(found)), as_rendered(env=env(meant)), {}).differs == differs


def test_what_only_the_pod_has_was_added_on_the_way_and_passes() -> None:
    """A tracing agent's webhook adds variables; what the workload itself has besides was put there by somebody."""
    pod = a_pod(env=env([("DD_AGENT", "x"), ("SET_DEBUG", "1")]))
    template = as_rendered(env=env([("SET_DEBUG", "1")]))
    found = compared(pod, as_rendered(), {}, template)
    assert found.differs == ("web has SET_DEBUG=1, which was not rendered",)
    assert found.told == ("web has DD_AGENT=x, which was added on the way",)


def test_where_a_variable_is_from_is_compared_without_what_the_server_adds() -> None:
    """The API server fills in versions; another key or another Secret is a difference."""
    meant = [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    filled = [{"name": "POD", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}]
    assert compared(a_pod(env=filled), as_rendered(env=meant), {}).differs == ()
    other = [{"name": "POD", "valueFrom": {"secretKeyRef": {"name": "shop", "key": "k"}}}]
    assert compared(a_pod(env=other), as_rendered(env=meant), {}).differs == (
        "web has POD from secret shop k, rendered was POD from field metadata.name",
    )


def test_sources_of_variables_commands_and_volumes_are_compared() -> None:
    """A ConfigMap of before, another command, another Secret in a volume."""
    of = [{"configMapRef": {"name": "shop-2"}}]
    pod = a_pod(envFrom=[{"configMapRef": {"name": "shop-1"}}], command=["sleep"], args=["1"])
    pod["spec"]["volumes"] = [
        {"name": "v", "secret": {"secretName": "old"}},
        {"name": "kube-api-access", "projected": {}},
    ]
    template = as_rendered(envFrom=of, command=["serve"])
    template["spec"]["volumes"] = [{"name": "v", "secret": {"secretName": "new"}}]
    assert compared(pod, template, {}).differs == (
        "web has other command than rendered",
        "web has other args than rendered",
        "web takes its variables from configMap shop-1, rendered was configMap shop-2",
        "the volume v is of secret old, rendered was new",
    )


# ------------------------------------------------------------------------------------------------------- the webhooks


def test_a_webhook_is_named_where_it_selects_the_namespace() -> None:
    """As the captured one does; not for another namespace, nor for other objects, nor for pods that it leaves out."""
    found = taken("pinned")
    pod, hooks, namespace = found["pods"][0], found["hooks"], found["namespace"]
    assert webhooks_of_pods(hooks, namespace, pod) == (HOOK,)
    assert webhooks_of_pods(hooks, {"metadata": {"name": "other"}}, pod) == ()
    left_out = deepcopy(hooks)
    left_out[0]["webhooks"][0]["objectSelector"] = {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}
    assert webhooks_of_pods(left_out, namespace, pod) == ()
    services = deepcopy(hooks)
    services[0]["webhooks"][0]["rules"][0]["resources"] = ["services"]
    assert webhooks_of_pods(services, namespace, pod) == ()


@pytest.mark.parametrize(
    ("selector", "taken_"),
    [
        ({}, True),
        (None, True),
        ({"matchLabels": {"app": "shop"}}, True),
        ({"matchLabels": {"app": "shop", "tier": "web"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["shop", "x"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["shop"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "New"}]}, False),
    ],
)
def test_selectors_are_read_as_the_server_reads_them(selector: Object | None, taken_: bool) -> None:
    """All of what a selector asks for holds, or it does not select."""
    assert selects(selector, {"app": "shop"}) is taken_


def test_webhooks_that_we_may_not_read_are_told_as_that() -> None:
    """A right for the whole cluster is not needed to release: without it the sentence says so."""
    kubectl = Kubectl("here", "hk-image-rewritten")
    do = Replies({"mutatingwebhookconfigurations": ActionError("forbidden")})
    pod = taken("pinned")["pods"][0]
    assert mutating(do, kubectl, pod) is None
    found = compared(pod, rendered("pinned"), {"shop": {V2}}, webhooks=None)
    assert "we may not read which there are" in found.differs[0]
    hooks = json.dumps({"kind": "List", "items": taken("pinned")["hooks"]}).encode()
    named = Replies({"mutatingwebhookconfigurations": Output(0, hooks, b""), "get namespace": ActionError("forbidden")})
    assert mutating(named, kubectl, pod) == (HOOK,)
    assert all(action.reads for action in named.actions)
