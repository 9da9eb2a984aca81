"""Services of components that are left out of a release: their containers run on, so the new files must mean the same for them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from runwright.engine.actions import Do, Output, Read
from runwright.engine.there.paths import Path, walk
from runwright.errors import RefusedError
from runwright.platforms.compose.cli import Project
from runwright.platforms.compose.config import refusal, rendered
from runwright.platforms.compose.copies import Place
from runwright.platforms.compose.override import ServiceOverride
from runwright.platforms.shape import ServiceFact
from runwright.plural import few
from runwright.versions import Version

_OF_THE_RELEASE = ("build", "image", "pull_policy", "depends_on", "profiles")
"""What the file says of a service that changes nothing for a container which runs on."""


def commit_of(version: Version, service: str) -> str:
    """Return the commit that a container of ``service`` carries which runs in place: another one where it was left out."""
    return str(version.extra.get("commits", {}).get(service, version.commit))


def ways_to_mount(version: Version, service: str) -> list[dict[str, str]]:
    """Return what may be mounted into a container of ``service``, {path in it: from where}; nothing where that is not known.

    One that was left out has what it was started with, or, once it was started again, what this version says.
    """
    planned: dict[str, str] | None = version.extra.get("mounts", {}).get(service)
    return [] if planned is None else [planned, *version.extra.get("mounts_before", {}).get(service, ())]


def kept(version: Version, before: Version, services: Mapping[str, str], mounts: dict[str, Any]) -> dict[str, Any]:
    """Return what ``version`` keeps of the services that are left out: commits, and what is mounted as they run.

    Where ``before`` does not know what is mounted, it is taken out of ``mounts``: nobody can compare it.
    """
    left = [name for name, component in services.items() if component in version.left_out]
    before_them = {name: ways_to_mount(before, name) for name in left}
    for name in left:
        if not before_them[name]:
            mounts.pop(name, None)
    return {
        "commits": {name: version.artifact(services[name]).commit for name in left},
        "mounts_before": {name: ways for name, ways in before_them.items() if ways},
    }


def require_same(
    do: Do,
    place: Place,
    now: Project,
    before: Version,
    overrides: Mapping[str, ServiceOverride],
    left: Iterable[str],
) -> None:
    """Raise RefusedError if the files of ``now`` say other things of the services ``left`` out than those they were started by.

    They would run otherwise as soon as they are started again, by a way back. overrides: what is mounted as a copy.
    """
    files = [Path(file) for file in before.extra["files"]]
    then = replace(now, files=tuple(files[:-1]))  # the last one is ours
    said, says = _said(do, then), _said(do, now)
    for name in left:
        what = "the Compose files say of it" if said.get(name) != says.get(name) else ""
        what = what or _changed(do, place, files[-1].parent / "tree", overrides[name])
        if what:
            raise RefusedError(
                f"{name} is left out, and what {what} is not what it was released with: it would be another one as soon as it "
                "is started again.",
                state="Nothing was changed.",
                next=f"Release the component of {name} too, or all components.",
            )


def _said(do: Do, project: Project) -> dict[str, str]:
    """Return {service: a fingerprint of what the files say of it}."""

    def parse(output: Output) -> dict[str, str]:
        refusal(output)
        services = json.loads(output.stdout).get("services") or {}
        return {name: _fingerprint(said or {}) for name, said in services.items()}

    return do(rendered(project, parse, interpolate=True))


def _fingerprint(said: Mapping[str, Any]) -> str:
    own = {key: value for key, value in said.items() if key not in _OF_THE_RELEASE}
    return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()


def _changed(do: Do, place: Place, before: Path, override: ServiceOverride) -> str:
    """Return which files of the repository that a service is given have changed, as a phrase; "" if none has."""
    copies = [
        entry["source"] if isinstance(entry, Mapping) else entry for entry in (*override.volumes, *override.env_file)
    ]
    ours = place.folder / "tree"
    paths = [
        os.path.relpath(copy, str(ours)) for copy in copies if isinstance(copy, str) and Path(copy).is_relative_to(ours)
    ]

    def look() -> list[str]:
        return [path for path in paths if not _same(place.tree / path, before / path, place.top / path)]

    changed = do(Read(says="compare the files that left-out services are given", function=look)) if paths else []
    return f"{few(changed)} says" if changed else ""


def _same(now: Path, copy: Path, users: Path) -> bool:
    """Return whether each file of ``now`` is the same in what was mounted: our copy, or, of what we never released, the user's own."""
    then = copy if copy.exists() else users
    below = (folder / name for folder, _, names in walk(now) for name in names)
    files = [path for path in below if path.is_file()] if now.is_dir() else [now]
    others = [then / path.relative_to(now) if now.is_dir() else then for path in files]
    return all(b.is_file() and a.read_bytes() == b.read_bytes() for a, b in zip(files, others, strict=True))


def mounted_otherwise(version: Version, fact: ServiceFact) -> tuple[str, ...]:
    """Return, as phrases, what is mounted into an instance and was not planned for ``version``, by the way that comes nearest."""
    found = [_besides(fact, planned) for planned in ways_to_mount(version, fact.service)]
    return min(found, key=len, default=())


def _besides(fact: ServiceFact, planned: Mapping[str, str]) -> tuple[str, ...]:
    wanted = {os.path.normpath(target): source for target, source in planned.items()}
    return tuple(
        f"{fact.instance} has {source} mounted on {target}"
        for source, target in fact.mounts
        if not _as_planned(source, wanted.get(os.path.normpath(target)))
    )


def _as_planned(source: str, wanted: str | None) -> bool:
    """Return whether a mount comes from where it was to come from; "" stands for a volume without a name."""
    if not wanted:
        return wanted == "" and not source.startswith("/")
    return source == wanted or Path(source).resolve() == Path(wanted).resolve()
