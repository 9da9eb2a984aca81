"""Whom a manager belongs to: a table of those that are met in clusters."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runwright.platforms.kubernetes.ownership import Kind, applied_by_us, kind_of, named, owners

CAPTURED = {o["kind"]: o for o in json.loads((Path(__file__).parent / "by_hand.json").read_text())}

MANAGERS = [
    ("runwright", "Apply", "", Kind.OURS),
    ("runwright", "Update", "", Kind.OURS),
    ("kubectl-client-side-apply", "Update", "", Kind.BEFORE),
    ("kubectl", "Apply", "", Kind.BEFORE),
    ("kubectl-create", "Update", "", Kind.BEFORE),
    ("before-first-apply", "Update", "", Kind.BEFORE),
    ("kubectl", "Update", "scale", Kind.PERSON),
    ("kubectl", "Update", "", Kind.PERSON),
    ("kubectl-edit", "Update", "", Kind.PERSON),
    ("kubectl-set", "Update", "", Kind.PERSON),
    ("kubectl-rollout", "Update", "", Kind.PERSON),
    ("k9s", "Update", "", Kind.PERSON),
    ("Lens", "Update", "", Kind.PERSON),
    ("node-fetch", "Update", "", Kind.PERSON),
    ("Mozilla", "Update", "", Kind.PERSON),
    ("argocd-controller", "Apply", "", Kind.APPLIER),
    ("argocd-application-controller", "Update", "", Kind.APPLIER),
    ("kustomize-controller", "Apply", "", Kind.APPLIER),
    ("helm", "Update", "", Kind.APPLIER),
    ("HashiCorp", "Update", "", Kind.APPLIER),
    ("a-team-of-ours", "Apply", "", Kind.APPLIER),
    ("kube-controller-manager", "Update", "status", Kind.CONTROLLER),
    ("kube-controller-manager", "Update", "scale", Kind.CONTROLLER),
    ("whatever", "Update", "status", Kind.CONTROLLER),
    ("cert-manager-cainjector", "Apply", "", Kind.CONTROLLER),
    ("keda-operator", "Update", "scale", Kind.CONTROLLER),
    ("a-script", "Update", "", Kind.UNKNOWN),
    ("", "", "", Kind.UNKNOWN),
]


@pytest.mark.parametrize(("manager", "operation", "subresource", "kind"), MANAGERS)
def test_a_manager_is_known_by_its_name_and_what_it_does(
    manager: str, operation: str, subresource: str, kind: Kind
) -> None:
    """One name may be two: the kubectl that applies, and the kubectl that scales."""
    assert kind_of(manager, operation, subresource) is kind


def test_a_captured_deployment_has_all_who_touched_it() -> None:
    """As a real cluster wrote them, with their times; the scale has none."""
    seen = [(owner.manager, owner.kind.name, owner.when()) for owner in owners(CAPTURED["Deployment"])]
    assert seen == [
        ("kubectl", "PERSON", ""),
        ("kubectl-client-side-apply", "BEFORE", " at 2026-11-26 13:22 UTC"),
        ("kubectl-label", "PERSON", " at 2026-11-26 13:22 UTC"),
        ("kubectl-annotate", "PERSON", " at 2026-11-26 13:22 UTC"),
        ("kubectl-patch", "PERSON", " at 2026-11-26 13:22 UTC"),
        ("kubectl-set", "PERSON", " at 2026-11-26 13:22 UTC"),
        ("kube-controller-manager", "CONTROLLER", " at 2026-11-26 13:22 UTC"),
        ("kubectl-rollout", "PERSON", " at 2026-11-26 13:22 UTC"),
    ]


def test_nobody_can_name_a_controller_to_be_taken_over() -> None:
    """What it owns it would write again at once."""
    found = CAPTURED["Deployment"]
    assert [owner.manager for owner in named(found, ["kubectl-set", "kube-controller-manager", "nobody"])] == [
        "kubectl-set"
    ]


ODD: list[Any] = [None, {}, {"managedFields": None}, {"managedFields": [None, 7, "x"]}, {"managedFields": {"a": {}}}]


@pytest.mark.parametrize("metadata", ODD)
def test_an_object_without_managed_fields_has_no_owners(metadata: Any) -> None:
    """An old cluster, or a server that was not asked for them."""
    assert owners({"metadata": metadata}) == ()
    assert not applied_by_us({"metadata": metadata})


def test_an_entry_with_odd_words_is_still_somebody() -> None:
    """Who cannot be read is unknown, and a time that is none is not told."""
    entry = {"manager": None, "operation": 7, "time": "yesterday", "fieldsV1": {"f:spec": {"f:paused": {}}}}
    (owner,) = owners({"metadata": {"managedFields": [entry]}})
    assert (owner.kind, owner.time, owner.when()) == (Kind.UNKNOWN, None, "")
    assert owner.owns(("f:spec", "f:paused"))
    assert not owner.owns(("f:spec", "f:suspend"))


def test_a_time_without_a_zone_is_universal_time() -> None:
    """As the cluster writes them, Z or not."""
    entry = {"manager": "k9s", "operation": "Update", "time": "2026-11-26T12:00:00"}
    (owner,) = owners({"metadata": {"managedFields": [entry]}})
    assert owner.time == datetime(2026, 11, 26, 12, tzinfo=UTC)
