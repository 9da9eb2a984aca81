"""What of earlier releases goes, here and in a namespace."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from runwright.engine.actions import Read
from runwright.platforms.kubernetes.follow import JOB
from runwright.platforms.kubernetes.kubectl import Kubectl
from runwright.platforms.kubernetes.manifests import COPY_OF
from runwright.platforms.kubernetes.preparing import COMPOSED
from runwright.platforms.kubernetes.tidying import tidy
from runwright.platforms.shape import Kept
from tests.unit.platforms.kubernetes.objects import configuration, container, workload

MARKS = {"runwright.dev/system": "shop", "runwright.dev/environment": "dev"}
OLD, LIVE = "a" * 40, "b" * 40
KEPT = Kept(frozenset({LIVE}), frozenset({"r2"}), old=frozenset({OLD}))


def copy(name: str, marks: dict[str, str] = MARKS, kind: str = "ConfigMap") -> dict[str, Any]:
    found = configuration(name, kind, a="1")
    found["metadata"]["labels"] = {COPY_OF: "app", **marks}
    return found


def version(folder, name, *copies, by):
    here = folder / "releases" / name
    (here / "started" / by).mkdir(parents=True)
    (here / COMPOSED).write_text(json.dumps({"base": list(copies)}))


class Cluster:
    """Answers with ``objects``, and remembers what is changed."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.objects, self.changes = objects, {}

    def __call__(self, action: Any) -> Any:
        if isinstance(action, Read):
            return action.function()
        if action.key is None:
            content = json.dumps({"kind": "List", "items": list(self.objects)})
            return action.parse(SimpleNamespace(stdout=content.encode()))
        self.changes[action.key] = action.argv
        return None


def using(name, kind="ReplicaSet"):
    found = workload(container(envFrom=[{"configMapRef": {"name": name}}]), name=f"of-{name}")
    return {**found, "kind": kind}


def tidied(tmp_path, *objects):
    cluster = Cluster(*objects)
    tidy(cluster, Kubectl("here", "shop"), tmp_path, MARKS, KEPT, "tidy")
    return cluster.changes


def test_a_version_s_files_go_when_its_commit_may_and_no_release_that_stays_started_it(tmp_path):
    version(tmp_path, f"{OLD[:12]}-1", by="r1")
    version(tmp_path, f"{OLD[:12]}-2", by="r2")
    version(tmp_path, f"{LIVE[:12]}-1", by="r3")
    version(tmp_path, "adopted-1", by="adopted")
    changes = tidied(tmp_path)
    assert [w for w in changes["tidy/versions"] if w.startswith("/")] == [str(tmp_path / "releases" / f"{OLD[:12]}-1")]
    assert "tidy/objects" not in changes


def test_a_copy_goes_when_nothing_names_it(tmp_path):
    """Not what a pod, an old ReplicaSet (somebody may undo to it) or the files of a version that stays name, and not another's."""
    version(tmp_path, f"{LIVE[:12]}-1", copy("kept"), by="r2")
    objects = [copy(n) for n in ("kept", "used", "gone")] + [copy("other", {**MARKS, "runwright.dev/environment": "e"})]
    mine = configuration("app")
    changes = tidied(tmp_path, *objects, copy("gone", kind="Secret"), mine, using("used"))
    assert [w for w in changes["tidy/objects"] if "/" in w] == ["configmap/gone", "secret/gone"]


def test_a_job_of_ours_that_has_ended_goes_after_a_while(tmp_path):
    def job(name, hours, **status):
        found = workload(kind="Job", name=name)
        made = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
        found["metadata"] |= {"labels": {**MARKS, JOB: name}, "creationTimestamp": made}
        return {**found, "status": status}

    theirs = workload(kind="Job", name="theirs")
    theirs["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z"
    changes = tidied(tmp_path, job("old", 2), job("young", 0.1), job("runs", 2, active=1), theirs)
    assert [w for w in changes["tidy/objects"] if "/" in w] == ["job/old"]
    assert not tidied(tmp_path, job("young", 0.1))


def test_what_a_job_has_brought_stays_as_long_as_it_runs_however_long_that_is(tmp_path):
    """A migration of hours reads its Secret again when a sidecar is restarted."""
    made = (datetime.now(UTC) - timedelta(hours=3)).isoformat()

    def of(name, found, **status):
        found["metadata"] |= {"labels": {**MARKS, JOB: name}, "creationTimestamp": made}
        return {**found, "status": status}

    runs = (
        of("runs", workload(kind="Job", name="runs"), active=1),
        of("runs", configuration("runs-0", "Secret", a="1")),
    )
    left = of("gone", configuration("gone-0", "Secret", a="1"))
    changes = tidied(tmp_path, *runs, left)
    assert [w for w in changes["tidy/objects"] if "/" in w] == ["secret/gone-0"]
