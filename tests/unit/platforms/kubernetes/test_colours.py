"""A version's objects in one of two places: what is there twice, and what follows the users."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from runwright.errors import InputError
from runwright.platforms.kubernetes.colours import (
    CLOSED,
    arranged,
    as_plain,
    guards,
    in_slot,
    needed_first,
    out_of_slot,
    pods_for,
    really,
    scales,
    served_by,
    service_of,
)
from runwright.platforms.kubernetes.manifests import SLOT, Composed
from tests.fixtures.kubernetes_shop import deployment, service

Object = dict[str, Any]
EXPOSED = {"shop": "shop"}


def scaler(name: str = "shop", kind: str = "Deployment") -> Object:
    target = {"apiVersion": "apps/v1", "kind": kind, "name": name}
    spec = {"scaleTargetRef": target, "maxReplicas": 5}
    metadata = {"name": "shop"}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec}


def budget(**labels: str) -> Object:
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": labels}}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "shop"}, "spec": spec}


def route() -> Object:
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "shop"}, "spec": {}}


def made(*base: Object, **workloads: Object) -> Composed:
    return Composed(base, workloads or {"shop": deployment("shop@sha256:1")})


def named(found: Composed) -> list[str]:
    return sorted(f"{o['kind']}/{o['metadata']['name']}" for o in found.objects)


def test_the_pods_of_the_two_are_told_apart_by_one_label() -> None:
    """Neither Deployment finds the other one's pods, and both still have the labels that the manifests gave them."""
    before = deployment("shop@sha256:1")
    given = copy.deepcopy(before)
    blue, green = in_slot(given, "blue"), in_slot(given, "green")
    assert given == before
    for slot, one in (("blue", blue), ("green", green)):
        assert one["metadata"]["name"] == f"shop-{slot}"
        assert one["spec"]["selector"]["matchLabels"] == {"app": "shop", SLOT: slot}
        assert one["spec"]["template"]["metadata"]["labels"] == {"app": "shop", SLOT: slot}
    assert out_of_slot(blue, "shop") == before == out_of_slot(green, "shop")


@pytest.mark.parametrize(
    ("change", "says"), [({"kind": "StatefulSet"}, "only a Deployment"), ({"metadata": {"name": "x" * 47}}, "too long")]
)
def test_what_cannot_run_twice_is_said(change: Object, says: str) -> None:
    """A StatefulSet has one identity for each pod; a name that is cut does not say whose pod it is."""
    with pytest.raises(InputError, match=says):
        in_slot({**deployment("shop@sha256:1"), **change}, "blue")


def test_a_service_keeps_its_own_selector_whichever_colour_it_leads_to() -> None:
    """Forth, back, and to none: nothing is left of the one before."""
    assert served_by(service(), "blue")["spec"]["selector"] == {"app": "shop", SLOT: "blue"}
    assert served_by(served_by(service(), "blue"), "green")["spec"]["selector"] == {"app": "shop", SLOT: "green"}
    assert served_by(served_by(service(), "blue"), "") == service()


def test_budgets_are_there_for_each_colour_and_scalers_follow_the_users() -> None:
    """The version that was left keeps the number of pods that it served with."""
    found = arranged(made(service(), scaler(), budget(app="shop")), EXPOSED, "green")
    assert named(found) == [
        "Deployment/shop-green",
        "HorizontalPodAutoscaler/shop",
        "PodDisruptionBudget/shop-green",
        "Service/shop",
    ]
    scales_now = next(o for o in found.base if o["kind"] == "HorizontalPodAutoscaler")
    assert scales_now["spec"]["scaleTargetRef"]["name"] == "shop-green"
    guards_now = next(o for o in found.base if o["kind"] == "PodDisruptionBudget")
    assert guards_now["spec"]["selector"]["matchLabels"] == {"app": "shop", SLOT: "green"}


def test_what_no_users_reach_stays_as_it_is() -> None:
    """A worker runs once; what guards or scales it, or guards both, is no business of a colour."""
    worker = deployment("shop@sha256:1", "worker")
    worker["spec"]["template"]["metadata"]["labels"] = {"app": "worker"}
    both = made(
        service("other"), scaler("worker"), budget(app="worker"), shop=deployment("shop@sha256:1"), worker=worker
    )
    found = arranged(both, EXPOSED, "green")
    assert found.base == both.base
    assert found.workloads["worker"] == worker
    shared = made(budget(part="web"), shop=deployment("shop@sha256:1"), worker=worker)
    for one in shared.workloads.values():
        one["spec"]["template"]["metadata"]["labels"]["part"] = "web"
    assert guards(shared, EXPOSED, "green") == {"shop": []}


def test_where_there_are_no_colours_nothing_is_changed() -> None:
    """As it serves before the first release of ours."""
    one = made(service(), scaler(), budget(app="shop"))
    assert arranged(one, EXPOSED, "") is one


def test_a_candidate_needs_nothing_that_users_would_notice() -> None:
    """A Service that is there, routes and scalers wait until the version has users; a new Service leads nowhere."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop-1a2b"}}
    base = arranged(made(secret, service(), scaler(), budget(app="shop"), route()), EXPOSED, "green").base
    assert needed_first(base, EXPOSED, ["shop"]) == [secret]
    assert needed_first(base, EXPOSED, []) == [secret, served_by(service(), CLOSED)]


def test_whose_a_deployment_is_and_what_scales_it_is_told_by_name() -> None:
    """shop-blue is the service shop; another service that is called like a colour of ours is itself."""
    assert [service_of(n, ["shop"]) for n in ("shop-blue", "shop-green", "shop", "shop-red")] == [
        "shop",
        "shop",
        "shop",
        "shop-red",
    ]
    assert scales(scaler("shop-blue"), ["shop"]) == scales(scaler(), ["shop"]) == "shop"
    assert scales(scaler("other"), ["shop"]) is scales(scaler(kind="StatefulSet"), ["shop"]) is None


@pytest.mark.parametrize(
    ("share", "beside", "pods", "real"),
    [
        (10, 9, 1, 10.0),
        (10, 3, 1, 25.0),
        (50, 3, 3, 50.0),
        (25, 3, 1, 25.0),
        (5, 1, 1, 50.0),
        (100, 3, 3, 50.0),
        (50, 0, 1, 100.0),
    ],
)
def test_a_share_of_the_users_is_a_share_of_the_pods(share: int, beside: int, pods: int, real: float) -> None:
    """One pod at least: with few beside it, it gets more than was asked for, and that is what is said."""
    assert pods_for(share, beside) == pods
    assert really(pods, beside) == real


def test_what_runs_in_a_slot_is_adopted_as_if_it_ran_in_none() -> None:
    """Its name and its labels are those of the manifests; what runs in the other slot is not looked at."""
    blue, green = in_slot(deployment("shop@sha256:1"), "blue"), in_slot(deployment("shop@sha256:2"), "green")
    owner = {"kind": "Deployment", "name": "shop-blue", "controller": True}
    revision = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "x", "ownerReferences": [owner]}}
    found = as_plain([blue, green, revision, deployment("w@sha256:1", "worker")], ["shop"], "blue")
    assert [o["metadata"]["name"] for o in found] == ["shop", "x", "worker"]
    assert found[0] == deployment("shop@sha256:1")
    assert found[1]["metadata"]["ownerReferences"][0]["name"] == "shop"
