"""What a drill breaks."""

from __future__ import annotations

import pytest

from runwright.errors import ActionError
from runwright.platforms.kubernetes.faults import kill
from runwright.platforms.kubernetes.kubectl import Kubectl
from tests.unit.platforms.kubernetes.objects import workload


def pod(name, app):
    return {"kind": "Pod", "metadata": {"name": name, "labels": {"app": app}}}


def test_the_application_s_deployments_go_with_their_pods_and_a_statefulset_stays():
    found = [
        workload(),
        workload(name="db", kind="StatefulSet"),
        workload(name="other"),
        pod("shop-1", "shop"),
        pod("db-0", "db"),
    ]
    done = []
    kill(done.append, Kubectl("here", "shop"), found, {"shop", "db"}, "drill")
    assert [action.key for action in done] == ["drill/kill", "drill/pods"]
    assert "deployment.apps/shop" in done[0].argv and not {"other", "db"} & set("".join(done[0].argv).split("/"))
    assert "shop-1" in done[1].argv and "db-0" not in done[1].argv


def test_where_there_is_no_deployment_nothing_is_broken():
    with pytest.raises(ActionError, match="nothing to break"):
        kill(lambda _: None, Kubectl("here", "shop"), [workload(kind="StatefulSet")], {"shop"}, "drill")
