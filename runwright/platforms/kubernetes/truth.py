"""What a namespace really shows, asked by plain means: one HTTP request, `kubectl get`, and psql in the database's pod."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from runwright.platforms.kubernetes import program
from runwright.runbook.databases.postgres import PostgresDatabase
from runwright.runbook.model import Runbook
from runwright.runbook.platforms.kubernetes import KubernetesTarget
from runwright.testing.truth import REVISIONS, Running, Truth, asked

_SECONDS = 60.0
_RELEASE, _COMMIT, _SLOT, _JOB = (f"runwright.dev/{name}" for name in ("release", "commit", "slot", "job"))


def look(book: Runbook, environment: str) -> Truth:
    """Return what the target of an environment shows."""
    place = book.environments[environment]
    assert isinstance(place.target, KubernetesTarget)
    front = place.urls.get("front", next(iter(place.urls.values()), ""))
    health = next((p.url for p in book.verify.health if p.url.startswith("${url.")), "")
    status, says = asked(front, health.partition("}")[2])
    running = tuple(_pods(place.target))
    told = {one.commit for one in running if one.service in book.services() and not one.job}
    behind = told.pop() if len(told) == 1 else ""
    return Truth(front, status, says, "", behind, running, _revisions(place.target, place.database, bool(book.migrate)))


def _kubectl(target: KubernetesTarget, *words: str) -> str:
    found = shutil.which("kubectl") or program.of_wheel() or "kubectl"
    argv = [found, "--context", target.context, "--namespace", target.namespace, *words]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=False)
    return done.stdout if done.returncode == 0 else ""


def _pods(target: KubernetesTarget) -> Iterator[Running]:
    """Yield the pods that run or are about to. One that was told to end gets no users, and is none of them; a job's still works."""
    found = json.loads(_kubectl(target, "get", "pods,replicasets", "-o", "json") or '{"items": []}')["items"]
    owners = {one["metadata"]["uid"]: one for one in found if one["kind"] == "ReplicaSet"}
    for pod in (one for one in found if one["kind"] == "Pod"):
        metadata = pod["metadata"]
        marks = {**(metadata.get("annotations") or {}), **(metadata.get("labels") or {})}
        job = marks.get(_JOB, "")
        if pod.get("status", {}).get("phase") not in ("Pending", "Running"):
            continue
        if metadata.get("deletionTimestamp") and not (job and _works(pod)):
            continue
        mark = f"{marks.get(_RELEASE, '')}/{job}" if job else ""
        image = str(pod["spec"]["containers"][0].get("image", ""))
        yield Running(
            f"pod {metadata['name']}",
            "" if job else _service(pod, owners),
            str(marks.get(_SLOT, "")),
            "" if job else str(marks.get(_COMMIT, "")),
            image.partition("@")[2],
            mark,
            bool(job),
        )


def _works(pod: Mapping[str, Any]) -> bool:
    statuses = pod["status"].get("containerStatuses") or ()
    return any("running" in status.get("state", {}) for status in statuses)


def _service(pod: Mapping[str, Any], owners: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the name of the workload that a pod belongs to, "" if it belongs to none."""
    owner = next((o for o in pod["metadata"].get("ownerReferences") or () if o.get("controller")), None)
    if owner is not None and owner["uid"] in owners:
        held = owners[owner["uid"]]["metadata"].get("ownerReferences") or ()
        owner = next((o for o in held if o.get("controller")), owner)
    return str(owner["name"]) if owner is not None else ""


def _revisions(target: KubernetesTarget, database: Any, migrates: bool) -> tuple[str, ...] | None:
    if not migrates or not isinstance(database, PostgresDatabase) or database.service is None:
        return None
    if not _kubectl(target, "get", f"deployment/{database.service}", "--ignore-not-found", "-o", "name"):
        return None
    words = ("psql", "-U", database.user, "-d", database.name, "-Atc", REVISIONS)
    return tuple(sorted(_kubectl(target, "exec", f"deployment/{database.service}", "--", *words).split()))
