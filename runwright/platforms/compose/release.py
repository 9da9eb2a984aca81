"""Puts in place what one version needs to run: its Compose files, its configuration, its override. Stops nothing.

Everything goes into a folder of ours per commit and how it is run, so that a version can be started again when the tree
has long been at another commit. Compose still runs in the user's own folder (--project-directory): data, env files and
whatever else is written relative there mean what they always meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runwright.actions import Command, Do, Read, WriteFile
from runwright.amounts import amount
from runwright.errors import InputError
from runwright.platforms.compose import containers
from runwright.platforms.compose.at_start import migrating
from runwright.platforms.compose.cli import COMPOSE_WITH_OVERRIDE_TAG, Project, compose_version
from runwright.platforms.compose.config import (
    ComposeConfig,
    Mount,
    ServiceConfig,
    check_config,
    read_config,
    require_services,
)
from runwright.platforms.compose.images import Image, image_of, pulled, swallows_command
from runwright.platforms.compose.mounts import Role, refuse_source, relative_to, role, strangers
from runwright.platforms.compose.override import Raw, Replacing, ServiceOverride, override_file
from runwright.platforms.compose.sources import (
    Sources,
    compose_files,
    env_path,
    read_sources,
    top_of,
    tracked_files,
)
from runwright.runbook.targets import ComposeTarget
from runwright.versions import Version

ENV_FILE = "ENV_FILE"
"""What `env_file: ${ENV_FILE:-.env}` asks for; many runbooks call Compose with it (and --env-file) set to one file."""


@dataclass(frozen=True)
class Place:
    """Where a version's files come from and go to."""

    target: ComposeTarget
    tree: Path
    folder: Path
    env: Mapping[str, str]

    @property
    def directory(self) -> Path:
        """The folder that the user runs the application from."""
        return Path(self.target.directory)

    @property
    def top(self) -> Path:
        """The user's folder that stands for the top of the tree."""
        return top_of(self.target)


def env_of(target: ComposeTarget, given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that Compose interpolates from: what is ``given``, and ENV_FILE if the target has one."""
    named = {ENV_FILE: str(Path(target.directory) / target.env_file)} if target.env_file else {}
    return {**named, **given}


def project_in_tree(do: Do, place: Place) -> tuple[Project, Sources]:
    """Return the project as the tree's files say, run in the user's folder, and what those files name.

    Raise InputError if the folder, a file or the env file is missing.
    """
    target, directory = place.target, place.directory
    names = compose_files(do, target, place.tree)
    sources = read_sources(do, place.tree, names)
    wanted = directory / (target.env_file or ".env")
    there, has_env = do(Read(says=f"look into {directory}", function=lambda: (directory.is_dir(), wanted.is_file())))
    if not there or (target.env_file and not has_env):
        raise InputError(
            f"{wanted if there else directory} is not there.",
            next="Correct `directory` and `env_file` of the target; the env file is never written by us.",
        )
    project = Project(
        name=target.project,
        directory=directory,
        files=tuple(place.tree / name for name in names),
        env_files=(wanted,) if has_env else (),
        profiles=tuple(target.profiles),
        env=env_of(target, place.env),
    )
    return project, sources


def put_in_place(do: Do, place: Place, services: Mapping[str, str], version: Version, prefix: str) -> Version:
    """Return ``version`` with what is needed to start it. ``services`` is {service: component}.

    Raise ActionError if an image is missing or Compose refuses the files, RefusedError if a mount is not safe.
    """
    compose = compose_version(do)
    _require_commit(do, place.tree, version.commit)
    project, sources = project_in_tree(do, place)
    config = read_config(do, project)
    require_services(config, services, project)
    copies = _Copies(do, place, config, sources, compose >= COMPOSE_WITH_OVERRIDE_TAG)
    overrides = {name: copies.of(config.services[name]) for name in services}
    overrides |= copies.of_others(services)
    top = copies.top_level()

    images = _images(do, place, services, version, prefix)
    for name, override in overrides.items():
        if name in services:
            override.image = images[name].id
            override.labels = labels(version)
    _write(do, place, project, copies, override_file(overrides, top), prefix)

    kept = replace(project, files=tuple(place.folder / "tree" / f.relative_to(place.tree) for f in project.files))
    kept = kept.plus(place.folder / "override.yml")
    check_config(do, kept)
    told = {
        "migrates_at_start": migrating(do, config.services, services, images, place.tree),
        "run_once": sorted(config.run_once),
        "left_out": copies.left_out,
    }
    return replace(version, extra={**version.extra, **facts(kept, config, services, images), **told})


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


def labels(version: Version) -> dict[str, str]:
    """Return the labels that every container of ``version`` carries; the release's own is added when it starts."""
    return {
        containers.COMMIT: version.commit,
        containers.SYSTEM: version.system,
        containers.ENVIRONMENT: version.environment,
    }


def facts(
    project: Project, config: ComposeConfig, services: Mapping[str, str], images: Mapping[str, Image]
) -> dict[str, Any]:
    """Return what a version keeps in ``extra``: enough to start it again. No secrets."""
    return {
        **project.as_json(),
        "images": {name: images[name].id for name in services},
        "dependencies": list(config.needed_by(services)),
        "others": [name for name in config.services if name not in services and name not in config.run_once],
        "replicas": {n: r for n in services if (r := config.services[n].replicas) is not None},
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


def _write(do: Do, place: Place, project: Project, copies: _Copies, override: bytes, prefix: str) -> None:
    names = sorted({*copies.files, *(str(f.relative_to(place.tree)) for f in project.files)})
    do(
        Command(
            says=f"keep this version's Compose files and configuration ({amount(len(names), 'file')}) in {place.folder}",
            key=f"{prefix}/files",
            argv=(
                *("git", "-C", str(place.tree), "checkout-index", "--force", "-z", "--stdin"),
                f"--prefix={place.folder}/tree/",
            ),
            stdin=b"\0".join(name.encode() for name in names) + b"\0",
        )
    )
    path = place.folder / "override.yml"
    do(WriteFile(says=f"write {path}", key=f"{prefix}/override", path=path, content=override, mode=0o600))


class _Copies:
    """Decides about everything that is mounted, and collects the tracked files that the release keeps copies of."""

    def __init__(self, do: Do, place: Place, config: ComposeConfig, sources: Sources, can_replace: bool) -> None:
        self.files: set[str] = set()
        self.left_out: list[str] = []
        """The mounts of source code that are taken out, as phrases."""
        self._do = do
        self._place = place
        self._config = config
        self._sources = sources
        self._can_replace = can_replace
        self._tracked = tracked_files(do, place.tree, self._named())

    def _named(self) -> Iterable[str]:
        mounts = [m.source for s in self._config.services.values() for m in s.mounts if m.kind == "bind"]
        for source in (*mounts, *self._config.configs.values(), *self._config.secrets.values()):
            if (path := relative_to(self._place.top, source)) is not None:
                yield path
        for entries in self._sources.env_files.values():
            yield from (path for e in entries if (path := self._env_path(e)) is not None)

    def _env_path(self, entry: Any) -> str | None:
        path = env_path(entry)
        return None if "$" in path else relative_to(self._place.top, str(self._place.directory / path))

    def of(self, service: ServiceConfig) -> ServiceOverride:
        """Return what the release says about an application service's mounts and env files."""
        override = ServiceOverride()
        removed = False
        for mount in service.mounts:
            what = role(mount, service.build, self._place.top, self._tracked)
            if what is Role.SOURCE and self._removes(service, mount):
                self.left_out.append(f"{mount.source} on {mount.target} of {service.name}")
                removed = True
            if what is Role.CONFIG and not self._holds_data(mount):
                override.volumes.append(self._copied(mount))
        if removed:
            override.volumes = Replacing(self._all_but_source(service, override.volumes))
        override.env_file = self._env_files(service.name)
        return override

    def of_others(self, services: Iterable[str]) -> dict[str, ServiceOverride]:
        """Return what the release says about the other services: copies of tracked files that the user's folder lacks."""
        found = {}
        for service in self._config.services.values():
            if service.name in services:
                continue
            mounts = [m for m in service.mounts if self._only_in_tree(m)]
            if mounts:
                found[service.name] = ServiceOverride(volumes=[self._copied(m) for m in mounts])
        return found

    def top_level(self) -> dict[str, dict[str, str]]:
        """Return the files of the top-level configs and secrets that git tracks, as copies."""
        found: dict[str, dict[str, str]] = {"configs": {}, "secrets": {}}
        for section, files in (("configs", self._config.configs), ("secrets", self._config.secrets)):
            for name, file in files.items():
                path = relative_to(self._place.top, file)
                if path is not None and path in self._tracked.files:
                    found[section][name] = self._copy(path)
        return found

    def _removes(self, service: ServiceConfig, mount: Mount) -> bool:
        if self._place.target.allow_source_mounts:
            return False
        if not self._can_replace:
            raise refuse_source(service.name, mount, "Compose 2.24.4 or newer could leave it out; this one is older.")
        if not mount.read_only and (found := self._strangers(mount, but=self._checked_out(mount))):
            raise refuse_source(
                service.name, mount, f"It also holds files that git does not track: {', '.join(found)}."
            )
        return True

    def _all_but_source(self, service: ServiceConfig, copied: list[Any]) -> list[Any]:
        by_target = {m["target"]: m for m in copied}
        kept = [m for m in service.mounts if role(m, service.build, self._place.top, self._tracked) is not Role.SOURCE]
        return [by_target.get(m.target, dict(m.raw)) for m in kept]

    def _holds_data(self, mount: Mount) -> bool:
        return not mount.read_only and bool(self._strangers(mount))

    def _checked_out(self, mount: Mount) -> frozenset[str]:
        """Return the files under a mount that git tracks in the user's own folder: it may be at another commit."""
        path = relative_to(self._place.top, mount.source) or "."
        return tracked_files(self._do, self._place.top, [path], elsewhere=True).files

    def _strangers(self, mount: Mount, but: frozenset[str] = frozenset()) -> tuple[str, ...]:
        path = relative_to(self._place.top, mount.source) or "."
        known = {*self._tracked.under(path), *but}
        return self._do(
            Read(
                says=f"look for data in {mount.source}",
                function=lambda: strangers(self._place.top, path, known),
            )
        )

    def _only_in_tree(self, mount: Mount) -> bool:
        path = relative_to(self._place.top, mount.source)
        if mount.kind != "bind" or path is None or not self._tracked.under(path):
            return False
        return not self._do(Read(says=f"look for {mount.source}", function=Path(mount.source).exists))

    def _copied(self, mount: Mount) -> dict[str, Any]:
        path = relative_to(self._place.top, mount.source) or "."
        return {**mount.raw, "source": self._copy(path)}

    def _copy(self, path: str) -> str:
        self.files |= set(self._tracked.under(path))
        return str(self._place.folder / "tree" / path)

    def _env_files(self, service: str) -> list[Any]:
        entries = self._sources.env_files.get(service, ())
        tracked = {str(e): p for e in entries if (p := self._env_path(e)) is not None and p in self._tracked.files}
        if not tracked:
            return []
        copies = {entry: self._copy(path) for entry, path in tracked.items()}
        if not self._can_replace:  # they are read after the user's own and so win
            return list(copies.values())
        return Replacing(copies.get(str(e), Raw(e)) for e in entries)
