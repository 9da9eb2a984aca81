"""One-off Jobs: what of a workload's pods they take over, and how the end of one is told."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from runwright.platforms.kubernetes import follow
from runwright.platforms.kubernetes.follow import JOB, ended, stuck
from runwright.platforms.kubernetes.jobs import configuration_of, job_name, job_of, main_container
from runwright.platforms.kubernetes.manifests import Composed
from tests.unit.platforms.kubernetes.objects import configuration, container, workload


def job(source, argv=("alembic", "upgrade", "head"), base=(), images=None):
    """Return the Job that runs ``argv`` with the configuration of ``source``."""
    made = Composed(tuple(base), {"shop": source}, images={"shop": images or {"shop": "x"}})
    return job_of(source, "shop-rw-1", "shop", argv, labels={"a": "b"}, seconds=60, keep=100, made=made)


def test_it_runs_the_program_once_with_the_service_s_configuration_and_gets_no_users():
    probes = {
        "readinessProbe": {},
        "livenessProbe": {},
        "lifecycle": {},
        "ports": [{"containerPort": 1}],
        "args": ["x"],
    }
    found = job(workload(container(env=[{"name": "A", "value": "1"}], **probes), serviceAccountName="shop"))
    spec = found["spec"]["template"]["spec"]
    assert spec["containers"] == [container(env=[{"name": "A", "value": "1"}], command=["alembic", "upgrade", "head"])]
    assert (spec["restartPolicy"], spec["serviceAccountName"]) == ("Never", "shop")
    assert spec["readinessGates"], "its pod is never ready: a Service that selects it sends it nobody"
    assert found["spec"]["backoffLimit"] == 0 and found["spec"]["ttlSecondsAfterFinished"] == 100
    assert found["spec"]["template"]["metadata"]["labels"] == {"a": "b", JOB: "shop-rw-1"}


def test_other_containers_are_sidecars_that_end_with_it_and_what_may_migrate_before_it_is_left_out():
    source = workload(
        container(),
        container("proxy", "p:1", ports=[{"containerPort": 5432}], readinessProbe={}),
        initContainers=[
            container("migrate"),
            container("secrets", "vault:1"),
            container("mesh", "m:1", restartPolicy="Always"),
        ],
    )
    spec = job(source, images={"shop": "x", "migrate": "x"})["spec"]["template"]["spec"]
    assert [c["name"] for c in spec["containers"]] == ["shop"]
    assert [(c["name"], c.get("restartPolicy")) for c in spec["initContainers"]] == [
        ("secrets", None),
        ("mesh", "Always"),
        ("proxy", "Always"),
    ]
    assert spec["initContainers"][-1]["startupProbe"]["tcpSocket"] == {"port": 5432}


def test_labels_by_which_network_policies_let_pods_reach_the_database_are_kept():
    policy = {
        "kind": "NetworkPolicy",
        "metadata": {"name": "db"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "db"}},
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "shop"}}}]}],
        },
    }
    labels = job(workload(), base=[policy])["spec"]["template"]["metadata"]["labels"]
    assert labels["app"] == "shop"


def test_its_name_is_the_same_for_the_same_key_of_a_release_and_fits_a_label():
    first = job_name("shop", "shop-production-20261126-1", "deploy/migrate/command")
    assert first == job_name("shop", "shop-production-20261126-1", "deploy/migrate/command")
    assert first != job_name("shop", "shop-production-20261126-2", "deploy/migrate/command")
    assert len(job_name("a" * 63, "r", "deploy/migrate/" + "b" * 80)) + 6 <= 63
    assert main_container(workload(container("a"), container("b")), ["b"]) == "b"


def _pod(**status):
    return {"kind": "Pod", "metadata": {"name": "p"}, "status": status}


def test_the_container_that_matters_tells_how_it_ended_whatever_its_sidecar_does():
    running = {"name": "proxy", "state": {"running": {}}}
    over = {"name": "shop", "state": {"terminated": {"exitCode": 255}}}
    assert ended(_pod(containerStatuses=[running, over]), "shop") == 255
    assert ended(_pod(containerStatuses=[running]), "shop") is None
    assert ended(_pod(), "shop") is None


@pytest.mark.parametrize(
    "waiting, patient, found",
    [
        ({"reason": "CreateContainerConfigError", "message": 'secret "x" not found'}, False, 'secret "x" not found'),
        ({"reason": "ErrImagePull", "message": "manifest unknown: not found"}, False, "not found"),
        ({"reason": "ErrImagePull", "message": "connection refused"}, False, ""),
        ({"reason": "ImagePullBackOff", "message": "connection refused"}, True, "connection refused"),
        ({"reason": "ContainerCreating"}, True, ""),
    ],
    ids=["no secret", "no image", "registry away, just now", "registry away", "just made"],
)
def test_a_pod_that_will_never_run_is_told_early(waiting, patient, found):
    said = stuck(_pod(containerStatuses=[{"name": "shop", "state": {"waiting": waiting}}]), patient)
    assert bool(said) == bool(found) and found in said


def test_a_pod_that_no_node_takes_is_told_when_it_was_waited_for():
    conditions = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "Insufficient cpu"}]
    assert stuck(_pod(conditions=conditions), patient=False) == ""
    assert "Insufficient cpu" in stuck(_pod(conditions=conditions), patient=True)


def test_configuration_of_a_version_that_is_not_applied_yet_goes_with_the_job():
    """A plan and a migration come before anything is applied: what the pod names would not be there, or be the old one."""
    by = [
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys-1", "key": "a"}}},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "elsewhere", "key": "b"}}},
    ]
    source = workload(
        container(env=by), volumes=[{"name": "k", "projected": {"sources": [{"secret": {"name": "keys-1"}}]}}]
    )
    given = configuration("keys-1", "Secret", a="eA==")
    made = Composed((given,), {"shop": source})
    found = job(source, base=(given,))
    (brought,) = configuration_of(found, made)
    spec = found["spec"]["template"]["spec"]
    names = [v["valueFrom"]["secretKeyRef"]["name"] for v in spec["containers"][0]["env"]]
    assert names == [brought["metadata"]["name"], "elsewhere"]
    assert spec["volumes"][0]["projected"]["sources"][0]["secret"]["name"] == names[0]
    assert brought["data"] == {"a": "eA=="} and brought["metadata"]["labels"] == found["metadata"]["labels"]
    assert given["metadata"]["name"] == "keys-1"


def fake(folder: Path, text: str) -> str:
    """Return a kubectl that is a script: $verb is what it is asked to do."""
    path = folder / "kubectl"
    path.write_text(f'#!/bin/sh\nverb="$1"\ncd {folder}\n{text}\n')
    path.chmod(0o755)
    return str(path)


ENDED = {
    "kind": "Pod",
    "metadata": {"name": "it-1", "ownerReferences": [{"uid": "u"}]},
    "status": {"containerStatuses": [{"name": "shop", "state": {"terminated": {"exitCode": 0}}}]},
}
JOB_AND_POD = json.dumps({"kind": "List", "items": [{"kind": "Job", "metadata": {"uid": "u"}}, ENDED]})
LISTED = json.dumps({"kind": "List", "items": [{"kind": "Job", "metadata": {"uid": "u"}}]})
CREATES = "case $verb in create) touch made; printf 'ConfigMap=c\\nJob=u\\n';; get) cat all;; delete) touch deleted;; "


def test_a_log_that_cannot_be_read_is_no_answer(tmp_path, capfd):
    """Given a program that was run for what it prints: nothing would mean that there is no revision, or nothing pending."""
    (tmp_path / "all").write_text(JOB_AND_POD)
    kubectl = fake(tmp_path, CREATES + "logs) echo gone >&2; exit 1;; esac")
    assert follow.main(["--log", "it", "shop", "file", kubectl]) == follow.NEVER_RAN
    assert "Its log cannot be read: gone" in capfd.readouterr().err
    assert follow.main(["it", "shop", "file", kubectl]) == 0, "what has changed something has done so"


def test_a_log_is_asked_for_again(tmp_path, capfd):
    (tmp_path / "all").write_text(JOB_AND_POD)
    kubectl = fake(tmp_path, CREATES + "logs) if test -e asked; then echo hello; else touch asked; exit 1; fi;; esac")
    assert follow.main(["--log", "it", "shop", "file", kubectl]) == 0
    assert capfd.readouterr().out == "hello\n"


def test_a_job_that_was_made_and_not_answered_is_followed(tmp_path, capfd):
    """Given an API server that went away while it made the Job: it runs, so it is followed and not left alone."""
    (tmp_path / "all").write_text(LISTED)
    kubectl = fake(
        tmp_path,
        f"case $verb in create) touch made; echo 'Unable to connect to the server: EOF' >&2; exit 1;; "
        f"get) if test -e seen; then printf '%s' '{JOB_AND_POD}'; else touch seen; cat all; fi;; "
        "logs) echo done;; delete) touch deleted;; esac",
    )
    assert follow.main(["it", "shop", "file", kubectl]) == 0
    assert capfd.readouterr().out == "done\n"


def test_a_kubectl_that_hangs_is_ended_and_told(tmp_path, capfd, monkeypatch):
    """It is no traceback, and no end of the program that was to run."""
    monkeypatch.setattr(follow, "AWAY_SECONDS", 0.0)
    monkeypatch.setattr(follow.subprocess, "run", hangs)
    assert follow.main(["it", "shop", "file", "kubectl"]) == follow.NEVER_RAN
    assert "kubectl did not end within 30 s: create." in capfd.readouterr().err


def hangs(argv, *, timeout, **_):
    raise subprocess.TimeoutExpired(argv, timeout)
