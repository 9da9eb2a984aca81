"""Which pod of a service a program is run in."""

from __future__ import annotations

import pytest

from runwright.platforms.kubernetes.enter import chosen, selector


def pod(name, *, ready=True, made="2026-11-26T10:00:00Z", ending=False, containers=("db",), said=None):
    metadata = {"name": name, "creationTimestamp": made, "annotations": said or {}}
    if ending:
        metadata["deletionTimestamp"] = made
    return {
        "metadata": metadata,
        "spec": {"containers": [{"name": n} for n in containers]},
        "status": {"conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def workload(kind="Deployment", **wanted):
    return {"kind": kind, "metadata": {"name": "db"}, "spec": {"selector": wanted}}


@pytest.mark.parametrize(
    ("workloads", "pods", "expected"),
    [
        ([workload()], [pod("db-2"), pod("db-1", made="2026-11-26T09:00:00Z")], "db-1"),
        ([workload()], [pod("db-1", made="2026-11-26T09:00:00Z", ready=False), pod("db-2")], "db-2"),
        ([workload()], [pod("db-1", made="2026-11-26T09:00:00Z", ending=True), pod("db-2")], "db-2"),
        ([workload("StatefulSet")], [pod("db-10"), pod("db-2"), pod("db-0", made="2026-11-26T11:00:00Z")], "db-0"),
        ([], [pod("db")], "db"),
    ],
    ids=["the oldest", "not one that is not ready", "not one that ends", "the first of a StatefulSet", "a pod alone"],
)
def test_it_is_a_pod_that_serves(workloads, pods, expected):
    found = chosen("db", workloads, pods)
    assert found is not None and found[0] == expected


def test_without_a_pod_that_serves_there_is_none():
    assert chosen("db", [workload()], [pod("db-1", ready=False)]) is None


@pytest.mark.parametrize(
    ("containers", "said", "expected"),
    [
        (("metrics", "db"), None, "db"),
        (("metrics", "server"), None, "metrics"),
        (("metrics", "server", "db"), {"kubectl.kubernetes.io/default-container": "server"}, "server"),
    ],
    ids=["that of its name", "else the first", "the one that the pod says"],
)
def test_it_is_the_container_that_is_meant(containers, said, expected):
    assert chosen("db", [workload()], [pod("db-1", containers=containers, said=said)]) == ("db-1", expected)


def test_a_selector_is_written_as_kubectl_takes_it():
    expressions = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "old", "operator": "DoesNotExist"},
        {"key": "db", "operator": "Exists"},
        {"key": "zone", "operator": "NotIn", "values": ["x"]},
    ]
    found = selector(workload(matchLabels={"app": "db"}, matchExpressions=expressions))
    assert found == "app=db,tier in (a,b),!old,db,zone notin (x)"
