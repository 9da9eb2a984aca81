"""Rollouts on a real cluster: how far they are, why they do not go on, what runs in the end, and what there is to see of a failure."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runwright.errors import VerificationError
from runwright.platforms.kubernetes.compared import compared, mutating
from runwright.platforms.kubernetes.driver import Kubernetes
from runwright.platforms.kubernetes.evidence import evidence
from runwright.platforms.kubernetes.kubectl import Kubectl
from runwright.platforms.kubernetes.pods import facts
from runwright.platforms.kubernetes.rollout import Progress
from runwright.platforms.kubernetes.troubles import Reason
from runwright.platforms.kubernetes.usage import API, of_nodes, served, usage
from runwright.platforms.kubernetes.watched import looked, rolled, watched
from runwright.runbook.platforms.kubernetes import KubernetesTarget
from runwright.testing.direct import Direct
from tests.fixtures.kubernetes import Namespace
from tests.fixtures.kubernetes_shop import deployment, together

pytestmark = pytest.mark.kubernetes
Object = dict[str, Any]
SHOP = "Deployment/shop"
WAIT_SECONDS = 90.0


def apply(namespace: Namespace, *objects: Object) -> None:
    namespace.run("apply", "-f", "-", stdin=json.dumps(together(*objects)))


def until(namespace: Namespace, what: Callable[[Progress], bool]) -> Progress:
    """Look until it is so, and return that look."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        found = watched(Direct(), namespace.kubectl, [SHOP], datetime.now(UTC))[SHOP]
        if what(found):
            return found
        assert time.monotonic() < end, found
        time.sleep(0.3)


def test_a_rollout_goes_on_and_its_pods_run_what_was_rendered(
    namespace: Namespace, app_image: Callable[[str], str]
) -> None:
    """Given a version by its digest, it is done when its pods are ready; a second one that cannot be pulled is told at once, while the
    first serves on; a variable that somebody set by hand is a difference."""
    wanted = deployment(app_image("v1"), SET_COLOUR="blue")
    apply(namespace, wanted)
    done = until(namespace, lambda found: found.done)
    assert done.says == "Deployment/shop: 1 of 1 ready in the new version."
    namespace.run("set", "env", "deployment/shop", "SET_DEBUG=1")
    until(namespace, lambda found: found.done)
    look = looked(Direct(), namespace.kubectl, [SHOP])
    (pod,) = [pod for pod in look.of("Pod") if not pod["metadata"].get("deletionTimestamp")]
    (workload,) = look.of("Deployment")
    template = wanted["spec"]["template"]
    found = compared(pod, template, {}, workload["spec"]["template"])
    assert found.differs == ("shop has SET_DEBUG=1, which was not rendered",) and not found.told
    (fact,) = facts([pod], look.of("ReplicaSet"))
    assert (fact.workload, fact.ready) == (SHOP, True)
    assert (
        fact.containers[0].image.digest
        == wanted["spec"]["template"]["spec"]["containers"][0]["image"].partition("@")[2]
    )

    apply(namespace, deployment("localhost:5000/runwright-tests@sha256:" + "0" * 64))
    stalled = until(namespace, lambda found: bool(found.stalled))
    assert stalled.reason is Reason.IMAGE and "not found" in stalled.stalled
    assert namespace.run("get", "deployment/shop", "-o", "jsonpath={.status.readyReplicas}") == "1"


def test_a_stateful_set_goes_on_when_its_broken_pod_is_deleted(
    namespace: Namespace, app_image: Callable[[str], str]
) -> None:
    """Its controller waits for ever for a broken pod, also once a version is applied again that is well."""
    well = deployment(app_image("v1"))
    well |= {"kind": "StatefulSet", "spec": {**well["spec"], "serviceName": "shop"}}
    del well["spec"]["strategy"]
    bad = copy.deepcopy(well)
    bad["spec"]["template"]["spec"]["containers"][0]["image"] = "localhost:5000/runwright-tests@sha256:" + "0" * 64
    do = Direct()
    apply(namespace, well)
    rolled(do, namespace.kubectl, well, WAIT_SECONDS, "start/unblock")
    apply(namespace, bad)
    with pytest.raises(VerificationError, match="not found"):
        rolled(do, namespace.kubectl, bad, WAIT_SECONDS, "start/unblock")
    assert not do.keys
    apply(namespace, well)
    rolled(do, namespace.kubectl, well, WAIT_SECONDS, "back/unblock")
    assert do.keys == ["back/unblock/shop-0"]
    assert namespace.run("get", "pod/shop-0", "-o", "jsonpath={.spec.containers[0].image}") == app_image("v1")


@pytest.fixture
def webhook_away(namespace: Namespace) -> Iterator[str]:
    """A webhook for the pods of this namespace whose server is gone."""
    name = "approved-images.example.com"
    made = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": namespace.name},
        "webhooks": [
            {
                "name": name,
                "clientConfig": {"url": "https://127.0.0.1:9/"},
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace.name}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "failurePolicy": "Fail",
            }
        ],
    }
    namespace.cluster.run("create", "-f", "-", stdin=json.dumps(made))
    try:
        yield name
    finally:
        namespace.cluster.run("delete", "mutatingwebhookconfiguration", namespace.name)


def test_a_webhook_that_does_not_answer_is_named_within_seconds(namespace: Namespace, webhook_away: str) -> None:
    """It is told at once, and in vain a little later: nobody can make pods here. Once it is gone, the same rollout goes on."""
    time.sleep(1)  # the API server learns of a webhook with a delay
    apply(namespace, deployment("localhost:5000/none:v1"))
    begun = time.monotonic()
    told = until(namespace, lambda found: found.reason is Reason.WEBHOOK_AWAY)
    assert webhook_away in told.says and not told.stalled
    stalled = until(namespace, lambda found: bool(found.stalled))
    assert webhook_away in stalled.stalled and "nobody can make pods here" in stalled.stalled
    assert time.monotonic() - begun < WAIT_SECONDS / 2
    assert mutating(Direct(), namespace.kubectl, {"metadata": {"labels": {"app": "shop"}}}) == (webhook_away,)


def test_a_version_that_crashes_is_shown_with_its_last_log_by_whoever_may_see_little(
    namespace: Namespace, app_image: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The reason, the event and the log's own words; with a right less, a line says what was not seen."""
    apply(namespace, deployment(app_image("v1"), SET_BROKEN="1"))
    stalled = until(namespace, lambda found: bool(found.stalled))
    assert stalled.reason is Reason.CRASH and "exit code 1" in stalled.stalled and "--previous" in stalled.next
    found = evidence(Direct(), namespace.kubectl, [SHOP], datetime.now(UTC))
    assert any("SET_BROKEN is set: it cannot start" in line for one in found.logs for line in one.lines)
    assert any(event.reason == "BackOff" and event.warning for event in found.events)
    assert all(node.well for node in found.nodes) and found.nodes

    printed = _platform(namespace).printed(Direct(), "r1")
    assert "SET_BROKEN is set: it cannot start" in printed and "container shop: ended with exit code 1" in printed

    namespace.run("create", "serviceaccount", "little")
    namespace.run("create", "role", "little", "--verb=get,list", "--resource=pods,deployments.apps,replicasets.apps")
    namespace.run("create", "rolebinding", "little", "--role=little", f"--serviceaccount={namespace.name}:little")
    little = _as(namespace, "little", tmp_path_factory)
    seen = evidence(Direct(), little, [SHOP], datetime.now(UTC))
    assert seen.pods and not seen.events and not seen.logs
    for what in ("events is forbidden", "nodes is forbidden", "pods/log"):
        assert any(what in line for line in seen.unseen), seen.unseen
    again = watched(Direct(), little, [SHOP], datetime.now(UTC))[SHOP]
    assert again.reason is Reason.CRASH, "without events the pods themselves tell"


def _platform(namespace: Namespace) -> Kubernetes:
    """Return the driver of an application whose only workload is ``shop``."""
    fields = {"context": namespace.cluster.context, "namespace": namespace.name, "manifests": {"files": ["k8s"]}}
    target = KubernetesTarget.model_validate({"platform": "kubernetes", **fields})
    nowhere = Path("/nonexistent")
    return Kubernetes(
        target, {"shop": "shop"}, nowhere, nowhere, namespace.kubectl, system="shop", environment="production"
    )


def _as(namespace: Namespace, account: str, folders: pytest.TempPathFactory) -> Kubectl:
    """Return the cluster as a service account reaches it."""
    token = namespace.run("create", "token", account).strip()
    view = json.loads(namespace.cluster.run("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
    context = namespace.cluster.context
    view["users"] = [{"name": account, "user": {"token": token}}]
    view["contexts"] = [
        {"name": context, "context": {"cluster": view["clusters"][0]["name"], "user": account}},
    ]
    file = folders.mktemp("kubeconfig") / "config"
    file.write_text(json.dumps(view))
    return Kubectl(context, namespace.name, namespace.cluster.program, str(file))


def test_what_nodes_and_pods_use_is_known_where_somebody_measures(namespace: Namespace) -> None:
    """A node is measured always, a pod that is gone never; without a metrics API nobody can tell, and that is no error."""
    do, there = Direct(), API in served(Direct(), namespace.kubectl)
    found = of_nodes(do, namespace.kubectl)
    names = json.loads(namespace.cluster.run("get", "nodes", "-o", "json"))["items"]
    assert (found is not None) is there
    if found is not None:
        assert set(found) <= {node["metadata"]["name"] for node in names}
        assert all(one.cores > 0 and one.memory_bytes > 2**20 for one in found.values()) and found
    assert usage(do, namespace.kubectl, ["gone"]) == ({} if there else None)
