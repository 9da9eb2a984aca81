"""What runs, whoever applied it, taken as a version: the objects as they are, images by the digest that the pods run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import Command, Output, WriteFile
from runwright.errors import ActionError, RefusedError
from runwright.platforms.kubernetes.adopt import UNREAD, adopt
from runwright.platforms.kubernetes.kubectl import Kubectl
from runwright.platforms.kubernetes.preparing import Site
from runwright.versions import Version
from tests.unit.platforms.kubernetes.objects import DIGEST, configuration, container, target, workload


class Cluster:
    """A ``do`` that answers reads from objects, refuses to read Secrets, and keeps what is written."""

    def __init__(self, *objects: dict[str, Any], forbidden: tuple[str, ...] = ()) -> None:
        self.objects, self.forbidden = objects, forbidden
        self.written: dict[str, Any] = {}

    def __call__(self, action: Any) -> Any:
        if isinstance(action, WriteFile):
            self.written[action.path.name] = json.loads(action.content)
            return None
        assert isinstance(action, Command)
        if "kube-system" in action.argv:
            return action.parse(Output(0, b"uid-1", b""))
        names = [word for word in action.argv if "/" in word]
        if any(name.startswith(self.forbidden) for name in names if self.forbidden):
            raise ActionError("Error from server (Forbidden): secrets is forbidden")
        found = [o for o in self.objects if any(name.endswith(f"/{o['metadata']['name']}") for name in names)]
        return action.parse(Output(0, json.dumps({"kind": "List", "items": found}).encode(), b""))


def running(name: str, digest: str = DIGEST) -> list[dict[str, Any]]:
    """Return a ReplicaSet of the Deployment `shop`, and a pod of it that runs ``digest``."""
    owner = {"kind": "Deployment", "name": "shop", "uid": "d", "controller": True}
    made = {
        **workload(kind="ReplicaSet"),
        "metadata": {"name": f"shop-{name}", "uid": name, "ownerReferences": [owner]},
    }
    status = {"name": "shop", "imageID": f"localhost:5000/shop@{digest}"}
    pod = {
        "kind": "Pod",
        "metadata": {
            "name": f"shop-{name}-1",
            "ownerReferences": [{"kind": "ReplicaSet", "name": f"shop-{name}", "uid": name, "controller": True}],
        },
        "spec": {"containers": [container()]},
        "status": {"phase": "Running", "containerStatuses": [status]},
    }
    return [made, pod]


def live(**more: Any) -> dict[str, Any]:
    """Return the Deployment as the cluster has it."""
    found = workload(
        container(envFrom=[{"secretRef": {"name": "keys"}}, {"configMapRef": {"name": "settings"}}]), **more
    )
    found["metadata"] |= {
        "uid": "d",
        "resourceVersion": "7",
        "managedFields": [],
        "annotations": {"deployment.kubernetes.io/revision": "3"},
    }
    found["spec"]["paused"] = True
    return {**found, "status": {"replicas": 1}}


def site(tmp_path: Path) -> Site:
    return Site(
        target(), {"shop": "shop"}, tmp_path / "tree", tmp_path / "state", Kubectl("here", "shop"), "shop", "dev"
    )


def test_what_runs_is_kept_by_digest_without_what_the_cluster_gives(tmp_path: Path) -> None:
    do = Cluster(configuration("settings", a="1"), configuration("keys", "Secret", k="x"))
    found = adopt(do, site(tmp_path), [live(), *running("a")], None, "adopt")
    assert found is not None and found.adopted
    assert (found.artifacts[0].reference, found.artifacts[0].identity) == (f"localhost:5000/shop@{DIGEST}", DIGEST)
    (kept,) = [o for name, listed in do.written.items() if "shop" in name for o in listed["items"]]
    assert set(kept["metadata"]) == {"name"} and "status" not in kept and "paused" not in kept["spec"]
    assert sorted(o[2] for o in found.extra["objects"]) == ["keys", "settings", "shop"] and found.extra[UNREAD] == []


def test_what_may_not_be_read_is_noted_so_that_no_way_back_takes_it_away(tmp_path: Path) -> None:
    do = Cluster(configuration("settings", a="1"), forbidden=("secret",))
    new = Version("shop", "dev", "v2", "c", extra={"objects": [["v1", "Secret", "others"], ["v1", "Service", "shop"]]})
    found = adopt(do, site(tmp_path), [live(), *running("a")], new, "adopt")
    assert found is not None
    assert sorted(found.extra[UNREAD]) == ["secret/keys", "secret/others"]
    assert sorted(o[2] for o in found.extra["objects"]) == ["settings", "shop"]


def test_two_versions_at_once_are_none_that_could_be_gone_back_to(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="run two images in shop"):
        adopt(Cluster(), site(tmp_path), [live(), *running("a"), *running("b", "sha256:" + "b" * 64)], None, "adopt")


def test_where_no_pod_runs_there_is_nothing_to_adopt(tmp_path: Path) -> None:
    assert adopt(Cluster(), site(tmp_path), [live()], None, "adopt") is None


def test_the_component_s_container_is_known_also_where_a_sidecar_comes_first(tmp_path: Path) -> None:
    """Its digest is the version's, and no sidecar's."""
    found = live()
    found["spec"]["template"]["spec"]["containers"].insert(0, container("mesh", "envoy:1"))
    made, pod = running("a")
    pod["spec"]["containers"].insert(0, container("mesh", "envoy:1"))
    pod["status"]["containerStatuses"].insert(0, {"name": "mesh", "imageID": f"docker.io/envoy@sha256:{'e' * 64}"})
    version = adopt(Cluster(), site(tmp_path), [found, made, pod], None, "adopt")
    assert version is not None and version.extra["main"] == {"shop": "shop"}
    assert version.artifacts[0].identity == DIGEST
