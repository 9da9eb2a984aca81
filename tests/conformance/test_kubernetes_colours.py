"""Blue-green on Kubernetes, by two Deployments and one Service, is held to what every cutover must do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import yaml

from runwright.cutovers.blue_green import BlueGreen
from runwright.cutovers.canary import Canary
from runwright.platforms.kubernetes.slotted import Slotted
from runwright.platforms.shape import Going
from runwright.runbook.platforms.kubernetes import Exposed, KubernetesTarget
from runwright.testing.conformance import CutoverCase, CutoverConformance
from runwright.testing.conformance.router import asked
from runwright.testing.conformance.trial import FIRST, SECOND, Trial, changes, changes_nothing
from runwright.testing.direct import Direct
from runwright.versions import Artifact, Version
from tests.chaos.choice import SLOW
from tests.conformance import test_kubernetes as in_place
from tests.fixtures.kubernetes import Namespace
from tests.fixtures.kubernetes_shop import service, together

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]
COMMITS = tuple(in_place.COMMITS.values())


@dataclass(frozen=True)
class Place(in_place.Place):
    """A namespace of a test's own, in which a Service leads to one colour or the other."""

    def made(self, version: Version | None = None) -> Slotted:
        """Return the driver. version: what is released."""
        target = KubernetesTarget(
            platform="kubernetes",
            context=self.namespace.cluster.context,
            namespace=self.namespace.name,
            manifests={"files": ["k8s"]},
            strategy="blue_green",
            traffic={"shop": Exposed(service="shop")},
            ready_timeout=90.0,
        )
        tree, state = self.folder / "tree", self.folder / "state"
        kubectl = self.namespace.kubectl
        names = {"system": "shop", "environment": "test"}
        return Slotted(target, {"shop": "shop"}, tree, state, kubectl, version=version, **names)

    def cutover(self) -> BlueGreen:
        """Return it with the router that the platform has."""
        platform = self.made()
        return BlueGreen(platform, platform.own_router(None))

    def reached(self) -> str:
        """Return the commit of the version that answers behind the Service; "" if none does."""
        until = time.monotonic() + in_place.SETTLED_SECONDS
        while True:
            pods = self.pods()
            there = json.loads(self.namespace.run("get", "services,endpointslices", "-o", "json"))["items"]
            selector = next((o["spec"]["selector"] for o in there if o["kind"] == "Service"), None)
            mine = [p for p in pods if selector is not None and selector.items() <= p["metadata"]["labels"].items()]
            ready = {pod["status"].get("podIP") for pod in mine if in_place._ready(pod)}
            behind = {address for one in there for end in _ready_ends(one) for address in end["addresses"]}
            if ready == behind:  # who sends users to pods has seen all of them
                break
            assert time.monotonic() < until, f"the Service leads to {behind}, and these are ready: {ready}"
            time.sleep(0.1)
        found = {asked(f"http://{address}:8000") for address in behind}
        assert len(found) <= 1, found
        return found.pop() if found else ""


def _ready_ends(one: dict[str, Any]) -> list[dict[str, Any]]:
    return [end for end in one.get("endpoints") or () if end["conditions"].get("ready")]


@pytest.fixture
def versions(app_image: Callable[[str], str]) -> tuple[Version, Version]:
    """Two versions that answer with their commits."""
    images = {commit: app_image(commit) for commit in COMMITS}
    made = [
        Version("shop", "test", f"v{number}", commit, (Artifact("shop", image, image.partition("@")[2]),))
        for number, (commit, image) in enumerate(images.items(), 1)
    ]
    return made[0], made[1]


@pytest.fixture
def place(namespace: Namespace, tmp_path: Any) -> Place:
    """A namespace in which nothing runs, and manifests of one pod."""
    folder = tmp_path / "tree" / "k8s"
    folder.mkdir(parents=True)
    shop = in_place.deployment("shop", SET_LINGER="0", SET_PLAIN="1")
    shop["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 2
    (folder / "shop.yaml").write_text(yaml.safe_dump_all([shop, service(), scaler()]))
    return Place(namespace, tmp_path)


class TestColours(CutoverConformance):
    @pytest.fixture
    def case(self, place: Place, versions: tuple[Version, Version]) -> CutoverCase:
        """A namespace of its own, and two versions that differ in one file of their image."""
        return in_place.SettledCutover(place.cutover, versions, place.reached, outside=place.seen)

    @SLOW
    def test_the_first_release_is_served(self, case: CutoverCase) -> None:
        """Every other test begins so."""
        super().test_the_first_release_is_served(case)

    @SLOW
    def test_each_share_on_the_way_is_absolute_and_told_and_all_go_back_at_once(self, case: CutoverCase) -> None:
        """There is one share, which is all."""
        super().test_each_share_on_the_way_is_absolute_and_told_and_all_go_back_at_once(case)

    @SLOW
    def test_killed_at_every_change_it_comes_right_when_it_is_repeated(self, case: CutoverCase, trial: Trial) -> None:
        """Forwards and back."""
        super().test_killed_at_every_change_it_comes_right_when_it_is_repeated(case, trial)

    @SLOW
    def test_failed_at_every_change_it_comes_right_when_it_is_repeated(self, case: CutoverCase, trial: Trial) -> None:
        """Forwards and back."""
        super().test_failed_at_every_change_it_comes_right_when_it_is_repeated(case, trial)


@SLOW
def test_a_share_of_the_users_is_a_share_of_the_pods(place: Place, versions: tuple[Version, Version]) -> None:
    """Both colours are behind the Service then, the new one with as many pods as the share is worth; all go back at once."""

    def canary() -> Canary:
        platform = place.made()
        return Canary(platform, platform.own_router(None), (50,))

    case = in_place.SettledCutover(canary, versions, lambda: "", outside=place.seen)
    first = case.release(0, FIRST).served()
    second = case.release(1, SECOND, first.version, "next")
    second.stage(Direct())
    assert changes(partial(second.shift, share=50), "next")
    changes_nothing(partial(second.shift, share=50), case.look_at_all)
    assert canary().shares(Direct()) == {first.slot: 50, second.slot: 50}
    assert canary().served(Direct()) == first.slot
    service_now = place.namespace.get("service/shop")
    assert service_now["spec"]["selector"] == {"app": "shop"}
    second.back(Direct())
    assert canary().shares(Direct()) == {first.slot: 100}
    assert place.reached() == COMMITS[0]


def test_what_serves_under_its_own_name_is_moved_into_a_colour_first(
    place: Place, versions: tuple[Version, Version], app_image: Callable[[str], str]
) -> None:
    """Somebody applied it by hand. Users stay with that version until all of them are moved, and come back to it; nothing of it is
    left under its own name, and its autoscaler follows them."""
    here = place.namespace
    here.run(
        "apply",
        "-f",
        "-",
        stdin=json.dumps(together(in_place.deployment(app_image(COMMITS[0]), SET_PLAIN="1"), service(), scaler())),
    )
    here.run("rollout", "status", "deployment/shop", "--timeout=90s")
    second = place.made().prepare(Direct(), versions[1], "prepare")
    previous = place.made(second).adopt(Direct(), "adopt")
    assert previous is not None
    slot, going = place.cutover().candidate(Direct(), ""), Going(SECOND, Direct(), previous)
    assert slot == "green"
    place.cutover().stage(Direct(), second, slot, going, "deploy")
    assert place.reached() == COMMITS[0]
    assert here.run("get", "deployments", "-o", "name").split() == [
        "deployment.apps/shop-blue",
        "deployment.apps/shop-green",
    ]
    assert here.get("hpa/shop")["spec"]["scaleTargetRef"]["name"] == "shop-blue"
    place.cutover().shift(Direct(), second, slot, going, "deploy")
    assert place.reached() == COMMITS[1]
    assert here.get("hpa/shop")["spec"]["scaleTargetRef"]["name"] == "shop-green"
    home = place.cutover().home(Direct(), previous, slot)
    place.cutover().at_once(Direct(), previous, home, "back")
    assert (home, place.reached()) == ("blue", COMMITS[0])


def scaler() -> dict[str, Any]:
    """Return an autoscaler that changes nothing here."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
    spec = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 2}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "shop"},
        "spec": spec,
    }
