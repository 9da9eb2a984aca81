"""The cluster itself gives way in mid-release: its API server, its controllers, its scheduler, its node's agent; a quota, a webhook.

Parts of a cluster are ended and stopped only where somebody says that this is allowed: ``RUNWRIGHT_CLUSTER_PIDS`` names a folder with
PART.pid files (apiserver, controllers, scheduler, kubelet), ``RUNWRIGHT_CLUSTER_UP`` the program that brings back what is missing.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runwright.ledger.states import ReleaseState
from tests.chaos.choice import DOCKER_SECONDS
from tests.chaos.judging import judged
from tests.chaos.platforms.kubernetes import KubernetesWorld
from tests.chaos.scenes import reason
from tests.chaos.started import Started
from tests.chaos.world import NEW, World

PIDS, UP = os.environ.get("RUNWRIGHT_CLUSTER_PIDS", ""), os.environ.get("RUNWRIGHT_CLUSTER_UP", "")
RUNNING = Path("/tmp/kube-chaos-running")
"""Tells others who use the cluster."""
AWAY_SECONDS = 10.0
PARTS = ("apiserver", "controllers", "scheduler", "kubelet")
PUT_RIGHT = (ReleaseState.ROLLED_BACK, ReleaseState.ABANDONED)

pytestmark = [pytest.mark.kubernetes, pytest.mark.docker, pytest.mark.story, pytest.mark.timeout(DOCKER_SECONDS)]


@pytest.fixture
def platform() -> str:
    """All of it is about a cluster."""
    return "kubernetes"


@pytest.fixture
def parts() -> Iterator[Path]:
    """Where the pids of the cluster's parts are. Everything is there and goes on afterwards."""
    if not (PIDS and UP):
        pytest.skip("nobody says that parts of the cluster may be ended (RUNWRIGHT_CLUSTER_PIDS, RUNWRIGHT_CLUSTER_UP)")
    RUNNING.touch()
    try:
        yield Path(PIDS)
    finally:
        for part in PARTS:
            _signal(Path(PIDS), part, signal.SIGCONT)
        _up()
        RUNNING.unlink(missing_ok=True)


def _signal(folder: Path, part: str, number: int) -> None:
    try:
        os.kill(int((folder / f"{part}.pid").read_text()), number)
    except (ProcessLookupError, FileNotFoundError, ValueError):
        return


def _up() -> None:
    done = subprocess.run(shlex.split(UP), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def ended_well(world: World, deploy: Started) -> None:
    """The run goes on and is proven; or it failed, says why in our words, and the rollback puts things right."""
    code, began, after = deploy.ended(), time.monotonic(), []
    if code:
        assert not deploy.report.error.startswith("not one of ours"), deploy.log
        after = [world.rollback(deploy, reason(code))]
        assert after[0].ended() == 0, f"{after[0].report}\n{after[0].log}"
    outcome = judged(world, began, deploy, *after)
    assert outcome.state in (PUT_RIGHT if code else (ReleaseState.PROVEN,)), deploy.log


@pytest.mark.parametrize("at", ["deploy/migrate", "deploy/apply/web"])
@pytest.mark.parametrize("how", ["killed", "frozen"])
@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_cluster_that_is_away_for_a_while_stops_no_release(
    world: World, parts: Path, part: str, how: str, at: str
) -> None:
    """Given a part that is ended or stands still for ten seconds just before a change, the release waits for it and is proven."""
    deploy = world.deploy(NEW, f"stop@before:{at}")
    world.await_stopped(deploy)
    _signal(parts, part, signal.SIGKILL if how == "killed" else signal.SIGSTOP)
    os.kill(deploy.pid, signal.SIGCONT)
    time.sleep(AWAY_SECONDS)
    _signal(parts, part, signal.SIGCONT)
    _up()
    assert deploy.ended() == 0, f"{deploy.report}\n{deploy.log}"
    assert judged(world, time.monotonic(), deploy).state is ReleaseState.PROVEN


def test_a_quota_that_is_used_up_in_mid_release_costs_no_user_anything(world: KubernetesWorld) -> None:
    """Given a quota that leaves no room for another pod once the plan is made, the release ends well, and the old version serves."""
    deploy = world.deploy(NEW, "stop@before:deploy/apply/base")
    world.await_stopped(deploy)
    pods = len(world._pods()) + 1
    try:
        world.kubectl("create", "quota", "full", f"--hard=pods={pods}")
        os.kill(deploy.pid, signal.SIGCONT)
        assert deploy.ended() != 0
        assert "quota" in deploy.report.error, deploy.report
    finally:
        world.kubectl("delete", "quota", "full")
    ended_well(world, deploy)


def test_a_webhook_that_refuses_in_mid_release_costs_no_user_anything(world: KubernetesWorld) -> None:
    """Given a webhook for pods that nobody answers at once the plan is made, the release ends well, and the old version serves."""
    deploy = world.deploy(NEW, "stop@before:deploy/apply/base")
    world.await_stopped(deploy)
    name = f"{world.namespace}.example.com"
    hook = {
        "name": name,
        "clientConfig": {"url": "https://127.0.0.1:9/"},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 2,
    }
    api = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    try:
        world.kubectl("apply", "-f", "-", stdin=json.dumps({**api, "metadata": {"name": name}, "webhooks": [hook]}))
        os.kill(deploy.pid, signal.SIGCONT)
        assert deploy.ended() != 0
        assert name in deploy.report.error, deploy.report
    finally:
        world.kubectl("delete", "validatingwebhookconfiguration", name)
    ended_well(world, deploy)
