"""Which services migrate the database by themselves when they start, and where that is written.

It is followed from the command that starts them, through the files of the commit, and those that only the image has. Such
a service of an old version may find a schema that it does not know once a newer version has migrated, and end.
"""

from __future__ import annotations

import io
import json
import posixpath
import tarfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from runwright.engine.actions import Command, Do, Output, Read
from runwright.engine.there.paths import Path
from runwright.platforms.compose.config import ComposeConfig, ServiceConfig
from runwright.platforms.compose.contents import looked_into
from runwright.platforms.compose.images import Image, image_of
from runwright.platforms.compose.mounts import relative_to
from runwright.policy.starts.commit import MOST_BYTES, Commit
from runwright.policy.starts.follow import Files, Follower, said_in
from runwright.policy.starts.sources import HABITS, SWITCHED_OFF
from runwright.policy.starts.tools import Found

READ_SECONDS = 30.0
MOST_READS = 25
"""How many paths are looked for in one image."""
_SYSTEM = frozenset({"/bin", "/sbin", "/usr/bin", "/usr/sbin"})
_PROGRAMS = frozenset({"java", "nginx", "caddy", "node", "redis-server", "postgres", "mysqld", "httpd", "traefik", "php-fpm",
                       "apache2-foreground", "dotnet", "go", "cargo", "pip", "bundle", "rails", "puma", "ruby", "python",
                       "python3", "npm", "true", "false", "sleep", "tail", "wait", "trap", "kill", "exit", "return"})  # fmt: skip
"""Programs that are no scripts of the application."""
_SPRING = (".properties", ".yml", ".yaml")
_CODE = tuple({ending for habit in HABITS for ending in habit.endings})


@dataclass(frozen=True)
class Look:
    """Where it is looked: the folder of the commit, the user's folder that stands for its top, and who is asked.

    containers: {service: container}, of what runs already.
    """

    folder: Path
    top: Path
    containers: Mapping[str, str] = field(default_factory=dict)


def migrating(
    do: Do, services: Mapping[str, ServiceConfig], names: Iterable[str], images: Mapping[str, Image], look: Look
) -> dict[str, list[list[str]]]:
    """Return what migrates when each of ``names`` starts, as [tool, where, text]; services of which nothing is found are left out."""
    tracked, root = _tracked(do, look.folder)
    found: dict[str, list[Found]] = {}
    for name in names:
        service, image = services[name], images[name]
        build = service.build and relative_to(look.top, service.build.context)
        commit = Commit(tracked, lambda path: _text(do, root / path), build or "")
        with ExitStack() as stack:
            inside = _Inside(do, image.id, look.containers.get(name, ""), stack)
            found[name] = _of_service(service, image, commit, inside)
    return {name: [[one.tool, one.where, one.says] for one in some] for name, some in found.items() if some}


def before_it(do: Do, config: ComposeConfig, images: Mapping[str, Image], look: Look) -> dict[str, list[list[str]]]:
    """Return what migrates in the services that run once before others; ``images`` are those of the application's services."""
    found: dict[str, Image] = {}
    for name in sorted(config.run_once - set(images)):
        once = config.services[name]
        same = [image for s, image in images.items() if once.build and config.services[s].build == once.build]
        found[name] = same[0] if same else (image_of(do, once.image) if once.image else None) or Image("")
    return migrating(do, config.services, found, found, look)


def _of_service(service: ServiceConfig, image: Image, commit: Commit, inside: _Inside) -> list[Found]:
    words, arguments = start_of(service, image)
    follower = Follower(lambda path: commit.find(path) or inside.find(path), commit.module)
    if words:
        follower.command(words)
    if arguments and arguments != words:
        follower.command(arguments)
    said = said_in(commit.below(_CODE)) if service.build else []
    config = "\n".join(text for name, text in commit.below(_SPRING) if "application" in name) if said else ""
    off = {tool for tool, pattern in SWITCHED_OFF.items() if pattern.search(config)}
    return [*follower.found, *(one for one in said if one.tool not in off and one not in follower.found)]


def start_of(service: ServiceConfig, image: Image) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return all words that start a service, and those that its entrypoint is given."""
    if service.entrypoint is not None:  # then the image's own command does not count
        arguments = service.command or ()
        return (*service.entrypoint, *arguments), arguments
    arguments = image.command if service.command is None else service.command
    return (*image.entrypoint, *arguments), arguments


# ---------------------------------------------------------------------------------------------------------- the commit


def _tracked(do: Do, folder: Path) -> tuple[tuple[str, ...], Path]:
    """Return the tracked files of ``folder``'s repository and its top; none if there is no repository."""
    git = ("git", "-C", str(folder))
    top = do(
        Command(
            says=f"ask git for the top of {folder}",
            argv=(*git, "rev-parse", "--show-toplevel"),
            ok=frozenset({0, 128}),
            parse=lambda output: output.text.rstrip("\n") if output.code == 0 else "",
            assume="",
        )
    )
    if not top:
        return (), folder
    names: tuple[str, ...] = do(
        Command(
            says=f"ask git which files {folder} has",
            argv=("git", "-C", top, "ls-files", "-z"),
            parse=lambda output: tuple(name for name in output.text.split("\0") if name),
            assume=(),
        )
    )
    return names, Path(top)


def _text(do: Do, path: Path) -> str:
    def read() -> str:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MOST_BYTES:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")

    return do(Read(says=f"read {path.name}", function=read, assume=""))


# ----------------------------------------------------------------------------------------------------------- the image


class _Inside:
    """The files of an image: read from a container that runs, or from one that is made for it and never started."""

    def __init__(self, do: Do, image: str, container: str, stack: ExitStack) -> None:
        self._do = do
        self._image = image
        self._container = container
        self._stack = stack
        self._reads = 0
        self._where: tuple[str, tuple[str, ...]] | None = None

    def find(self, path: str) -> Files:
        """Return the file, or all files of a folder, that ``path`` is in the image; nothing if there is none."""
        if (
            not self._image
            or path.rpartition("/")[2] in _PROGRAMS
            or path.rpartition("/")[0] in _SYSTEM
            or "$" in path
            or path.strip("./") == ""
        ):
            return []
        workdir, places = self._looked()
        if "/" not in path and "." not in path:
            candidates = [f"{place}/{path}" for place in places]
        else:
            candidates = [posixpath.normpath(posixpath.join(workdir, path))]
            candidates += [f"{place}/{path}" for place in places if "/" not in path]
        for candidate in candidates:
            if found := self._read(candidate):
                return found
        return []

    def _looked(self) -> tuple[str, tuple[str, ...]]:
        if self._where is None:
            nowhere: tuple[str, tuple[str, ...]] = ("/", ())
            self._where = self._do(
                Command(
                    says=f"ask where {self._image[:19]} works",
                    argv=("docker", "image", "inspect", "--format", _WHERE, self._image),
                    ok=frozenset({0, 1}),
                    parse=_where,
                    assume=nowhere,
                )
            )
        return self._where

    def _read(self, path: str) -> Files:
        if self._reads >= MOST_READS:
            return []
        self._reads += 1
        if not self._container:
            self._container = self._stack.enter_context(looked_into(self._do, self._image))
        return self._do(
            Command(
                says=f"read {path} in {self._image[:19]}",
                argv=("docker", "cp", "-L", f"{self._container}:{path}", "-"),
                ok=frozenset({0, 1}),
                parse=lambda output: _unpacked(output, path),
                assume=(),
                deadline_seconds=READ_SECONDS,
            )
        )


_WHERE = '{"workdir":{{json .Config.WorkingDir}},"env":{{json .Config.Env}}}'


def _where(output: Output) -> tuple[str, tuple[str, ...]]:
    """Return the working directory of an image and the folders of its PATH; no other variable is kept."""
    if output.code:
        return "/", ()
    raw = json.loads(output.stdout)
    path = next((v.partition("=")[2] for v in raw["env"] or () if v.startswith("PATH=")), "/usr/local/bin")
    return raw["workdir"] or "/", tuple(p for p in path.split(":") if p not in _SYSTEM)


def _unpacked(output: Output, path: str) -> Files:
    """Return the texts in the archive that ``docker cp`` printed, named as in the image."""
    if output.code:
        return ()
    found = []
    folder = path.rstrip("/").rpartition("/")[0]
    with tarfile.open(fileobj=io.BytesIO(output.stdout)) as archive:
        for member in archive:
            if member.isfile() and member.size <= MOST_BYTES and (file := archive.extractfile(member)):
                found.append((f"{folder}/{member.name}", file.read().decode("utf-8", "replace")))
    return tuple(found)
