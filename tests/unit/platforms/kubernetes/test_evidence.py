"""What a cluster shows of a version that failed: on what a real one showed, with rights and without."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from runwright.engine.actions import Command, Output
from runwright.errors import ActionError
from runwright.platforms.kubernetes.evidence import evidence, log, nodes
from runwright.platforms.kubernetes.kubectl import Kubectl
from runwright.platforms.kubernetes.surroundings import (
    autoscalers,
    certificates,
    crashed,
    event_facts,
    node_facts,
    policies,
    unwell,
)
from runwright.testing.replies import Replies
from tests.unit.platforms.kubernetes.looks import DATA, Look, last, looks

KUBECTL = Kubectl("here", "shop")
Object = dict[str, Any]
FORBIDDEN = "Error from server (Forbidden): nodes is forbidden: you may not"
NO_METRICS = {
    "metrics.k8s.io": ActionError("error: the server doesn't have a resource type"),
    "api-versions": Output(0, b"v1", b""),
}


def listed(found: list[Object], code: int = 0, said: str = "") -> Output:
    """Return what kubectl prints."""
    return Output(code, json.dumps({"kind": "List", "items": found}).encode(), said.encode())


def around() -> list[Object]:
    """Return what was captured beside pods: an autoscaler, a budget, network policies, the node."""
    found: list[Object] = json.loads((DATA / "around" / "objects.json").read_text())
    return found


def of_kind(kind: str) -> list[Object]:
    """Return what was captured of a kind."""
    return [one for one in around() if one["kind"] == kind]


def everything(look: Look) -> list[Object]:
    """Return all that is in the namespace of a look, as one list."""
    return [*look.pods, *look.events, *look.revisions, *(one for one in around() if one["kind"] != "Node")]


def replies(look: Look, **other: Any) -> Replies:
    """Return a cluster that answers with ``look``."""
    measured = {"kind": "NodeMetrics", "metadata": {"name": "here"}, "usage": {"cpu": "500m", "memory": "1Gi"}}
    table = {
        "logs": Output(0, b"2026-11-26T13:00:00Z no database\n", b""),
        "pods.metrics.k8s.io": listed([]),
        "nodes.metrics.k8s.io": listed([measured]),
        "certificates.cert-manager.io": ActionError("the server doesn't have a resource type"),
        "api-versions": Output(0, b"v1\nmetrics.k8s.io/v1beta1\n", b""),
        "get nodes -o": listed(of_kind("Node")),
        "kube-system": listed([]),
        "networkpolicies": listed(everything(look)),
    }
    return Replies({**other, **{name: value for name, value in table.items() if name not in other}})


def test_a_failed_version_is_shown_with_pods_events_logs_and_what_is_around() -> None:
    """Under headings, only of the workload that is asked for; all of it is read."""
    look = last("crash")
    do = replies(look)
    found = evidence(do, KUBECTL, ["Deployment/shop"], look.now)
    text = found.text()
    pod = next(p["metadata"]["name"] for p in look.pods if not p["status"]["containerStatuses"][0]["ready"])
    assert f"{pod}: Running, 0/1 ready, 2 restarts, debian:bookworm-slim. Pod {pod}, container web: ended with" in text
    assert f"kubectl logs {pod} -c web" in text and "no database" in text
    assert "! Pod/" in text and "BackOff" in text
    assert "here: ready (uses 500m of processors, 1024Mi of memory)" in text
    assert "shop for Deployment/shop: 1 of 1 to 3" in text and "FailedGetResourceMetric" in text
    assert "no pod may be taken away" in text
    assert "deny (Ingress, Egress)" in text and "other" not in found.policies
    assert found.unseen == ("certificates: cert-manager is not installed",)
    assert all(action.reads for action in do.actions)


def test_what_may_not_be_seen_is_a_line_and_never_an_error() -> None:
    """kubectl says what it did not get beside what it got; every other question may fail altogether."""
    look = last("crash")
    refused = ActionError(f"{FORBIDDEN} (kubectl exited with 1: look). | {FORBIDDEN}")
    said = 'Error from server (Forbidden): events is forbidden: User "x" cannot list resource "events"'
    do = replies(
        look,
        **{
            "logs": refused,
            "get nodes -o": refused,
            "kube-system": refused,
            "networkpolicies": listed(look.pods, 1, f"{said}\n{said}\n"),
        },
    )
    found = evidence(do, KUBECTL, ["Deployment/shop"], look.now)
    assert 'Forbidden: events is forbidden: User "x" cannot list resource "events"' in found.unseen
    assert "nodes: Forbidden: nodes is forbidden: you may not" in found.unseen
    assert "pods of kube-system: Forbidden: nodes is forbidden: you may not" in found.unseen
    assert any(line.startswith("log of web of shop-") for line in found.unseen)
    assert len(found.unseen) == len(set(found.unseen))
    assert found.pods and not found.events and not found.nodes


def test_a_cluster_that_does_not_answer_is_told_too() -> None:
    """Whatever failed before, the report of it must not fail."""
    down = ActionError("Unable to connect to the server: dial tcp: connection refused")
    found = evidence(Replies({"get": down, "api-versions": down}), KUBECTL, ["Deployment/shop"], last("crash").now)
    assert not found.pods and len(found.unseen) == 6
    assert "Unable to connect" in found.text()


def test_without_a_metrics_api_that_is_told() -> None:
    """It is another thing than nothing being used."""
    look = last("well")
    do = replies(look, **NO_METRICS)
    found = evidence(do, KUBECTL, [], look.now)
    assert found.used is None and "what pods use: the cluster has no metrics API" in found.unseen


def test_a_single_piece_raises_for_a_probe() -> None:
    """Whoever decides by it must know that it was not seen."""
    with pytest.raises(ActionError):
        nodes(Replies({"get nodes -o": ActionError(FORBIDDEN)}), KUBECTL)


def test_the_log_of_the_run_that_ended_is_read_or_of_the_one_that_runs() -> None:
    """The node may have removed it."""
    look = last("crash")
    pod = next(p for p in look.pods if not p["status"]["containerStatuses"][0]["ready"])
    status = pod["status"]["containerStatuses"][0]
    status["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    gone = {"--previous": ActionError("previous terminated container not found")}
    found = evidence(replies(look, **gone), KUBECTL, ["Deployment/shop"], look.now)
    assert [(one.previous, one.lines) for one in found.logs] == [(False, ("2026-11-26T13:00:00Z no database",))]
    found = evidence(replies(look), KUBECTL, ["Deployment/shop"], look.now)
    assert [one.previous for one in found.logs] == [True]


def test_few_logs_are_read_and_few_lines_of_each() -> None:
    """Ten pods that crash alike say the same; a line may be as long as it likes."""
    look = last("crash")
    broken = next(p for p in look.pods if not p["status"]["containerStatuses"][0]["ready"])
    for number in range(10):
        pod = deepcopy(broken)
        pod["metadata"]["name"] = f"shop-{number}"
        look.pods.append(pod)
    do = replies(look)
    assert len(evidence(do, KUBECTL, ["Deployment/shop"], look.now).logs) == 6
    long = Replies({"logs": Output(0, b"x" * 9000 + b"\n" + b"y\n" * 500, b"")})
    found = log(long, KUBECTL, "shop-1", "web", lines=3)
    assert found.lines == ("y", "y", "y")
    action = long.actions[0]
    assert isinstance(action, Command) and "--tail=3" in action.argv and action.last


def test_a_version_that_was_taken_back_for_its_answers_has_a_log_too() -> None:
    """Its pods are well and their logs say why; those of another release are nobody's business."""
    look = last("well")
    of = {one.pod for one in evidence(replies(look), KUBECTL, ["Deployment/shop"], look.now, release="r1").logs}
    assert of == {pod["metadata"]["name"] for pod in look.pods}
    assert evidence(replies(look), KUBECTL, ["Deployment/shop"], look.now, release="r2").logs == ()
    assert evidence(replies(look), KUBECTL, ["Deployment/shop"], look.now).logs == ()


# ------------------------------------------------------------------------------------------------------ the pieces


def test_events_are_told_once_newest_last_and_none_of_long_ago() -> None:
    """The same of two times is one line with both counts."""
    look = last("crash")
    event = next(e for e in look.events if e["reason"] == "BackOff")
    again = deepcopy(event)
    again["count"] = 5
    old = deepcopy(event) | {"reason": "Older", "lastTimestamp": "2020-01-01T00:00:00Z"}
    count = event["count"]
    found = event_facts([again, event, old], look.now - timedelta(minutes=15))
    assert [(one.reason, one.times, one.warning) for one in found] == [("BackOff", count + 5, True)]
    found = event_facts(look.events, look.now - timedelta(minutes=15))
    assert [one.last for one in found] == sorted(one.last for one in found)
    assert event_facts(look.events, look.now - timedelta(minutes=15), ["Pod/nobody"]) == ()


def test_a_series_counts_by_when_it_was_seen_last() -> None:
    """The scheduler's events have their times elsewhere."""
    look = looks("unschedulable")[0]
    scheduling = [e for e in look.events if e["reason"] == "FailedScheduling"]
    assert scheduling and event_facts(scheduling, look.now - timedelta(minutes=1))


def test_a_node_is_told_with_what_it_runs_short_of() -> None:
    """Not ready in its own words; under pressure; cordoned, which is not unwell."""
    node = of_kind("Node")[0]
    assert [one.line for one in node_facts([node])] == ["here: ready"]
    for condition in node["status"]["conditions"]:
        if condition["type"] == "MemoryPressure":
            condition["status"] = "True"
    node["spec"]["unschedulable"] = True
    found = node_facts([node])[0]
    assert found.line == "here: ready, MemoryPressure, takes no pods (cordoned)" and not found.well
    for condition in node["status"]["conditions"]:
        if condition["type"] == "Ready":
            condition |= {"status": "Unknown", "message": "Kubelet stopped posting node status."}
    assert node_facts([node])[0].line.startswith("here: not ready: Kubelet stopped posting node status.")


def test_a_system_that_is_well_is_nothing_to_tell() -> None:
    """A finished pod, and one that is ending, are well."""
    look = last("crash")
    well = [p for p in look.pods if p["status"]["containerStatuses"][0]["ready"]]
    done = deepcopy(well[0])
    done["status"] = {"phase": "Succeeded"}
    assert unwell([*well, done], look.now) == ()
    assert "exit code 3" in unwell(look.pods, look.now)[0]


def test_an_autoscaler_is_told_with_its_metric_and_what_keeps_it() -> None:
    """One that measures has a number, one at its end says so."""
    found = of_kind("HorizontalPodAutoscaler")[0]
    found["status"] |= {
        "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 91}}}],
        "currentReplicas": 3,
        "desiredReplicas": 3,
        "conditions": [
            {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas", "message": "at its maximum"},
            {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound"},
        ],
    }
    (one,) = autoscalers([found])
    assert one.line == (
        "shop for Deployment/shop: 3 of 1 to 3, wants 3 (cpu 91 %, aimed at 50 %); TooManyReplicas: at its maximum"
    )


def test_a_certificate_is_told_with_its_end_and_why_it_is_not_ready() -> None:
    """As cert-manager writes it."""
    ready = {"type": "Ready", "status": "False", "reason": "Failed", "message": "the order is invalid"}
    status = {"conditions": [ready], "notAfter": "2026-12-01T10:00:00Z", "renewalTime": "2026-11-20T10:00:00Z"}
    (one,) = certificates([{"metadata": {"name": "shop-tls"}, "status": status}])
    assert (
        one.line == "shop-tls: not ready: the order is invalid, until 2026-12-01 10:00, renewed from 2026-11-20 10:00"
    )
    (never,) = certificates([{"metadata": {"name": "new"}}])
    assert not never.ready and never.ends is None


def test_a_certificate_that_is_not_well_brings_the_log_of_its_issuer() -> None:
    """Why it is not issued is said there and nowhere else; while all are well nobody asks."""
    look = last("well")
    ready = {"type": "Ready", "status": "True"}
    issuing = {"type": "Issuing", "status": "False", "reason": "Failed", "message": "the order is invalid"}
    shown: Object = {
        "kind": "Certificate",
        "metadata": {"name": "shop-tls"},
        "status": {"conditions": [ready, issuing]},
    }
    do = replies(look, **{"certificates.cert-manager.io": listed([shown])})
    found = evidence(do, KUBECTL, ["Deployment/shop"], look.now)
    assert found.certificates[0].line == "shop-tls: ready; issuing: the order is invalid"
    assert [one.command for one in found.logs] == ["kubectl logs deployment/cert-manager"]
    assert "--namespace cert-manager logs deployment/cert-manager --timestamps" in " ".join(do.actions[-1].argv)  # type: ignore[attr-defined]
    shown["status"]["conditions"] = [ready]
    do = replies(look, **{"certificates.cert-manager.io": listed([shown])})
    assert evidence(do, KUBECTL, ["Deployment/shop"], look.now).logs == ()


def test_a_policy_selects_by_labels() -> None:
    """An empty selector takes all pods; that of another application none of ours."""
    assert policies(of_kind("NetworkPolicy"), last("crash").pods) == ("deny (Ingress, Egress)",)
    assert policies(of_kind("NetworkPolicy"), []) == ()


def test_a_container_that_finished_well_has_no_log_worth_reading() -> None:
    """One that crashed has that of before; one that is not ready has its own; one that runs well has none."""
    pod = last("init-fails").pods
    broken = next(p for p in pod if p["status"].get("initContainerStatuses"))
    assert [name for name, _ in crashed(broken)] == ["prepare"]
    never = next(p for p in last("never-ready").pods if not p["status"]["containerStatuses"][0]["ready"])
    assert crashed(never) == (("web", False),)
    assert all(crashed(p) == () for p in last("well").pods)
