"""What pods use, as the metrics API says it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runwright.engine.actions import Output
from runwright.errors import ActionError, ObservationError
from runwright.platforms.kubernetes.kubectl import Kubectl
from runwright.platforms.kubernetes.usage import API, quantity, usage
from runwright.platforms.shape import Usage
from runwright.testing.replies import Replies

KUBECTL = Kubectl("here", "shop")


def listed(*found: dict[str, Any]) -> Output:
    """Return what kubectl prints of these objects."""
    return Output(0, json.dumps({"kind": "List", "items": found}).encode(), b"")


MEASURED = listed(
    {
        "kind": "PodMetrics",
        "metadata": {"name": "shop-1"},
        "containers": [
            {"name": "web", "usage": {"cpu": "250271n", "memory": "32Mi"}},
            {"name": "mesh", "usage": {"cpu": "1250m", "memory": "12288Ki"}},
        ],
    },
    {"kind": "PodMetrics", "metadata": {"name": "other"}, "containers": []},
)


def pod(name: str, restarts: int, **limits: str) -> dict[str, Any]:
    """Return a pod whose containers have these memory limits."""
    containers = [{"name": c, "resources": {"limits": {"memory": m}} if m else {}} for c, m in limits.items()]
    statuses = [{"name": c, "restartCount": restarts} for c in limits]
    return {
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": containers},
        "status": {"containerStatuses": statuses},
    }


def test_usage_is_percent_of_one_core_and_of_the_limit_that_is_nearest() -> None:
    """More than one core is more than 100; the container that will be killed first counts; what is gone or unmeasured is left out."""
    pods = listed(pod("shop-1", 2, web="64Mi", mesh="1Gi"), pod("shop-2", 0, web="64Mi"))
    do = Replies({"pods.metrics.k8s.io": MEASURED, "get pods": pods})
    found = usage(do, KUBECTL, ["shop-1", "shop-2", "gone"])
    assert found == {"shop-1": Usage(pytest.approx(125.025, abs=0.01), 50.0, 4)}
    assert all(action.reads for action in do.actions)


def test_without_a_limit_there_is_no_percent_of_it() -> None:
    """0, as nothing can be filled that has no end."""
    do = Replies({"pods.metrics.k8s.io": MEASURED, "get pods": listed(pod("shop-1", 0, web="", mesh=""))})
    found = usage(do, KUBECTL, ["shop-1"])
    assert found is not None and found["shop-1"].memory_percent == 0


def test_a_cluster_without_the_metrics_api_cannot_tell_and_one_that_fails_is_an_error() -> None:
    """None where nobody measures; where somebody does and does not answer, or we may not ask, that is told."""
    fails = ActionError("kubectl exited with 1")
    without = Replies({"pods.metrics.k8s.io": fails, "api-versions": Output(0, b"apps/v1\nv1\n", b"")})
    assert usage(without, KUBECTL, ["shop-1"]) is None
    refused = Replies({"pods.metrics.k8s.io": fails, "api-versions": Output(0, f"{API}\nv1\n".encode(), b"")})
    with pytest.raises(ActionError):
        usage(refused, KUBECTL, ["shop-1"])


def test_nothing_is_asked_about_no_pods() -> None:
    """It would measure everybody else's."""
    assert usage(Replies({}), KUBECTL, []) == {}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("250m", 0.25),
        ("64Mi", 64 * 2**20),
        ("1e3", 1000),
        ("2", 2),
        ("1.5Gi", 1.5 * 2**30),
        ("12345n", 12345e-9),
        ("1k", 1000),
    ],
)
def test_quantities_are_read_as_the_cluster_writes_them(text: str, value: float) -> None:
    """Decimal and binary units, and exponents."""
    assert quantity(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "much", "1Xi", "m", None, "1e999"])
def test_what_is_no_quantity_is_told(text: str | None) -> None:
    """Nothing is taken for 0."""
    with pytest.raises(ObservationError, match="quantity"):
        quantity(text)
