"""The driver and what others have set, on a real cluster: told before, taken over or kept, and what vanished is gone at the end."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runwright.platforms.kubernetes.driver import Kubernetes
from runwright.runbook.platforms.kubernetes import KubernetesTarget
from runwright.testing.direct import Direct
from runwright.versions import Artifact, Version
from tests.fixtures.kubernetes import Namespace
from tests.fixtures.kubernetes_shop import deployment, service

pytestmark = [pytest.mark.kubernetes, pytest.mark.docker]
Object = dict[str, Any]


@dataclass
class Releases:
    """One release after the other in a namespace, each from a tree of its own; no ledger is between them but ``versions``."""

    place: Namespace
    folder: Path
    image: Callable[[str], str]
    versions: list[Version] = field(default_factory=list)
    number: int = 0

    def driver(self, tree: Path, service: str, before: Version | None, version: Version | None = None) -> Kubernetes:
        target = KubernetesTarget.model_validate(
            {
                "platform": "kubernetes",
                "context": self.place.cluster.context,
                "namespace": self.place.name,
                "manifests": {"files": ["k8s"]},
                "ready_timeout": "90s",
            }
        )
        state, kubectl = self.folder / "state", self.place.kubectl
        return Kubernetes(target, {service: "shop"}, tree, state, kubectl, system="shop", environment="test", before=before, version=version)  # fmt: skip

    def prepared(self, ref: str, *objects: Object, service: str = "shop") -> tuple[Kubernetes, Version]:
        """Return the driver and the version of ``objects``, prepared; nothing is changed by that."""
        self.number += 1
        tree = self.folder / str(self.number) / "tree"
        (tree / "k8s").mkdir(parents=True)
        for i, one in enumerate(objects):
            (tree / "k8s" / f"{i}.json").write_text(json.dumps(one))
        reference = self.image(ref)
        artifact = Artifact("shop", reference, reference.partition("@")[2])
        commit = hashlib.sha1(f"{self.number}".encode(), usedforsecurity=False).hexdigest()
        driver = self.driver(tree, service, self.versions[-1] if self.versions else None)
        version = Version("shop", "test", ref, commit, (artifact,))
        return driver, driver.prepare(Direct(), version, "prepare")

    def release(self, ref: str, *objects: Object, service: str = "shop") -> tuple[str, ...]:
        """Release, and return what the plan told of others."""
        driver, version = self.prepared(ref, *objects, service=service)
        told = driver.beside(Direct(), version).says
        driver.start(Direct(), version, "", "deploy", f"r{self.number}")
        self.versions.append(version)
        return told

    def back(self, service: str = "shop") -> None:
        """Take back the last version to the one before."""
        before, failed = self.versions[-2:]
        self.number += 1
        driver = self.driver(self.folder, service, before, failed)
        driver.start(Direct(), before, "", "rollback", f"r{self.number}", keep=True)
        self.versions.append(before)

    def live(self, name: str = "shop") -> Object:
        found: Object = self.place.get(f"deployment/{name}")["spec"]
        return found


@pytest.fixture
def releases(namespace: Namespace, tmp_path: Path, app_image: Callable[[str], str]) -> Releases:
    return Releases(namespace, tmp_path, app_image)


def by_kubectl(place: Namespace, *objects: Object) -> None:
    for one in objects:
        place.run("apply", "-f", "-", stdin=json.dumps(one))


def names(place: Namespace) -> set[str]:
    found = place.run("get", "deployments", "-o", "name").split()
    return {one.removeprefix("deployment.apps/") for one in found}


def has(told: Sequence[str], text: str) -> bool:
    return any(text in says for says in told)


def test_the_first_release_over_kubectl_and_by_hand(releases: Releases) -> None:
    """What the version no longer sets is not in its pods, and what somebody set by hand was told by name and manager.

    The way back sets all of it again: it is what ran.
    """
    place, v1 = releases.place, deployment(releases.image("v1"), SET_PAYMENTS="off", SET_COLOUR="blue")
    by_kubectl(place, v1, service())
    place.run("set", "env", "deployment/shop", "SET_DEBUG=1")
    place.run("rollout", "status", "deployment/shop", "--timeout=90s")
    v2 = deployment(releases.image("v2"), SET_COLOUR="blue")
    driver, version = releases.prepared("v2", v2, service())
    (told,) = driver.by_hand(Direct(), version)
    assert told.startswith("Deployment/shop: env SET_DEBUG=1 of container shop was set by kubectl-set at 2")
    adopted = releases.driver(releases.folder, "shop", None, version).adopt(Direct(), "adopt")
    assert adopted is not None
    releases.versions.append(adopted)
    told_by_plan = releases.release("v2", v2, service())
    assert has(told_by_plan, "applied by kubectl-client-side-apply: taken over once")
    answer = place.asked("v2")
    assert (answer["version"], answer["settings"]) == ("v2", {"SET_COLOUR": "blue"})
    releases.back()
    answer = place.asked("v1")
    assert answer["settings"] == {"SET_PAYMENTS": "off", "SET_COLOUR": "blue", "SET_DEBUG": "1"}


def test_replicas_by_hand_outlive_releases_until_the_manifests_say_another_number(releases: Releases) -> None:
    """The second release is tried by the cluster as well, and no conflict stops it."""
    place, shop = releases.place, deployment(releases.image("v1"), replicas=1)
    releases.release("v1", shop, service())
    place.run("scale", "deployment/shop", "--replicas=2")
    told = releases.release("v2", shop, service())
    assert has(told, "Deployment/shop keeps its 2 replicas set by kubectl; the manifests say 1 as before")
    assert releases.live()["replicas"] == 2
    more = copy.deepcopy(shop)
    more["spec"]["replicas"] = 3
    told = releases.release("v1", more, service())
    assert has(told, "Deployment/shop gets the 3 replicas that the manifests say now, before 1")
    assert releases.live()["replicas"] == 3


def test_a_renamed_deployment_goes_when_the_new_one_is_ready_and_comes_back(releases: Releases) -> None:
    """And a guest with the same labels is told and is not touched."""
    place = releases.place
    releases.release("v1", deployment(releases.image("v1")), service())
    guest = deployment(releases.image("v1"), name="guest")
    place.run("create", "-f", "-", stdin=json.dumps(guest))
    told = releases.release("v2", deployment(releases.image("v2"), name="shop-web"), service(), service="shop-web")
    assert has(told, "Deployment/shop is no longer in the manifests: it is taken away when the new version is ready")
    assert has(told, "Service/shop selects the pods of Deployment/guest (1 pod) too")
    place.run("wait", "deployment/shop", "--for=delete", "--timeout=30s")
    assert names(place) == {"guest", "shop-web"}
    releases.back(service="shop-web")
    place.run("wait", "deployment/shop-web", "--for=delete", "--timeout=30s")
    assert names(place) == {"guest", "shop"}
    releases.release("v2", deployment(releases.image("v2"), name="shop-web"), service(), service="shop-web")
    place.run("wait", "deployment/shop", "--for=delete", "--timeout=30s")
    assert names(place) == {"guest", "shop-web"}


def test_the_way_back_keeps_the_replicas_that_somebody_chose_meanwhile(releases: Releases) -> None:
    """Who scaled up under load does not lose the pods because a version is taken back."""
    place, image = releases.place, releases.image
    releases.release("v1", deployment(image("v1"), SET_COLOUR="blue"), service())
    releases.release("v2", deployment(image("v2")), service())
    place.run("scale", "deployment/shop", "--replicas=2")
    releases.back()
    answer = place.asked("v1")
    assert (answer["version"], answer["settings"]) == ("v1", {"SET_COLOUR": "blue"})
    assert releases.live()["replicas"] == 2
