"""Puts in place what one version needs to run: its Compose files, its configuration, its override. Stops nothing.

Everything goes into a folder of ours per commit and how it is run, so that a version can be started again when the tree
has long been at another commit. Compose still runs in the user's own folder (--project-directory): data, env files and
whatever else is written relative there mean what they always meant.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from runwright.engine.actions import Command, Do, Read, WriteFile
from runwright.engine.there.paths import Path
from runwright.errors import InputError, NotBuiltError, RefusedError
from runwright.platforms.compose import containers
from runwright.platforms.compose.at_start import Look, before_it, migrating
from runwright.platforms.compose.claims import claims, refuse_claimed
from runwright.platforms.compose.cli import COMPOSE_WITH_OVERRIDE_TAG, Project, compose_version
from runwright.platforms.compose.config import (
    ComposeConfig,
    ServiceConfig,
    read_config,
    refusal,
    require_services,
)
from runwright.platforms.compose.copies import Copies, Place
from runwright.platforms.compose.images import Image, image_of, pulled, swallows_command
from runwright.platforms.compose.lacking import require_files
from runwright.platforms.compose.left_out import kept as kept_services
from runwright.platforms.compose.left_out import require_same
from runwright.platforms.compose.override import override_file
from runwright.platforms.compose.rehearsal import rehearse
from runwright.platforms.compose.sources import (
    BY_ITSELF,
    Named,
    Sources,
    compose_files,
    read_sources,
    require_one_environment,
)
from runwright.plural import plural
from runwright.runbook.platforms.compose import ComposeTarget
from runwright.versions import Artifact, Version

PUT_TOGETHER = ".runwright-compose.yaml"
"""The one file that Compose makes of those of a version that take parts from others."""

ENV_FILE = "ENV_FILE"
"""What `env_file: ${ENV_FILE:-.env}` asks for; many runbooks call Compose with it (and --env-file) set to one file."""
NOTHING_FROM_ELSEWHERE = {f"COMPOSE_EXPERIMENTAL_{kind}_REMOTE": "false" for kind in ("GIT", "OCI")}
"""Files of other repositories and registries are no part of the commit: Compose is not to fetch them, not even for a plan."""


def env_of(target: ComposeTarget, given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that Compose is called with: what is ``given``, and ENV_FILE if the target has one."""
    named = {ENV_FILE: str(Path(target.directory) / target.env_file)} if target.env_file else {}
    return {**named, **given, **NOTHING_FROM_ELSEWHERE}


@dataclass(frozen=True)
class InTree:
    """A project as the tree's files say, run in the user's folder; what those files name; and who names them."""

    project: Project
    sources: Sources
    named: Named


def project_in_tree(do: Do, place: Place) -> InTree:
    """Return the project as the tree's files say. Raise InputError if the folder, a file or the env file is missing.

    Files that take parts from others (`include`, `extends`) are put together by Compose, in the tree, so that each part is the
    version's own.
    """
    target, directory = place.target, place.directory
    wanted = directory / (target.env_file or ".env")
    there, has_env = do(Read(says=f"look into {directory}", function=lambda: (directory.is_dir(), wanted.is_file())))
    if not there or (target.env_file and not has_env):
        raise InputError(
            f"{wanted if there else directory} is not there.",
            next="Correct `directory` and `env_file` of the target; the env file is never written by us.",
        )
    env_files = (wanted,) if has_env else ()
    env = env_of(target, place.env)
    named = compose_files(do, target, place.tree, env_files, env)
    project = Project(
        name=target.project,
        directory=named.directory,
        files=tuple(place.tree / name for name in named.names),
        env_files=env_files,
        profiles=tuple(target.profiles),
        env=env,
    )
    sources = read_sources(do, place.tree, named.names)
    if sources.elsewhere:
        require_one_environment(do, sources, named.directory)
        project = _put_together(do, place, project, sources)
        sources = read_sources(do, place.scratch, [PUT_TOGETHER])
    return InTree(project, sources, named)


def _put_together(do: Do, place: Place, project: Project, sources: Sources) -> Project:
    """Return ``project`` with one file in place of those that take parts from others: variables stay in it, secrets do not."""
    if compose_version(do) < COMPOSE_WITH_OVERRIDE_TAG:
        raise NotBuiltError(
            f"The Compose files take parts from other files ({'; '.join(sources.elsewhere)}), and this Compose cannot put them "
            "together without filling in secrets; 2.24.4 or newer can.",
            next="Update the `docker compose` plugin, or list those files in `files` of the target instead.",
        )
    file = place.scratch / PUT_TOGETHER
    here = place.tree / project.directory.relative_to(place.top)
    do(
        Command(
            says=f"let Compose put together {', '.join(f.name for f in project.files)} and what they take from other files",
            argv=replace(project, directory=here).argv("config", "--no-interpolate", "--no-path-resolution"),
            env=project.env,
            stdout_to=file,
            ok=frozenset(range(256)),
            parse=refusal,
        )
    )
    return replace(project, files=(file,))


def put_in_place(
    do: Do, place: Place, services: Mapping[str, str], version: Version, prefix: str, before: Version | None = None
) -> Version:
    """Return ``version`` with what is needed to start it. ``services`` is {service: component}. before: what serves.

    Raise ActionError if an image is missing or Compose refuses the files, RefusedError if a mount is not safe.
    """
    compose = compose_version(do)
    _require_commit(do, place.tree, version.commit)
    found = project_in_tree(do, place)
    project, sources = found.project, found.sources
    differs = started_from_others(do, place, found, services)
    config = read_config(do, project)
    require_services(config, services, project)
    claimed = claims(do, place.target, project.directory, config)
    refuse_claimed(claimed)
    images = _images(do, place, services, version, prefix)
    copies = Copies(
        do, place, project.directory, config, sources, images, can_replace=compose >= COMPOSE_WITH_OVERRIDE_TAG
    )
    overrides = {name: copies.of(config.services[name]) for name in services}
    overrides |= copies.of_others(services)
    top = copies.top_level()

    left = [name for name, component in services.items() if component in version.left_out]
    if left and before is not None:
        require_same(do, place, project, before, overrides, left)
    for name, override in overrides.items():
        if name in services:
            override.image = images[name].id
            override.labels = labels(version, version.artifact(services[name]))
    _write(do, place, project, copies, override_file(overrides, top), prefix)

    made = place.scratch / PUT_TOGETHER
    files = (f.name if f == made else f.relative_to(place.tree) for f in project.files)
    kept = replace(project, files=tuple(place.folder / "tree" / f for f in files))
    kept = kept.plus(place.folder / "override.yml")
    rendered = read_config(do, kept)
    require_files(do, rendered, services)
    there = containers.containers_of(do, place.target.project) or ()
    # where nothing is replaced yet, what it depends on may not be there either; before 2.24.4 a rehearsal tells less
    if compose >= COMPOSE_WITH_OVERRIDE_TAG and any(c.service in services and not c.oneoff for c in there):
        rehearse(do, kept, services)
    look = Look(place.tree, place.top)
    mounts = {name: _mounted(rendered.services[name], images[name], copies) for name in services}
    told = {
        **(kept_services(version, before, services, mounts) if left and before is not None else {}),
        "mounts": mounts,
        "kept_mounted": copies.kept,
        "behind": copies.behind(services),
        "other_files": differs,
        "claimed": [claim.says for claim in claimed],
        "migrates_at_start": migrating(do, config.services, services, images, look),
        "run_once_migrates": before_it(do, config, images, look),
        "left_out": copies.left_out,
    }
    return replace(version, extra={**version.extra, **facts(kept, config, services, images), **told})


def started_from_others(do: Do, place: Place, found: InTree, services: Mapping[str, str]) -> str:
    """Return, as a sentence, from which other Compose files the application's containers were started by hand; "" from the same.

    Raise RefusedError if nobody has said which files are meant: what Compose takes by itself is not what runs.
    """
    base = found.project.directory
    mine = [os.path.relpath(str(place.top / name), str(base)) for name in found.named.names]
    started = {
        tuple(os.path.relpath(file, container.directory) for file in container.files)
        for container in containers.containers_of(do, place.target.project) or ()
        if container.service in services
        and container.directory
        and not (container.oneoff or container.release or container.meant_name)
    }
    others = sorted(", ".join(files) for files in started if files and list(files) != mine)
    if not others:
        return ""
    told = f"What runs was started from {' and from '.join(others)}; this version is from {', '.join(mine)}"
    if found.named.by == BY_ITSELF:
        raise RefusedError(
            f"{told}, which Compose takes by itself: settings would be lost that nobody has given up.",
            state="Nothing was started or stopped.",
            next="List the files that are meant, in their order, in `files` of the target; or name them in COMPOSE_FILE in the "
            "application's env file.",
        )
    return f"{told} ({found.named.by})."


def _require_commit(do: Do, tree: Path, commit: str) -> None:
    head = do(
        Command(
            says=f"ask git which commit {tree} is at",
            argv=("git", "-C", str(tree), "rev-parse", "--verify", "HEAD"),
            parse=lambda output: output.text.strip(),
            assume=commit,
        )
    )
    if head != commit:
        raise InputError(
            f"{tree} is at commit {head[:12]}, not at {commit[:12]}.",
            next="Somebody else may work in that folder; nobody but Runwright may. Run again.",
        )


def labels(version: Version, artifact: Artifact | None = None) -> dict[str, str]:
    """Return the labels that every container of ``version`` (that runs ``artifact``) carries; the release's own is added when
    it starts."""
    return {
        containers.COMMIT: artifact.commit if artifact is not None and artifact.ref else version.commit,
        containers.SYSTEM: version.system,
        containers.ENVIRONMENT: version.environment,
    }


def _mounted(service: ServiceConfig, image: Image, copies: Copies) -> dict[str, str]:
    """Return {path in the container: what is mounted there} as the release has planned it; "" for a nameless volume."""
    planned = dict.fromkeys(image.volumes, "")
    return planned | {m.target: m.source for m in copies.mounts_of(service) if m.kind in ("bind", "volume")}


def facts(
    project: Project, config: ComposeConfig, services: Mapping[str, str], images: Mapping[str, Image]
) -> dict[str, Any]:
    """Return what a version keeps in ``extra``: enough to start it again. No secrets."""
    return {
        **project.as_json(),
        "images": {name: images[name].id for name in services},
        "dependencies": list(config.needed_by(services)),
        "others": [name for name in config.services if name not in services and name not in config.run_once],
        "replicas": {n: r for n, s in config.services.items() if (r := s.replicas) is not None},
        "followers": config.followers(project.name),
        "unordered": config.unordered(project.name),
        "run_once": sorted(config.run_once),
        "names": {n: s.container_name for n, s in config.services.items() if s.container_name},
        "published": {n: [list(p) for p in found] for n in services if (found := config.services[n].published)},
        "bare": [n for n in services if swallows_command(_entrypoint(config.services[n], images[n]))],
    }


def _entrypoint(service: ServiceConfig, image: Image) -> tuple[str, ...]:
    return image.entrypoint if service.entrypoint is None else service.entrypoint


def _images(do: Do, place: Place, services: Mapping[str, str], version: Version, prefix: str) -> dict[str, Image]:
    references = {c: version.artifact(c).reference for c in dict.fromkeys(services.values())}
    here = {component: image_of(do, reference) for component, reference in references.items()}
    found = {
        component: image or _pulled(do, version, component, references[component], prefix, place.env)
        for component, image in here.items()
    }
    return {name: found[component] for name, component in services.items()}


def pull_missing(do: Do, version: Version, prefix: str, env: Mapping[str, str]) -> None:
    """Pull what ``version``, which was put in place before, has in a registry and not on this machine any more.

    Where its images are here, no registry is asked: it may be away. Raise ActionError if one cannot be pulled.
    """
    ids = dict.fromkeys(version.extra["images"].values())
    if all(image_of(do, image, assume=Image(image)) for image in ids):
        return
    for artifact in version.artifacts:
        if "@" in artifact.reference and image_of(do, artifact.reference) is None:
            _pulled(do, version, artifact.component, artifact.reference, prefix, env)


def _pulled(do: Do, version: Version, component: str, reference: str, prefix: str, env: Mapping[str, str]) -> Image:
    keep_as = f"runwright/{version.system}-{component}:{version.commit[:12]}"
    return pulled(do, reference, keep_as, f"{prefix}/image/{component}", env)


def _write(do: Do, place: Place, project: Project, copies: Copies, override: bytes, prefix: str) -> None:
    made = place.scratch / PUT_TOGETHER
    wanted = [f for f in project.files if f != made]

    def with_targets() -> set[str]:
        """A file that is a link needs what it leads to as well."""
        files = [inside for f in wanted for inside in (f, f.resolve()) if inside.is_relative_to(place.tree)]
        return {str(f.relative_to(place.tree)) for f in files}

    named = do(Read(says="look where the Compose files are", function=with_targets))
    names = sorted(copies.files | named)
    do(
        Command(
            says=f"keep this version's Compose files and configuration ({plural(len(names), 'file')}) in {place.folder}",
            key=f"{prefix}/files",
            argv=(
                *("git", "-C", str(place.tree), "checkout-index", "--force", "-z", "--stdin"),
                f"--prefix={place.folder}/tree/",
            ),
            stdin=b"".join(name.encode() + b"\0" for name in names),
        )
    )
    files = {place.folder / "override.yml": override}
    if made in project.files:
        files[place.folder / "tree" / PUT_TOGETHER] = do(Read(says=f"read {made}", function=made.read_bytes))
    for path, content in files.items():
        key = f"{prefix}/{'override' if path.name == 'override.yml' else 'compose'}"
        do(WriteFile(says=f"write {path}", key=key, path=path, content=content, mode=0o600))
