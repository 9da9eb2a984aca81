"""Remove what earlier releases left and nobody needs: files of versions, copies of configuration, Jobs that have ended."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runwright.engine.actions import Command, Do, Read
from runwright.platforms.kubernetes.follow import JOB
from runwright.platforms.kubernetes.kubectl import Kubectl, Object, items, name_of
from runwright.platforms.kubernetes.manifests import COPY_OF, WORKLOADS, named_configuration, template
from runwright.platforms.kubernetes.preparing import COMPOSED
from runwright.platforms.kubernetes.reading import at, when
from runwright.platforms.shape import Kept
from runwright.plural import plural

LOOKED_AT = "configmaps,secrets,jobs,cronjobs,deployments,statefulsets,daemonsets,replicasets,controllerrevisions,pods"
YOUNG = timedelta(hours=1)
"""A Job that has just ended may still be read."""
_SHORT = 12


def tidy(do: Do, kubectl: Kubectl, folder: Path, marks: Mapping[str, str], kept: Kept, prefix: str) -> None:
    """Remove the folders of commits that may go, then from the cluster the copies that nothing there and no folder that stays names,
    and our Jobs that have ended. folder: our own for this environment. marks: labels of what is this system's, in this environment.

    ReplicaSets are the Deployment's own to keep (`revisionHistoryLimit`); what one of them names stays, so that `rollout undo` works.
    """
    going: list[Path] = do(
        Read(says=f"look for versions in {folder}", function=lambda: list(_going(folder, kept)), assume=list[Path]())
    )
    if going:
        argv = ("rm", "-rf", "--", *map(str, going))
        do(
            Command(
                says=f"remove the manifests of {plural(len(going), 'version')}", key=f"{prefix}/versions", argv=argv
            )
        )
    selector = ",".join(f"{key}={value}" for key, value in marks.items())
    there: tuple[Object, ...] = do(
        kubectl.read("get", LOOKED_AT, "-o", "json", says="look what earlier releases left", parse=items, assume=())
    )
    stays: set[tuple[str, str]] = do(
        Read(says="see what versions that stay name", function=lambda: _named_in(folder), assume=set[tuple[str, str]]())
    )
    old = [*_copies(there, marks, stays), *_jobs(there, marks, datetime.now(UTC))]
    if old:
        says = f"remove {plural(len(old), 'object')} that earlier releases left ({selector})"
        do(kubectl.change("delete", *old, "--ignore-not-found", "--wait=false", says=says, key=f"{prefix}/objects"))


def _going(folder: Path, kept: Kept) -> Iterator[Path]:
    old = {commit[:_SHORT] for commit in kept.old} - {commit[:_SHORT] for commit in kept.commits}
    base = folder / "releases"
    for one in base.iterdir() if base.is_dir() else ():
        started = one / "started"
        by = {d.name for d in started.iterdir()} if started.is_dir() else set()
        if one.name.partition("-")[0] in old and not by & kept.releases:
            yield one


def _named_in(folder: Path) -> set[tuple[str, str]]:
    """Return the copies that the versions whose files are here have."""
    found: set[tuple[str, str]] = set()
    for file in folder.glob(f"releases/*/{COMPOSED}"):
        found |= {(o["kind"], name_of(o)) for o in json.loads(file.read_bytes())["base"]}
    return found


def _copies(there: Iterable[Object], marks: Mapping[str, str], stays: Collection[tuple[str, str]]) -> Iterator[str]:
    objects = list(there)
    used = {one for o in objects for one in _names(o)} | set(stays)
    for one in objects:
        labels = at(one, "metadata", "labels") or {}
        mine = COPY_OF in labels and _marked(labels, marks)
        if mine and (one["kind"], name_of(one)) not in used:
            yield f"{one['kind'].lower()}/{name_of(one)}"


def _names(one: Object) -> Iterator[tuple[str, str]]:
    spec: Object = {}
    if one["kind"] == "Pod":
        spec = one.get("spec") or {}
    elif one["kind"] in (*WORKLOADS, "Job", "ReplicaSet"):
        spec = template(one).get("spec") or {}
    elif one["kind"] == "ControllerRevision":
        spec = at(one, "data", "spec", "template", "spec") or {}
    for kind, holder, key in named_configuration(spec):
        yield kind, str(holder[key])


def _jobs(there: Iterable[Object], marks: Mapping[str, str], now: datetime) -> Iterator[str]:
    objects = list(there)
    running = {name_of(one) for one in objects if one["kind"] == "Job" and at(one, "status", "active")}
    for one in objects:
        labels = at(one, "metadata", "labels") or {}
        # what a Job has brought with it is its own as long as it runs
        if JOB not in labels or not _marked(labels, marks) or labels[JOB] in running:
            continue
        made = when(at(one, "metadata", "creationTimestamp")) or now
        if one["kind"] in ("Job", "ConfigMap", "Secret") and now - made > YOUNG:
            yield f"{one['kind'].lower()}/{name_of(one)}"


def _marked(labels: Mapping[str, str], marks: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in marks.items())
