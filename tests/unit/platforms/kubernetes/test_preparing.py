"""A version put in place: whose the objects are that it would change, and what the cluster would refuse of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import Command, Output, Wait, WriteFile
from runwright.errors import RefusedError
from runwright.platforms.kubernetes import preparing
from runwright.platforms.kubernetes.driver import Kubernetes
from runwright.platforms.kubernetes.kubectl import Kubectl
from runwright.platforms.kubernetes.manifests import composed
from runwright.testing.replies import Replies
from runwright.versions import Artifact, Version
from tests.unit.platforms.kubernetes.objects import DIGEST, REFERENCE, configuration, container, target, workload

MARKS = {"runwright.dev/system": "shop", "runwright.dev/environment": "dev"}
VERSION = Version("shop", "dev", "v1", "1" * 40, (Artifact("shop", REFERENCE, DIGEST),))
NO_DRY_RUN = 'Error from server (BadRequest): admission webhook "w.example.com" does not support dry run'
NO_PODS = 'Error from server (Forbidden): pods is forbidden: User "x" cannot create resource "pods" in API group ""'
NO_DEPLOYMENTS = 'Error from server (Forbidden): deployments.apps is forbidden: User "x" cannot create resource "deployments" in API group "apps"'
IMMUTABLE = 'The Deployment "shop" is invalid: spec.selector: Invalid value: field is immutable'


def site(tmp_path: Path) -> preparing.Site:
    return preparing.Site(
        target(), {"shop": "shop"}, tmp_path / "tree", tmp_path, Kubectl("here", "shop"), "shop", "dev"
    )


def listed(*objects: dict[str, Any]) -> Output:
    return Output(0, json.dumps({"kind": "List", "apiVersion": "v1", "items": list(objects)}).encode(), b"")


def cluster(
    *there: dict[str, Any], manifests: str = "", pods: str = "", uid: str = "uid-1", made: dict[str, Any] | None = None
) -> Replies:
    """Return a cluster that has ``there``, and that refuses the manifests, or their pods, in these words. made: the pod that it would
    make, whatever it was asked for."""
    pod = json.dumps(made).encode() if made is not None else b""
    return Replies(
        {
            "ask which cluster": Output(0, uid.encode(), b""),
            "render k8s": listed(workload(), configuration("settings", A="1")),
            "whose it is": listed(*there),
            "who scales": Output(0, b"", b""),
            "try the manifests": Output(1 if manifests else 0, b"", manifests.encode()),
            "try a pod": Output(1 if pods else 0, pod, pods.encode()),
            "which webhooks change pods": Output(0, b"", b""),
            "look at the namespace": Output(0, b"", b""),
        },
        lenient=True,
    )


def prepare(do: Replies, tmp_path: Path) -> Version:
    return preparing.put_in_place(do, site(tmp_path), VERSION, "stage", None)


def labelled(labels: dict[str, str]) -> dict[str, Any]:
    one = workload()
    return {**one, "metadata": {**one["metadata"], "namespace": "shop", "labels": labels}}


@pytest.mark.parametrize("labels", [{}, MARKS, {"app": "shop"}])
def test_what_is_ours_or_nobody_s_is_released(labels: dict[str, str], tmp_path: Path) -> None:
    assert prepare(cluster(labelled(labels)), tmp_path).extra["cluster"] == "uid-1"


@pytest.mark.parametrize(
    "other, whose",
    [
        ({"runwright.dev/environment": "production"}, "shop/production"),
        ({"runwright.dev/system": "billing"}, "billing/dev"),
    ],
)
def test_an_object_of_another_environment_is_not_overwritten(other: dict[str, str], whose: str, tmp_path: Path) -> None:
    """Given a context or a namespace that leads to another one's, nothing is tried there: no conflict would tell of it."""
    do = cluster(labelled({**MARKS, **other}))
    with pytest.raises(RefusedError, match=f"Deployment/shop in the namespace shop is of {whose}"):
        prepare(do, tmp_path)
    assert not any("try" in action.says for action in do.actions)


@pytest.mark.parametrize(
    "manifests, pods, refused",
    [
        (NO_DRY_RUN, "", ""),
        (f"Warning: deprecated\n{NO_DRY_RUN}", NO_PODS, ""),
        (f"{NO_DRY_RUN}\n{IMMUTABLE}", "", "field is immutable"),
        (NO_DEPLOYMENTS, "", "deployments"),
    ],
)
def test_what_cannot_be_tried_hides_nothing_that_would_be_refused(
    manifests: str, pods: str, refused: str, tmp_path: Path
) -> None:
    """Given many objects, one that a webhook keeps from being tried says nothing of the others."""
    do = cluster(manifests=manifests, pods=pods)
    if not refused:
        prepare(do, tmp_path)
        return
    with pytest.raises(RefusedError, match=refused):
        prepare(do, tmp_path)


def driver(tmp_path: Path, version: Version) -> Kubernetes:
    tree, kubectl = tmp_path / "tree", Kubectl("here", "shop")
    return Kubernetes(
        target(), {"shop": "shop"}, tree, tmp_path, kubectl, system="shop", environment="dev", version=version
    )


@pytest.mark.parametrize("what", ["start", "take back", "stop"])
def test_nothing_is_changed_in_another_cluster_than_it_was_prepared_for(what: str, tmp_path: Path) -> None:
    """Given a context that leads elsewhere by now, in mid-release or days after it, nobody's workloads are touched there."""
    version = prepare(cluster(), tmp_path)
    do = cluster(uid="uid-2")
    with pytest.raises(RefusedError, match=r"leads to the cluster uid-2, and v1 .* went to uid-1"):
        if what == "stop":
            driver(tmp_path, version).stop(do, "", "drain")
        else:
            driver(tmp_path, version).start(do, version, "", "up", "r1", keep=what == "take back")
    assert not do.changes


def test_what_runs_is_stopped_although_its_files_are_gone(tmp_path: Path) -> None:
    version = prepare(cluster(), tmp_path)
    one = labelled(MARKS)
    do = Replies(
        {
            "ask which cluster": Output(0, b"uid-1", b""),
            "what runs": listed({**one, "spec": {**one["spec"], "replicas": 2}}),
        },
        lenient=True,
    )
    driver(tmp_path, version).stop(do, "", "drain")
    assert do.keys == ["drain/stop/shop"]


def test_a_cron_job_that_is_suspended_in_the_manifests_is_not_expected_to_run(tmp_path: Path) -> None:
    """It is nothing that is missing."""
    suspended = workload(kind="CronJob")
    suspended["spec"]["suspend"] = True
    do = cluster()
    do._table["render k8s"] = listed(suspended)
    assert driver(tmp_path, prepare(do, tmp_path)).expected(prepare(do, tmp_path)) == {}


def live(one: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**one, "metadata": {**one["metadata"], "namespace": "shop", "labels": MARKS}, **more}


def test_what_cannot_go_back_is_left_as_it_is_on_the_way_back(tmp_path: Path) -> None:
    """Given a claim that the failed version enlarged, and configuration that it made immutable: users wait for the old pods."""
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": {}}
    settings, other = configuration("settings", A="1"), configuration("other", A="1")
    rendered = listed(workload(), claim, settings, other)
    with_claim = cluster(live(claim), live(settings), live(other))
    with_claim._table["render k8s"] = rendered
    version = prepare(with_claim, tmp_path)
    Path(version.extra["folder"]).mkdir(parents=True)
    made = next(a for a in with_claim.actions if getattr(a, "path", Path()).name == preparing.COMPOSED)
    (Path(version.extra["folder"]) / preparing.COMPOSED).write_bytes(made.content)

    def applied(*, keep: bool) -> set[str]:
        """Return what is applied besides the workloads, by the files that are written."""
        files: dict[Path, bytes] = {}

        def do(action: Any) -> Any:
            if isinstance(action, WriteFile):
                files[action.path] = action.content
                action.path.parent.mkdir(parents=True, exist_ok=True)
                action.path.write_bytes(action.content)
            elif isinstance(action, Wait):
                return None if action.assume is None else action.assume
            elif isinstance(action, Command) and action.key and action.key.endswith("apply/base"):
                seen.update(o["metadata"]["name"] for o in json.loads(files[Path(action.argv[-1])])["items"])
            return with_claim(action)

        seen: set[str] = set()
        with_claim._table["whose it is"] = listed(live(claim), live(settings, immutable=True), live(other))
        driver(tmp_path, version).start(do, version, "", "back" if keep else "up", "r2" if keep else "r1", keep=keep)
        return seen

    assert applied(keep=False) == {"data", "settings", "other"}
    assert applied(keep=True) == {"other"}


def test_what_is_taken_over_hides_no_conflict_of_another_object(tmp_path: Path) -> None:
    """Given one object that kubectl applied before, and another that a controller has changed, the second is told before anything
    is written."""
    by_kubectl = [
        {
            "manager": "kubectl-client-side-apply",
            "operation": "Update",
            "apiVersion": "apps/v1",
            "fieldsV1": {"f:spec": {"f:template": {}}},
        }
    ]
    taken = live(workload())
    taken["metadata"]["managedFields"] = by_kubectl
    do = cluster(taken, live(configuration("settings", A="2")))
    prepare(do, tmp_path)
    tried = [a.argv for a in do.actions if isinstance(a, Command) and "apply" in a.argv]
    forced = {argv[argv.index("-f") + 1]: "--force-conflicts" in argv for argv in tried}
    written = {str(a.path): json.loads(a.content).get("items") for a in do.actions if isinstance(a, WriteFile)}
    assert {one["kind"]: how for path, how in forced.items() for one in written[path]} == {
        "Deployment": True,
        "ConfigMap": False,
    }


@pytest.mark.parametrize(
    "maker",
    [
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": {"name": "x"},
            "spec": {"target": {"name": "keys"}},
        },
        {"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "metadata": {"name": "keys"}, "spec": {}},
        {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "metadata": {"name": "x"},
            "spec": {"secretName": "keys"},
        },
    ],
    ids=lambda one: one["kind"],
)
def test_a_secret_that_an_operator_makes_of_the_manifests_is_not_missing(maker: dict[str, Any], tmp_path: Path) -> None:
    """Nothing is asked of it: whether it comes in time the pods tell. Without the maker it is missing."""
    pods = workload(container(envFrom=[{"secretRef": {"name": "keys"}}]))
    given = composed([pods, maker], target(), {"shop": "shop"}, {"shop": REFERENCE}, {})
    do = Replies({" get ": listed()})
    preparing.require_configuration(do, site(tmp_path), given)
    assert do.actions == []
    alone = composed([pods], target(), {"shop": "shop"}, {"shop": REFERENCE}, {})
    with pytest.raises(RefusedError, match="there is no Secret/keys"):
        preparing.require_configuration(do, site(tmp_path), alone)


@pytest.mark.parametrize(
    "changed, told",
    [
        ({"env": [{"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::1:role/shop"}]}, ""),
        ({"image": f"localhost:5000/shop@sha256:{'b' * 64}"}, "shop is to run"),
        ({"command": ["sleep", "1"]}, "shop has other command than rendered"),
    ],
    ids=["a variable that a cloud's webhook adds", "another image", "another command"],
)
def test_a_webhook_that_only_adds_to_pods_keeps_no_release_from_happening(
    changed: dict[str, Any], told: str, tmp_path: Path
) -> None:
    """The dry run of a pod gives the pod as the cluster would make it."""
    made = {
        "kind": "Pod",
        "metadata": {},
        "spec": {"containers": [{**container(image=REFERENCE), **changed}, container("mesh", "m:1")]},
    }
    do = cluster(made=made)
    if not told:
        assert prepare(do, tmp_path).extra["workloads"] == {"shop": "Deployment"}
        return
    with pytest.raises(RefusedError, match=told):
        prepare(do, tmp_path)
