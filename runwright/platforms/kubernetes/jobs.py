"""One-off Jobs: a program of a version's own image, with the configuration of one of its workloads."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import sys
import uuid
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from runwright.engine.actions import Command, Do, Elsewhere, Output, Read, WriteFile, nothing
from runwright.platforms.kubernetes import follow as follow_program
from runwright.platforms.kubernetes.follow import JOB
from runwright.platforms.kubernetes.kubectl import ANSWER_SECONDS, Kubectl, Object, name_of
from runwright.platforms.kubernetes.manifests import CONFIGURATION, Composed, named_configuration, template

KEPT_SECONDS = 24 * 3600
"""How long the cluster keeps a Job that changed something, if its end was never seen here."""
READ_KEPT_SECONDS = 600
LONGEST_NAME = 52
"""A Job gives its pods six more characters; a label holds 63."""
RUNNING = (
    'go-template={{range .items}}{{if eq .kind "Pod"}}'
    '{{if and (ne .status.phase "Succeeded") (ne .status.phase "Failed")}}{{.metadata.name}} {{end}}'
    "{{else}}{{$over := false}}{{range .status.conditions}}"
    '{{if and (eq .status "True") (or (eq .type "Complete") (eq .type "Failed"))}}{{$over = true}}{{end}}{{end}}'
    "{{if not $over}}{{.metadata.name}} {{end}}{{end}}{{end}}"
)
"""What kubectl prints of Jobs and their pods that have not ended. A Job whose pod is not made yet will still run."""
_UNLIKE_SERVING = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "ports")


def run(
    do: Do,
    kubectl: Kubectl,
    made: Composed,
    argv: tuple[str, ...],
    *,
    service: str,
    key: str | None,
    says: str,
    marks: Mapping[str, str],
    release_id: str,
    folder: Path,
    deadline_seconds: float,
) -> bytes:
    """Run ``argv`` in a Job of ``service``'s image and configuration (a workload's, or a Job's of the manifests).

    With a key it is a change: its name is the same for the same key of a release, so that a run that was killed finds it.
    folder: where its manifest and its output are kept. Raise ActionError if it exits non-zero, or never comes to run.
    """
    name = job_name(service, release_id, key or uuid.uuid4().hex)
    source = made.jobs.get(service) or made.workloads[service]
    chosen = main_container(source, made.images.get(service, ()))
    keep = KEPT_SECONDS if key else READ_KEPT_SECONDS
    job = job_of(source, name, chosen, argv, labels={**marks}, seconds=deadline_seconds, keep=keep, made=made)
    file = folder / f"{name}.json"
    brought = configuration_of(job, made)
    content = json.dumps({"apiVersion": "v1", "kind": "List", "items": [*brought, job]}, indent=1).encode()
    if key is None:
        do(Read(says=f"write {file}", function=lambda: _written(file, content), untouched=True))
    else:
        do(WriteFile(says=f"write {file}", key=f"{key}/job", path=file, content=content, mode=0o600))
    follow = (sys.executable, "-I", follow_program.__file__)
    words = (name, chosen, str(file), *kubectl.argv())
    selector = ("-l", f"{JOB}={name}")
    try:
        printed: bytes | None = do(
            Command(
                says=says,
                key=key,
                argv=(*follow, *(() if key else ("--log",)), *words),
                deadline_seconds=deadline_seconds,
                repeatable=key is None,
                safe_point=key is not None,
                stdout_to=folder / f"{name}.log" if key else None,
                parse=nothing if key else _stdout,
                elsewhere=Elsewhere(
                    running=kubectl.argv(
                        *("get", "jobs,pods", *selector, f"--request-timeout={ANSWER_SECONDS}", "-o", RUNNING)
                    ),
                    wait=(*follow, "--only", "--keep", *words),
                    end=kubectl.argv(
                        *("delete", "jobs,configmaps,secrets", *selector, "--cascade=foreground", "--timeout=60s")
                    ),
                ),
            )
        )
    finally:
        if key is None:
            file.unlink(missing_ok=True)
    return printed or b""


def main_container(source: Object, ours: Collection[str]) -> str:
    """Return the name of the container whose end counts: the first that runs an image of ours, else the first."""
    there = [str(c["name"]) for c in template(source)["spec"]["containers"]]
    return next((name for name in there if name in ours), there[0])


def job_name(service: str, release_id: str, key: str) -> str:
    """Return the name of a Job: readable, and the same for the same key of the same release."""
    mark = hashlib.sha256(f"{release_id}\0{key}".encode()).hexdigest()[:10]
    last = re.sub(r"[^a-z0-9]+", "-", key.lower().rpartition("/")[2])[:12].strip("-")
    return f"{service[: LONGEST_NAME - 30]}-rw-{last or 'job'}-{mark}"


def job_of(
    source: Object,
    name: str,
    container: str,
    argv: tuple[str, ...],
    *,
    labels: Mapping[str, str],
    seconds: float,
    keep: int,
    made: Composed,
) -> Object:
    """Return the Job: one try of one pod, as ``source``'s are, in which ``container`` runs ``argv``.

    The other containers are carried along as sidecars, started before it and ended by the cluster with it. What starts before
    the others and runs an image of ours is left out: it may migrate. Nobody's Service sends users to its pod.
    """
    pod = copy.deepcopy(template(source))
    spec = pod["spec"]
    main = next(c for c in spec["containers"] if c["name"] == container)
    beside = [_sidecar(c) for c in spec["containers"] if c["name"] != container]
    ours = set(made.images.get(name_of(source), ())) if source["kind"] != "Job" else set()
    before = [
        c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always" or c["name"] not in ours
    ]
    for part in _UNLIKE_SERVING:
        main.pop(part, None)
    main["command"] = list(argv)
    main.pop("args", None)
    spec["containers"] = [main]
    spec["initContainers"] = [*before, *beside]
    if not spec["initContainers"]:
        del spec["initContainers"]
    spec["restartPolicy"] = "Never"
    spec["terminationGracePeriodSeconds"] = 5
    spec.setdefault("readinessGates", []).append({"conditionType": "runwright.dev/no-users"})
    mine = {**labels, JOB: name}
    kept = {k: v for k, v in pod.get("metadata", {}).get("labels", {}).items() if k in _keys_of_policies(made)}
    metadata: dict[str, Any] = {"labels": {**kept, **mine}}
    if annotations := pod.get("metadata", {}).get("annotations"):
        metadata["annotations"] = annotations
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": mine},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": int(seconds) + 30,
            "ttlSecondsAfterFinished": keep,
            "template": {"metadata": metadata, "spec": spec},
        },
    }


def configuration_of(job: Object, made: Composed) -> list[Object]:
    """Return the ConfigMaps and Secrets of the manifests that ``job`` names, as its own, and let it name these: those of a version
    that was not applied yet are not in the cluster, and they go with the Job."""
    given = {(o["kind"], name_of(o)): o for o in made.base if o["kind"] in CONFIGURATION}
    names: dict[tuple[str, str], str] = {}
    for kind, holder, key in named_configuration(template(job)["spec"]):
        one = kind, str(holder[key])
        if one in given:
            holder[key] = names.setdefault(one, f"{name_of(job)}-{len(names)}")
    labels = job["metadata"]["labels"]
    return [{**given[one], "metadata": {"name": name, "labels": labels}} for one, name in names.items()]


def _sidecar(container: Object) -> Object:
    """Return a container as one that starts before the others, goes on beside them, and ends with them."""
    found = {key: value for key, value in container.items() if key not in ("readinessProbe", "livenessProbe")}
    ports = [port["containerPort"] for port in container.get("ports") or () if port.get("protocol", "TCP") == "TCP"]
    if ports and "startupProbe" not in found:
        found["startupProbe"] = {"tcpSocket": {"port": ports[0]}, "periodSeconds": 1, "failureThreshold": 60}
    return {**found, "restartPolicy": "Always"}


def _keys_of_policies(made: Composed) -> set[str]:
    """Return the keys of labels by which NetworkPolicies of the manifests know pods: without them it would reach nobody."""
    keys: set[str] = set()
    for policy in (one for one in made.base if one["kind"] == "NetworkPolicy"):
        spec = policy.get("spec", {})
        peers = [p for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())) for p in _peers(rule)]
        for selector in (spec.get("podSelector") or {}, *(peer.get("podSelector") or {} for peer in peers)):
            keys |= set(selector.get("matchLabels") or {})
            keys |= {str(e.get("key")) for e in selector.get("matchExpressions") or ()}
    return keys


def _peers(rule: Mapping[str, Any]) -> list[Object]:
    return [*(rule.get("from") or ()), *(rule.get("to") or ())]


def _written(file: Path, content: bytes) -> None:
    from runwright.engine.effects.files import write_file

    write_file(file, content, 0o600)


def _stdout(output: Output) -> bytes:
    return output.stdout
