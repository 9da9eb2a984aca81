"""Who owns what on a real cluster: what was set by hand is told, what is taken over goes with the next apply, what is not stays."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from runwright.platforms.kubernetes.by_hand import Setting, by_hand
from runwright.platforms.kubernetes.ownership import Kind, applied_by_us, named, owners
from runwright.platforms.kubernetes.scaling import Scaling, numbered, scaled
from runwright.platforms.kubernetes.takeover import Patch, taken_over
from runwright.platforms.kubernetes.vanished import identity, selected_by, still_ours, vanished
from tests.fixtures.kubernetes import Namespace
from tests.fixtures.kubernetes_shop import deployment, service, together

pytestmark = pytest.mark.kubernetes
Object = dict[str, Any]


@pytest.fixture
def place(module_namespace: Namespace) -> Namespace:
    """The namespace of this file, with none of another test's objects."""
    module_namespace.run("delete", "deployments,configmaps,cronjobs,secrets,hpa,services", "--all", "--wait=true")
    return module_namespace


def nowhere(**settings: str) -> Object:
    """Return a Deployment whose pods no node takes: nothing has to be pulled or started to see who owns what of it."""
    made = deployment("localhost:5000/none:v1", replicas=2, **settings)
    made["spec"]["template"]["spec"]["nodeSelector"] = {"runwright.dev/tests": "nowhere"}
    return made


def by_kubectl(place: Namespace, *objects: Object) -> None:
    """Apply as the team always did it."""
    place.run("apply", "-f", "-", stdin=json.dumps(together(*objects)))


def created(place: Namespace, made: Object) -> None:
    place.run("create", "-f", "-", stdin=json.dumps(made))


def by_us(place: Namespace, rendered: Object, codes: tuple[int, ...] = (0,)) -> str:
    words = ("apply", "--server-side", "--field-manager=runwright", "-f", "-")
    return place.run(*words, stdin=json.dumps(rendered), codes=codes)


@dataclass(frozen=True)
class Released:
    """What was known of an object before it was applied."""

    settings: tuple[Setting, ...]
    scaling: Scaling
    patch: Patch | None


def looked(place: Namespace, rendered: Object, adopt: Sequence[str] = (), scalers: Sequence[Object] = ()) -> Released:
    """Look what is to be done with an object that is there."""
    live = place.get(identity(rendered, place.name).address)
    scaling = scaled(live, rendered, scalers)
    taken = [*owners(live, [Kind.BEFORE]), *named(live, adopt)]
    return Released(
        tuple(one for one in by_hand(live, rendered) if one.owner not in taken),
        scaling,
        taken_over(live, taken, let_go=scaling.let_go, freed=scaling.freed),
    )


def release(
    place: Namespace, rendered: Object, adopt: Sequence[str] = (), scalers: Sequence[Object] = (), refused: bool = False
) -> Released:
    """Take over what the release of before owned, and what is adopted; then apply."""
    known = looked(place, rendered, adopt, scalers)
    if known.patch is not None:
        words = ("patch", identity(rendered, place.name).address, "--type=json", "--field-manager=runwright", "--patch")
        for _ in range(3):  # who wrote last is last: the places of the entries may have changed since
            place.run(*words, json.dumps(known.patch), codes=(0, 1))
            known_now = looked(place, rendered, adopt, scalers)
            if known_now.patch is None:
                break
            known = known_now
        assert known_now.patch is None, "a takeover has nothing left to take"
    by_us(place, numbered(rendered, known.scaling), codes=(1,) if refused else (0,))
    return known


def env(found: Object) -> dict[str, str]:
    """Return the variables of a Deployment's first container."""
    listed = found["spec"]["template"]["spec"]["containers"][0].get("env", ())
    return {one["name"]: one.get("value", "") for one in listed}


def replicas(place: Namespace) -> int:
    return int(place.get("deployment/shop")["spec"]["replicas"])


@pytest.mark.docker
def test_what_a_version_no_longer_sets_is_gone_from_its_pods(
    namespace: Namespace, app_image: Callable[[str], str]
) -> None:
    """The application itself is asked: first with what somebody set by hand, which was told, then without it."""
    v1 = deployment(app_image("v1"), SET_PAYMENTS="off", SET_COLOUR="blue")
    v2 = deployment(app_image("v2"), SET_COLOUR="blue")
    by_kubectl(namespace, v1, service())
    namespace.run("set", "env", "deployment/shop", "SET_DEBUG=1")

    told = by_hand(namespace.get("deployment/shop"), v2)
    assert [one.where for one in told] == ["spec.template.spec.containers[shop].env[SET_DEBUG]"]
    assert told[0].says.startswith("Deployment/shop: env SET_DEBUG=1 of container shop was set by kubectl-set at 2")
    assert told[0].says.endswith(" UTC; the manifests do not say it")

    release(namespace, v2)
    namespace.run("rollout", "status", "deployment/shop", "--timeout=60s")
    live = namespace.get("deployment/shop")
    assert env(live) == {"SET_COLOUR": "blue", "SET_DEBUG": "1"}
    assert [one.where for one in by_hand(live, v2)] == ["spec.template.spec.containers[shop].env[SET_DEBUG]"]

    release(namespace, v2, adopt=["kubectl-set"])
    namespace.run("rollout", "status", "deployment/shop", "--timeout=60s")
    live = namespace.get("deployment/shop")
    assert env(live) == {"SET_COLOUR": "blue"}
    assert by_hand(live, v2) == ()
    assert namespace.asked("v2", {"SET_COLOUR": "blue"})["settings"] == {"SET_COLOUR": "blue"}


def test_an_object_that_kubectl_created_is_taken_over_as_well(place: Namespace) -> None:
    """Why there is a takeover at all: the cluster takes away what the applier owned, with or without force, and nothing else."""
    created(place, nowhere(SET_PAYMENTS="off"))
    place.run(
        "apply",
        "--server-side",
        "--field-manager=somebody",
        "--force-conflicts",
        "-f",
        "-",
        stdin=json.dumps(nowhere()),
    )
    assert env(place.get("deployment/shop")) == {"SET_PAYMENTS": "off"}
    release(place, nowhere())
    assert env(place.get("deployment/shop")) == {}


def test_each_way_of_setting_by_hand_is_told_with_who_did_it(place: Namespace) -> None:
    """Every command that people type has a manager of its own, and secrets are never in what is told."""
    rendered = nowhere(SET_COLOUR="blue")
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"LEVEL": "info"}}
    keys = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"PASSWORD": "sesame"}}
    by_kubectl(place, rendered, settings, keys)
    place.run("set", "env", "deployment/shop", "SET_COLOUR=red", "DB_PASSWORD=sesame-again")
    place.run("label", "deployment/shop", "team=blue")
    place.run("annotate", "deployment/shop", "note=hello")
    place.run("rollout", "restart", "deployment/shop")
    place.run("rollout", "pause", "deployment/shop")
    place.run("patch", "configmap/settings", "-p", '{"data":{"LEVEL":"debug"}}')
    place.run("patch", "secret/keys", "-p", '{"stringData":{"PASSWORD":"sesame-again"}}')

    told = [
        one
        for found, said in (("deployment/shop", rendered), ("configmap/settings", settings), ("secret/keys", keys))
        for one in by_hand(place.get(found), said)
    ]
    seen = {(one.where, one.now, one.rendered, one.owner.manager, one.stops) for one in told}
    container = "spec.template.spec.containers[shop]"
    assert seen == {
        ("spec.paused", "true", None, "kubectl-rollout", "paused"),
        ("metadata.labels.team", "blue", None, "kubectl-label", ""),
        ("metadata.annotations.note", "hello", None, "kubectl-annotate", ""),
        (f"{container}.env[SET_COLOUR].value", "red", "blue", "kubectl-set", ""),
        (f"{container}.env[DB_PASSWORD]", "(not shown)", None, "kubectl-set", ""),
        ("data.LEVEL", "debug", "info", "kubectl-patch", ""),
        ("data.PASSWORD", "(not shown)", "(not shown)", "kubectl-patch", ""),
    }
    assert told[0].stops == "paused", "what stops the release comes first"
    assert "sesame" not in "".join(f"{one!r} {one.says}" for one in told)


def test_a_takeover_is_refused_when_who_is_taken_over_has_changed_something(place: Namespace) -> None:
    """Then the plan is no longer what was looked at. What others do meanwhile does not matter: a rollout writes all the time."""
    by_kubectl(place, nowhere())
    patch = ("patch", "deployment/shop", "--type=json", "--patch", json.dumps(looked(place, nowhere()).patch))
    by_kubectl(place, nowhere(SET_HOTFIX="1"))
    place.run(*patch, codes=(1,))
    assert not applied_by_us(place.get("deployment/shop"))

    place.run("rollout", "pause", "deployment/shop")
    place.run("wait", "deployment/shop", "--for=jsonpath={.status.observedGeneration}=3", "--timeout=30s")
    time.sleep(1.1)  # what is written in the next second comes after all that is taken over
    patch = (*patch[:-1], json.dumps(looked(place, nowhere()).patch))
    place.run("label", "deployment/shop", "team=blue")
    place.run(*patch)
    after = place.get("deployment/shop")
    assert applied_by_us(after) and named(after, ["kubectl-label"])


def test_what_will_be_refused_is_known_before(place: Namespace) -> None:
    """What somebody owns and the manifests say otherwise is a conflict, for the cluster as for us; adopted, it is none."""
    rendered = nowhere(SET_COLOUR="blue", SET_SIZE="1")
    by_kubectl(place, rendered)
    place.run("set", "env", "deployment/shop", "SET_COLOUR=red", "SET_DEBUG=1")
    place.run("set", "resources", "deployment/shop", "--limits=cpu=1000m")
    first = release(place, rendered, refused=True)
    assert [one.where for one in first.settings if one.rendered is not None] == [
        "spec.template.spec.containers[shop].env[SET_COLOUR].value"
    ]
    release(place, rendered, adopt=["kubectl-set"])
    assert env(place.get("deployment/shop")) == {"SET_COLOUR": "blue", "SET_SIZE": "1"}


def test_a_pause_by_hand_ends_when_it_is_adopted_and_not_before(place: Namespace) -> None:
    """A release that is refused leaves it as it was."""
    rendered = nowhere()
    by_kubectl(place, rendered)
    place.run("rollout", "pause", "deployment/shop")
    assert [one.stops for one in release(place, rendered).settings] == ["paused"]
    assert place.get("deployment/shop")["spec"]["paused"] is True
    release(place, rendered, adopt=["kubectl-rollout"])
    assert "paused" not in place.get("deployment/shop")["spec"]


def test_fields_of_a_third_manager_are_never_taken(place: Namespace) -> None:
    """What something else applies stays as it is, in the object and in who owns it, and is told."""
    created(place, nowhere(SET_PAYMENTS="off"))  # what was applied, kubectl makes the next applier's, whoever that is
    theirs: Object = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"}}
    theirs["spec"] = {"template": {"metadata": {"labels": {"theirs": "yes"}}}, "minReadySeconds": 3}
    place.run("apply", "--server-side", "--field-manager=argocd-controller", "-f", "-", stdin=json.dumps(theirs))
    before = place.get("deployment/shop")
    assert [one.where for one in by_hand(before, nowhere())] == [
        "spec.minReadySeconds",
        "spec.template.metadata.labels.theirs",
    ]

    release(place, nowhere(), adopt=["kubectl-set"])
    after = place.get("deployment/shop")
    assert named(after, ["argocd-controller"]) == named(before, ["argocd-controller"])
    assert after["spec"]["minReadySeconds"] == 3
    assert env(after) == {}


def test_a_number_of_replicas_that_somebody_chose_is_kept_until_the_manifests_say_another(place: Namespace) -> None:
    """Also over several releases, and without a conflict."""
    rendered = nowhere()
    by_kubectl(place, rendered)
    place.run("scale", "deployment/shop", "--replicas=3")
    for version in ("v2", "v3"):
        rendered = copy.deepcopy(rendered)
        rendered["spec"]["template"]["metadata"]["labels"]["version"] = version
        told = release(place, rendered).scaling
        assert told.says == "Deployment/shop keeps its 3 replicas set by kubectl; the manifests say 2 as before"
        assert replicas(place) == 3
    rendered["spec"]["replicas"] = 1
    assert "gets the 1 replicas" in release(place, rendered).scaling.says
    assert replicas(place) == 1


def test_replicas_that_are_left_out_without_being_let_go_fall_to_one(place: Namespace) -> None:
    """Why they are let go first: whoever leaves out what it owns gives it back to the default."""
    rendered = nowhere()
    by_us(place, rendered)
    del rendered["spec"]["replicas"]
    by_us(place, rendered)
    assert replicas(place) == 1


def test_an_autoscaler_decides_even_where_no_field_says_so(place: Namespace) -> None:
    """It raises the replicas to its least number; our next apply leaves that alone, whoever owned the number before."""
    rendered = nowhere()
    by_kubectl(place, rendered)
    place.run("autoscale", "deployment/shop", "--min=4", "--max=5", "--cpu-percent=50")
    place.run("wait", "deployment/shop", "--for=jsonpath={.spec.replicas}=4", "--timeout=60s")
    scalers = [place.get("horizontalpodautoscaler/shop")]
    for _ in range(2):
        told = release(place, rendered, scalers=scalers).scaling
        assert (
            told.says
            == "Deployment/shop: HorizontalPodAutoscaler/shop decides about its replicas (now 4), not the 2 of the manifests"
        )
        assert replicas(place) == 4


def test_an_entry_of_another_version_of_the_api_is_taken_as_far_as_it_leads(place: Namespace) -> None:
    """An autoscaler written as autoscaling/v1 is ours as autoscaling/v2, and what is no longer said goes."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 4}
    old = {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "shop"}}
    by_kubectl(place, {**old, "spec": {**spec, "targetCPUUtilizationPercentage": 50}})
    del spec["minReplicas"]
    release(place, {**old, "apiVersion": "autoscaling/v2", "spec": spec})
    found = place.get("horizontalpodautoscaler/shop")
    assert found["spec"]["minReplicas"] == 1, "what was taken over is no longer said: the default"
    assert not owners(found, [Kind.BEFORE])


def test_an_object_that_had_no_owners_can_be_taken_over(place: Namespace) -> None:
    """The cluster itself writes who owned it before, when it is applied for the first time."""
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    created(place, {**settings, "data": {"LEVEL": "info", "PAYMENTS": "off"}})
    reset = '[{"op":"replace","path":"/metadata/managedFields","value":[{}]}]'
    place.run("patch", "configmap/settings", "--type=json", "--patch", reset)
    now = {**settings, "data": {"LEVEL": "info"}}
    by_us(place, now)
    assert {owner.manager for owner in owners(place.get("configmap/settings"))} == {"runwright", "before-first-apply"}
    release(place, now)
    assert place.get("configmap/settings")["data"] == {"LEVEL": "info"}


def test_whoever_goes_on_with_kubectl_apply_is_taken_over_again(place: Namespace) -> None:
    """A hotfix by kubectl in between is no dead end."""
    by_kubectl(place, nowhere(SET_PAYMENTS="off"))
    release(place, nowhere(SET_PAYMENTS="off"))
    by_kubectl(place, nowhere(SET_PAYMENTS="on", SET_HOTFIX="1"))
    assert by_hand(place.get("deployment/shop"), nowhere()) == ()
    release(place, nowhere())
    assert env(place.get("deployment/shop")) == {}


def test_a_renamed_deployment_is_taken_away_and_a_guest_is_told(place: Namespace) -> None:
    """Only what a release of ours applied goes; whose pods the Service selects besides is told."""
    old, new, door = nowhere(), nowhere(), service()
    new["metadata"]["name"] = "shop-web"
    for one in (old, door, new):
        by_us(place, one)
    guest = nowhere()
    guest["metadata"]["name"] = "guest"
    created(place, guest)
    gone = still_ours(vanished([old, door], [new, door], place.name), [place.get("deployment/shop")], place.name, {})
    assert [(one.identity.address, one.kept) for one in gone] == [("deployment.apps/shop", "")]
    place.run("wait", "pods", "--all", "--for=create", "--timeout=30s")
    live = json.loads(place.run("get", "deployments,replicasets,pods", "-o", "json"))["items"]
    assert {one["kind"] for one in live} == {"Deployment", "ReplicaSet", "Pod"}
    ours = [identity(one, place.name) for one in (old, new)]
    assert [one.says for one in selected_by(door, live, ours, place.name)] == [
        "Service/shop selects the pods of Deployment/guest (2 pods) too, which is in no manifest of this release: "
        "it answers users beside the new version, and is not touched"
    ]
    assert [one.kept for one in still_ours(vanished([guest], [new], place.name), live, place.name, {})] == [
        "no release of ours applied it as it is now"
    ]
