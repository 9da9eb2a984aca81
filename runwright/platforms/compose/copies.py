"""Decides about everything that is mounted, and collects the tracked files that the release keeps copies of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from runwright.engine.actions import Do, Read
from runwright.engine.there.paths import Path
from runwright.errors import RefusedError
from runwright.platforms.compose.at_start import start_of
from runwright.platforms.compose.config import ComposeConfig, Mount, ServiceConfig
from runwright.platforms.compose.containers import all_volumes, containers_of, inspect
from runwright.platforms.compose.contents import File, contents, file_on_host
from runwright.platforms.compose.images import Image
from runwright.platforms.compose.mounts import (
    Tracked,
    covered,
    different,
    few,
    is_binary,
    is_program,
    refuse_mount,
    refuse_program,
    relative_to,
    strangers,
)
from runwright.platforms.compose.override import Raw, Replacing, ServiceOverride
from runwright.platforms.compose.sources import Sources, changed_files, env_path, top_of, tracked_files
from runwright.runbook.platforms.compose import ComposeTarget


@dataclass(frozen=True)
class Place:
    """Where a version's files come from and go to. scratch: a folder of ours for what is made on the way."""

    target: ComposeTarget
    tree: Path
    folder: Path
    env: Mapping[str, str]
    scratch: Path

    @property
    def directory(self) -> Path:
        """The folder that the user runs the application from."""
        return Path(self.target.directory)

    @property
    def top(self) -> Path:
        """The user's folder that stands for the top of the tree."""
        return top_of(self.target)


class Copies:
    """What a release says about the mounts of a version's services, and which tracked files it keeps copies of."""

    def __init__(
        self,
        do: Do,
        place: Place,
        directory: Path,
        config: ComposeConfig,
        sources: Sources,
        images: Mapping[str, Image],
        *,
        can_replace: bool,
    ) -> None:
        self.files: set[str] = set()
        self.left_out: list[str] = []
        """The mounts over code of the image that are taken out, as phrases."""
        self.kept: list[str] = []
        """The mounts over code of the image that stay because the runbook says so, as phrases."""
        self._do = do
        self._place = place
        self._directory = directory
        self._config = config
        self._sources = sources
        self._images = images
        self._can_replace = can_replace
        self._tracked = tracked_files(do, place.tree)

    # ------------------------------------------------------------------------------------------- application services

    def of(self, service: ServiceConfig) -> ServiceOverride:
        """Return what the release says about an application service's mounts and env files.

        Raise RefusedError if something is mounted over the image's own code that nobody has decided about.
        """
        override, image = ServiceOverride(), self._images[service.name]
        mounts = [m for m in self.mounts_of(service) if not self._is_copied_anyway(m)]
        hidden = self._hidden(mounts, image)
        out = [m for m in mounts if hidden[m.target] and self._leaves_out(service, m, hidden[m.target])]
        # a nameless volume in a folder that is mounted no more was there to shield the image's own files from the mount
        out += [m for m in mounts if m not in out and m.own and _shields(m, out)]
        copied = {m.target: self._copied(m) for m in mounts if m.own and not hidden[m.target] and self._is_config(m)}
        override.volumes = list(copied.values())
        if out:
            self.left_out += [f"{_called(m)} on {m.target} of {service.name}" for m in out]
            left = [m for m in service.mounts if m not in out]
            override.volumes = Replacing(copied.get(m.target, dict(m.raw)) for m in left)
        self._refuse_carried_over(service, mounts, image)
        self._refuse_programs(service, [m for m in mounts if not hidden[m.target]], image)
        override.env_file = self._env_files(service.name)
        return override

    def mounts_of(self, service: ServiceConfig) -> tuple[Mount, ...]:
        """Return everything that is mounted into ``service``: its own list, configs, secrets, and what it gets from others."""
        others = inspect(service.mounts_of_containers) if service.mounts_of_containers else None
        found = self._do(others) if others else ()
        inherited = [
            Mount("bind" if source.startswith("/") else "volume", source, target, False, own=False)
            for container in found or ()
            for source, target in container.mounts
        ]
        return (*service.mounts, *service.mounted_otherwise, *inherited)

    def _hidden(self, mounts: Iterable[Mount], image: Image) -> dict[str, dict[str, File]]:
        """Return {path in the container: the files that the image has there from the repository}."""
        targets = {m.target: self._inside(m) for m in mounts}
        wanted = [m.target for m in mounts if m.kind in ("bind", "volume") and m.target != "/"]
        held = contents(self._do, image.id, wanted, (), self._place.scratch, self._tracked.algorithm).image
        return {
            target: covered(held.get(target, {}), target, path, self._tracked, image.folder)
            for target, path in targets.items()
        }

    def _inside(self, mount: Mount) -> str | None:
        """Return where in the repository a mount comes from, or None."""
        return relative_to(self._place.top, mount.source) if mount.kind == "bind" else None

    def _is_copied_anyway(self, mount: Mount) -> bool:
        """Return whether a mount is one of the `configs` or `secrets` that `top_level` gives the version's own file."""
        named = {*self._config.configs.values(), *self._config.secrets.values()}
        return not mount.own and mount.source in named and self._inside(mount) in self._tracked.files

    def _leaves_out(self, service: ServiceConfig, mount: Mount, hidden: Mapping[str, File]) -> bool:
        """Return whether a mount over ``hidden`` is left out; if not, it stays. Raise RefusedError if it may do neither."""
        choice = self._choice(mount)
        if choice == "keep":
            self.kept.append(f"{_called(mount)} on {mount.target} of {service.name} ({few(hidden)})")
            return False
        reason = "" if choice == "leave_out" else self._undecided(mount, hidden)
        if reason is None:
            return False
        if not reason and not mount.own:
            reason = "It is not one of the service's own `volumes`, so it cannot be left out."
        if not reason and not self._can_replace:
            reason = "Compose 2.24.4 or newer could leave it out; this one is older."
        if reason:
            raise refuse_mount(service.name, mount, hidden, reason, self._name(mount))
        return True

    def _undecided(self, mount: Mount, hidden: Mapping[str, File]) -> str | None:
        """Return why nobody but a person can say what becomes of a mount; "" if it is left out, None if it stays."""
        programs = any(is_program(PurePosixPath(mount.target, name).name, file) for name, file in hidden.items())
        if mount.kind == "volume" and not mount.source:
            return "" if programs else None
        if self._in_git(mount):
            data = () if mount.read_only else self._data(mount)
            if not data:
                return ""
            if not programs and not self._different(mount, hidden):
                return None
            return f"It also holds files that git does not have: {', '.join(data)}."
        others = self._different(mount, hidden)
        if mount.kind == "bind" and programs:
            return "Git does not have what is mounted, and it may change at any time."
        return f"It does not hold the same files: {few(others)}." if others else None

    def _choice(self, mount: Mount) -> str:
        if self._place.target.allow_source_mounts and mount.kind == "bind":
            return "keep"
        said = {name.removeprefix("./").rstrip("/") or name: what for name, what in self._place.target.mounts.items()}
        return said.get(self._name(mount)) or said.get(mount.source) or said.get(str(mount.raw.get("source"))) or ""

    def _name(self, mount: Mount) -> str:
        return self._inside(mount) or str(mount.raw.get("source") or mount.source or mount.target)

    def _in_git(self, mount: Mount) -> bool:
        path = self._inside(mount)
        return path is not None and bool(self._tracked.under(path) or self._checked_out.under(path))

    @cached_property
    def _checked_out(self) -> Tracked:
        """What git tracks in the user's own folder: it may be at another commit."""
        return tracked_files(self._do, self._place.top, elsewhere=True)

    def _different(self, mount: Mount, hidden: Mapping[str, File]) -> tuple[str, ...]:
        """Return those of the image's files ``hidden`` that are others, or not there, in what is mounted over them."""
        if mount.kind == "bind":
            source, algorithm = Path(mount.source), self._tracked.algorithm
            return self._do(
                Read(
                    says=f"compare {mount.source} with the image",
                    function=lambda: different(
                        hidden, {name: file_on_host(source / name, algorithm) for name in hidden}
                    ),
                )
            )
        return self._different_in(mount.source, hidden)

    def _different_in(self, volume: str, hidden: Mapping[str, File]) -> tuple[str, ...]:
        if volume not in self._volumes:
            return ()  # Docker fills a new one from the image
        held = self._look_into(volume)
        return different(hidden, {name: file.digest for name, file in held.items()}) if held else ()

    def _look_into(self, volume: str) -> Mapping[str, File]:
        image = next(iter(self._images.values())).id  # any will do: it is not started
        return contents(self._do, image, (), [volume], self._place.scratch, self._tracked.algorithm).volumes[volume]

    @cached_property
    def _volumes(self) -> frozenset[str]:
        return all_volumes(self._do)

    # ----------------------------------------------------------------------------------------------------- the others

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

    def behind(self, services: Iterable[str]) -> list[str]:
        """Return of which other services the user's folder has other files mounted than this version, as phrases.

        A release leaves them alone: they go on with what is there, such as a proxy's configuration, or pages that it serves.
        """
        found = []
        for service in self._config.services.values():
            for mount in () if service.name in services else service.mounts:
                path = self._inside(mount)
                if path is None or self._only_in_tree(mount):
                    continue
                files = {"." if f == path else os.path.relpath(f, path): f for f in self._tracked.under(path)}
                others = self._different(mount, {name: File(self._tracked.ids.get(f, "")) for name, f in files.items()})
                if others:
                    found.append(f"{few(files[name] for name in others)} of {service.name}")
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

    # ------------------------------------------------------------------------------------------------------- details

    def _refuse_carried_over(self, service: ServiceConfig, mounts: Iterable[Mount], image: Image) -> None:
        """Raise RefusedError if the image has code where it declares a VOLUME, and the one that runs holds other code there.

        Compose gives a new container the nameless volumes of the one that it replaces.
        """
        taken = {m.target for m in mounts}
        there = containers_of(self._do, self._place.target.project) if set(image.volumes) - taken else ()
        volumes = [
            Mount("volume", source, target, False, own=False)
            for container in there or ()
            if container.service == service.name and not container.oneoff
            for source, target in container.mounts
            if target in image.volumes and target not in taken
        ]
        hidden = self._hidden(volumes, image)
        for mount in volumes:
            if (found := hidden[mount.target]) and self._choice(mount) != "keep":
                others = self._different(mount, found)
                if others:
                    reason = f"The image declares it a VOLUME, and the one of now does not hold the same files: {few(others)}."
                    raise refuse_mount(service.name, mount, found, reason, mount.target)

    def _refuse_programs(self, service: ServiceConfig, mounts: Iterable[Mount], image: Image) -> None:
        """Raise RefusedError if a service is started with a program in one of ``mounts``, and git has nothing of that."""
        folder = PurePosixPath(service.folder or image.folder or "/")
        said = " ".join(start_of(service, image)[0]).split()  # a shell's command is one word
        words = dict.fromkeys(os.path.normpath(folder / word.strip("'\";")) for word in said)
        for mount in mounts:
            inside = [os.path.relpath(w, mount.target) for w in words if PurePosixPath(w).is_relative_to(mount.target)]
            if not inside or not mount.source or self._in_git(mount):
                continue
            if programs := self._programs(mount, inside):
                if self._choice(mount) != "keep":
                    raise refuse_program(service.name, mount, programs, self._name(mount))
                self.kept.append(f"{_called(mount)} on {mount.target} of {service.name} ({few(programs)})")

    def _programs(self, mount: Mount, names: Iterable[str]) -> list[str]:
        """Return those of ``names`` that are programs in what is mounted."""
        if mount.kind == "volume":
            held = self._look_into(mount.source) if mount.source in self._volumes else {}
        else:
            source = Path(mount.source)

            def look() -> dict[str, File]:
                files = [name for name in names if (source / name).is_file()]
                return {name: File("", bool((source / name).stat().st_mode & 0o111)) for name in files}

            held = self._do(Read(says=f"look for programs in {mount.source}", function=look))
        return [n for n in names if n in held and is_program(PurePosixPath(mount.target, n).name, held[n])]

    def _is_config(self, mount: Mount) -> bool:
        """Return whether a mount is configuration, of which the release's own copy is mounted.

        Raise RefusedError if somebody's data is among it, and what git has of it is not the version's: neither will do.
        """
        path = self._inside(mount)
        if path is None or not (files := self._tracked.under(path)):
            return False
        data = () if mount.read_only else self._data(mount)
        if not data or self._choice(mount) == "keep":
            return not data
        ids = {"." if f == path else os.path.relpath(f, path): File(self._tracked.ids.get(f, "")) for f in files}
        if others := self._different(mount, ids):
            raise RefusedError(
                f"{mount.source} holds data that git does not have ({few(data)}) and files of another version than this "
                f"one ({few(others)}): neither it nor this version's own files can be mounted.",
                state="Nothing was started or stopped.",
                next="Bring that folder to this version, or keep data in a folder of its own; or say in the target that it "
                f"is as it should be: `mounts: {{{self._name(mount)}: keep}}`.",
            )
        return False

    def _data(self, mount: Mount) -> tuple[str, ...]:
        """Return a few files of a mount that nobody would get back: those that git does not have, and databases that it has."""
        path, top = self._inside(mount) or ".", self._place.top
        changed = changed_files(self._do, top, path)
        known = {*self._tracked.under(path), *self._checked_out.files}

        def look() -> tuple[str, ...]:
            written = (name for name in sorted(changed) if is_binary(top / name))
            return (*written, *strangers(top, path, known))

        return self._do(Read(says=f"look for data in {mount.source}", function=look))

    def _only_in_tree(self, mount: Mount) -> bool:
        path = self._inside(mount)
        if path is None or not self._tracked.under(path):
            return False
        return not self._do(Read(says=f"look for {mount.source}", function=Path(mount.source).exists))

    def _copied(self, mount: Mount) -> dict[str, Any]:
        said = {name: value for name, value in mount.raw.items() if name != "volume"}
        return {**said, "type": "bind", "source": self._copy(self._inside(mount) or ".")}

    def _copy(self, path: str) -> str:
        self.files |= set(self._tracked.under(path))
        return str(self._place.folder / "tree" / path)

    def _env_path(self, entry: Any) -> str | None:
        path = env_path(entry)
        return None if "$" in path else relative_to(self._place.top, str(self._directory / path))

    def _env_files(self, service: str) -> list[Any]:
        entries = self._sources.env_files.get(service, ())
        tracked = {str(e): p for e in entries if (p := self._env_path(e)) is not None and p in self._tracked.files}
        if not tracked:
            return []
        copies = {entry: self._copy(path) for entry, path in tracked.items()}
        if not self._can_replace:  # they are read after the user's own and so win
            return list(copies.values())
        return Replacing(copies.get(str(e), Raw(e)) for e in entries)


def _called(mount: Mount) -> str:
    return mount.source or "a volume without a name"


def _shields(mount: Mount, out: Iterable[Mount]) -> bool:
    inside = (PurePosixPath(mount.target).is_relative_to(m.target) for m in out)
    return mount.kind == "volume" and not mount.source and any(inside)
