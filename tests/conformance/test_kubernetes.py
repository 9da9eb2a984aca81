"""The Kubernetes platform is held to what every platform must do, and its own rolling update to what every cutover must do."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from runwright.cutovers.controlled import Controlled
from runwright.errors import VerificationError
from runwright.platforms.kubernetes import Kubernetes
from runwright.platforms.kubernetes.follow import JOB
from runwright.platforms.shape import Observed
from runwright.runbook.platforms.kubernetes import KubernetesTarget
from runwright.testing.conformance import CutoverCase, CutoverConformance, PlatformCase, PlatformConformance
from runwright.testing.conformance.trial import FIRST, SECOND, Trial
from runwright.testing.direct import Direct
from runwright.versions import Artifact, Version
from tests.chaos.choice import SLOW
from tests.fixtures.kubernetes import Namespace
from tests.fixtures.kubernetes_shop import deployment, service

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]
SETTLED_SECONDS = 60.0
COMMITS = {"v1": f"{1:040x}", "v2": f"{2:040x}"}


@dataclass(frozen=True)
class Place:
    """A namespace of a test's own, and the manifests of its application."""

    namespace: Namespace
    folder: Path

    def made(self) -> Kubernetes:
        """Return the driver."""
        target = KubernetesTarget(
            platform="kubernetes",
            context=self.namespace.cluster.context,
            namespace=self.namespace.name,
            manifests={"files": ["k8s"]},
            ready_timeout=90.0,
        )
        tree, state = self.folder / "tree", self.folder / "state"
        kubectl = self.namespace.kubectl
        return Kubernetes(target, {"shop": "shop"}, tree, state, kubectl, system="shop", environment="test")

    def pods(self) -> list[dict[str, Any]]:
        """Return the application's pods, once none is on its way out."""
        until = time.monotonic() + SETTLED_SECONDS
        while True:
            words = ("get", "pods", "-l", f"!{JOB}", "-o", "json")
            found: list[dict[str, Any]] = json.loads(self.namespace.run(*words))["items"]
            if not any(pod["metadata"].get("deletionTimestamp") for pod in found):
                return found
            assert time.monotonic() < until, "a pod does not end"
            time.sleep(0.1)

    def seen(self) -> object:
        """Return what there is: which pods, and which objects in which generation. A job that only reads leaves no trace here."""
        kinds = "deployments,services,configmaps,jobs"
        found = json.loads(self.namespace.run("get", kinds, "-l", f"!{JOB}", "-o", "json"))["items"]
        objects = [(o["kind"], o["metadata"]["uid"], o["metadata"].get("generation")) for o in found]
        return sorted(map(str, objects)), sorted(pod["metadata"]["uid"] for pod in self.pods())

    def reached(self) -> str:
        """Return the commit of the version that answers behind the Service; "" if none does."""
        until = time.monotonic() + SETTLED_SECONDS
        while True:
            ready = {pod["status"].get("podIP") for pod in self.pods() if _ready(pod)}
            slices = json.loads(self.namespace.run("get", "endpointslices", "-o", "json"))["items"]
            behind = {
                address
                for one in slices
                for end in one.get("endpoints") or ()
                if end["conditions"].get("ready")
                for address in end["addresses"]
            }
            if ready == behind:  # who sends users to pods has seen all of them
                break
            assert time.monotonic() < until, f"the Service leads to {behind}, and these are ready: {ready}"
            time.sleep(0.1)
        versions = {_version(address) for address in behind}
        assert len(versions) <= 1, versions
        return COMMITS[versions.pop()] if versions else ""


def _ready(pod: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or ())


def _version(address: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{address}:8000/", timeout=10) as answer:
        return str(json.load(answer)["version"])


@pytest.fixture
def place(namespace: Namespace, tmp_path: Path) -> Place:
    """A namespace in which nothing runs, and manifests of one pod that is asked each second whether it is ready."""
    folder = tmp_path / "tree" / "k8s"
    folder.mkdir(parents=True)
    shop = deployment("shop", SET_LINGER="0")
    shop["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 2
    (folder / "shop.yaml").write_text(yaml.safe_dump_all([shop, service()]))
    return Place(namespace, tmp_path)


@pytest.fixture
def versions(app_image: Callable[[str], str]) -> tuple[Version, Version]:
    """Two versions, pushed to a registry."""
    found = []
    for name in ("v1", "v2"):
        image = app_image(name)
        found.append(Version("shop", "test", name, COMMITS[name], (Artifact("shop", image, image.partition("@")[2]),)))
    return found[0], found[1]


class Settled(PlatformCase):
    """Looked at when no pod is on its way out: one that was there a moment ago would be a difference."""

    def observed(self) -> Observed:
        """Return what a new driver observes then."""
        self.look()
        return super().observed()


class TestKubernetes(PlatformConformance):
    @pytest.fixture
    def case(self, place: Place, versions: tuple[Version, Version]) -> PlatformCase:
        """A namespace of its own, and two versions that differ in one file of their image."""
        return Settled(place.made, versions, service="shop", outside=place.seen)

    def test_what_is_started_is_seen_and_is_started_once(self, case: PlatformCase) -> None:
        """Another release makes pods of its own, which carry it; asked for again, and on the way back, they stay as they are."""
        version = case.started(0, "")
        before = case.running("")
        (pod,) = before
        assert (pod.healthy, pod.commit, pod.release) == (True, version.commit, FIRST)
        assert case.observed().identities() == case.make().expected(version)
        for release, keep in ((FIRST, False), (SECOND, True)):
            case.make().start(Direct(), version, "", "again", release, keep=keep)
            assert case.running("") == before
        case.make().start(Direct(), version, "", "anew", SECOND)
        assert [one.release for one in case.running("")] == [SECOND]

    def test_a_version_whose_artifact_is_missing_is_not_prepared(self, case: PlatformCase) -> None:
        """Only the nodes can tell whether they can pull it; they tell at once, and what runs goes on."""
        first = case.started(0, "")
        before = case.running("")
        missing = f"{case.versions[1].artifacts[0].reference.partition('@')[0]}@sha256:{'0' * 64}"
        gone = replace(case.versions[1], artifacts=(Artifact("shop", missing, missing.partition("@")[2]),))
        version = case.make().prepare(Direct(), gone, "next")
        with pytest.raises(VerificationError, match="Pull"):
            case.make().start(Direct(), version, "", "next", SECOND)
        assert set(before) <= set(case.running(""))
        case.make().start(Direct(), first, "", "back", SECOND, keep=True)
        assert case.running("") == before

    @pytest.mark.story
    def test_killed_at_every_change_it_comes_right_when_it_is_repeated(self, case: PlatformCase, trial: Trial) -> None:
        """As every platform does; each of its starts takes seconds."""
        super().test_killed_at_every_change_it_comes_right_when_it_is_repeated(case, trial)

    @SLOW
    def test_failed_at_every_change_it_comes_right_when_it_is_repeated(self, case: PlatformCase, trial: Trial) -> None:
        """Killed there, it comes right as well."""
        super().test_failed_at_every_change_it_comes_right_when_it_is_repeated(case, trial)

    @SLOW
    def test_what_ended_by_itself_is_started_again_by_the_same_release(self, case: PlatformCase, trial: Trial) -> None:
        """A cluster starts again what ends; only who scales it to nothing by hand makes this case."""
        super().test_what_ended_by_itself_is_started_again_by_the_same_release(case, trial)


class SettledCutover(CutoverCase):
    """The same for a cutover."""

    def look_at_all(self) -> object:
        """Return what is to be seen of the place, once no pod is on its way out."""
        self.outside()
        return super().look_at_all()


class TestControlled(CutoverConformance):
    @pytest.fixture
    def case(self, place: Place, versions: tuple[Version, Version]) -> CutoverCase:
        """The same; users reach whatever the Service leads to."""
        return SettledCutover(lambda: Controlled(place.made()), versions, place.reached, place.seen)

    @SLOW
    def test_killed_at_every_change_it_comes_right_when_it_is_repeated(self, case: CutoverCase, trial: Trial) -> None:
        """It makes the changes of its platform and no other."""
        super().test_killed_at_every_change_it_comes_right_when_it_is_repeated(case, trial)

    @SLOW
    def test_failed_at_every_change_it_comes_right_when_it_is_repeated(self, case: CutoverCase, trial: Trial) -> None:
        """It makes the changes of its platform and no other."""
        super().test_failed_at_every_change_it_comes_right_when_it_is_repeated(case, trial)

    @SLOW
    def test_staging_moves_no_user(self, case: CutoverCase) -> None:
        """Nothing is staged."""
        super().test_staging_moves_no_user(case)

    @SLOW
    def test_what_is_kept_warm_gets_the_users_at_once_and_another_version_never(self, case: CutoverCase) -> None:
        """Nothing is kept warm."""
        super().test_what_is_kept_warm_gets_the_users_at_once_and_another_version_never(case)

    @SLOW
    def test_each_share_on_the_way_is_absolute_and_told_and_all_go_back_at_once(self, case: CutoverCase) -> None:
        """There is one share, which is all: the next version gets it in a case of its own."""
        super().test_each_share_on_the_way_is_absolute_and_told_and_all_go_back_at_once(case)
