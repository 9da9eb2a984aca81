"""Make a version run: apply what it needs, then its workloads one after the other, each until its pods serve."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from runwright.engine.actions import Do, Read, WriteFile
from runwright.platforms.kubernetes.kubectl import Kubectl, Object, name_of
from runwright.platforms.kubernetes.manifests import COMMIT, RELEASE, Composed, marked
from runwright.platforms.kubernetes.ownership import MANAGER
from runwright.platforms.kubernetes.preparing import APPLY_SECONDS
from runwright.platforms.kubernetes.vanished import Vanished
from runwright.versions import Version


@dataclass(frozen=True)
class Files:
    """The files of one start of a version. base: what is applied first, None if there is nothing. workloads: {service: file}."""

    base: Path | None
    workloads: dict[str, Path]


def files_of(folder: Path, release_id: str, made: Composed) -> Files:
    """Return where the files of ``release_id``'s start of a version are."""
    here = folder / "started" / release_id
    numbered = {service: here / f"{number:02}-{service}.json" for number, service in enumerate(made.workloads, 1)}
    return Files(here / "00-base.json" if made.base else None, numbered)


def write(
    do: Do,
    files: Files,
    base: Sequence[Object],
    workloads: Sequence[Object],
    version: Version,
    release_id: str,
    prefix: str,
) -> None:
    """Write the files of a start: the pods carry the release and the commit, so that each release makes pods of its own."""
    marks = {RELEASE: release_id, COMMIT: version.commit}
    write_files(do, files, base, [marked(workload, marks) for workload in workloads], prefix)


def write_files(do: Do, files: Files, base: Sequence[Object], workloads: Sequence[Object], prefix: str) -> None:
    """Write the files of a start as they are."""
    if files.base is not None:
        write_file(do, files.base, base, f"{prefix}/file/base")
    for (service, file), workload in zip(files.workloads.items(), workloads, strict=True):
        write_file(do, file, [workload], f"{prefix}/file/{service}")


def write_file(do: Do, file: Path, objects: Sequence[Object], key: str) -> None:
    """Write objects as one file that kubectl takes."""
    listed: dict[str, Any] = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    content = json.dumps(listed, indent=1).encode()
    do(WriteFile(says=f"write {file}", key=key, path=file, content=content, mode=0o600))


def apply(do: Do, kubectl: Kubectl, file: Path, what: str, key: str, *, forced: bool = False) -> None:
    """Apply a file. forced: fields that somebody else has taken meanwhile are ours all the same (on the way back)."""
    force = ("--force-conflicts",) if forced else ()
    words = ("apply", "--server-side", f"--field-manager={MANAGER}", *force, "-f", str(file))
    do(kubectl.change(*words, says=f"apply {what}", key=key, deadline_seconds=APPLY_SECONDS))


def newest_start(do: Do, folder: Path, made: Composed, besides: str) -> str:
    """Return the release that started a version last, of those whose files are all here: one that died while it wrote them has
    started nothing. ``besides`` is none of them. "" if none is."""

    def whole(release_id: str) -> bool:
        files = files_of(folder, release_id, made)
        return all(file.is_file() for file in (files.base, *files.workloads.values()) if file is not None)

    def look() -> str:
        started = folder / "started"
        there = [d for d in started.iterdir() if d.name != besides and whole(d.name)] if started.is_dir() else []
        return max(there, key=lambda d: d.stat().st_mtime, default=Path()).name

    return do(Read(says=f"look which release started this version last, in {folder}", function=look, untouched=True))


def take_away(do: Do, kubectl: Kubectl, gone: Sequence[Vanished], key: str) -> None:
    """Delete what the version that runs does not have."""
    going = [one for one in gone if not one.kept]
    if going:
        names = [one.identity.address for one in going]
        says = f"take away {', '.join(one.title for one in going)}, which this version does not have"
        words = ("delete", *names, "--ignore-not-found", "--wait=false")
        do(kubectl.change(*words, says=says, key=key, deadline_seconds=APPLY_SECONDS))


def with_numbers(do: Do, files: Files, numbers: Mapping[str, int | None], key: str) -> Files:
    """Return the files of a start with as many pods as is settled now. numbers: {service: number}; None leaves it as it is there."""
    workloads = dict(files.workloads)
    for service, number in numbers.items():
        file = workloads.get(service)
        if file is None:
            continue
        content = do(Read(says=f"read {file}", function=partial(_numbered, file, number), untouched=True))
        if content is not None:
            workloads[service] = file.with_name(f"{file.stem}-settled.json")
            says = f"write {workloads[service]}"
            do(WriteFile(says=says, key=f"{key}/{service}", path=workloads[service], content=content, mode=0o600))
    return replace(files, workloads=workloads)


def without(do: Do, files: Files, stay: Collection[tuple[str, str]], key: str) -> Files:
    """Return the files of a start without the objects that ``stay`` as they are, (kind, name), among what is applied first."""
    if files.base is None or not stay:
        return files
    base = files.base

    def less() -> list[Object]:
        listed = json.loads(base.read_bytes())["items"]
        return [one for one in listed if (one["kind"], name_of(one)) not in stay]

    left: list[Object] = do(Read(says=f"read {base}", function=less, untouched=True, assume=[]))
    if not left:
        return replace(files, base=None)
    file = base.with_name(f"{base.stem}-back.json")
    write_file(do, file, left, f"{key}/back")
    return replace(files, base=file)


def _numbered(file: Path, number: int | None) -> bytes | None:
    """Return the content of a file with another number of pods, None if it has that number."""
    listed = json.loads(file.read_bytes())
    if all(one["spec"].get("replicas") == number for one in listed["items"]):
        return None
    for one in listed["items"]:
        one["spec"].pop("replicas", None)
        one["spec"].update({} if number is None else {"replicas": number})
    return json.dumps(listed, indent=1).encode()


def stop(do: Do, kubectl: Kubectl, file: Path, service: str, key: str) -> None:
    """Apply the workload of ``file``, as a release of ours started it, with no pods: nobody else owns their number afterwards."""

    def none() -> bytes:
        listed = json.loads(file.read_bytes())
        for one in listed["items"]:
            one["spec"].update({"suspend": True} if one["kind"] == "CronJob" else {"replicas": 0})
        return json.dumps(listed, indent=1).encode()

    content = do(Read(says=f"read {file}", function=none, untouched=True))
    stopped = file.with_name(f"{file.stem}-stopped.json")
    do(WriteFile(says=f"write {stopped}", key=f"{key}/file/{service}", path=stopped, content=content, mode=0o600))
    apply(do, kubectl, stopped, f"{service} with no pods", f"{key}/{service}", forced=True)
