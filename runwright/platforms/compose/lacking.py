"""What a project takes for granted and is not there: networks and volumes that are not its own, and files that it mounts.

Compose and the engine say so only as they make a container, when the one before is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from runwright.engine.actions import Command, Do, Read
from runwright.engine.there.paths import Path
from runwright.errors import RefusedError
from runwright.platforms.compose.config import ComposeConfig, Mount
from runwright.platforms.compose.containers import all_volumes, ids_of


def lacking(do: Do, config: ComposeConfig, services: Collection[str]) -> tuple[str, ...]:
    """Return what ``services`` take for granted and is not on this machine, a sentence each with what to do."""
    return (*_outside(do, config, services), *_files(do, config, services))


def require_files(do: Do, config: ComposeConfig, services: Collection[str]) -> None:
    """Raise RefusedError if a file is not there without which a container of ``services`` cannot be made."""
    if found := list(_files(do, config, services)):
        raise RefusedError(
            " ".join(found),
            state="Nothing was started or stopped.",
            next="Put it there, or correct the Compose files of this version.",
        )


def _outside(do: Do, config: ComposeConfig, services: Collection[str]) -> Iterator[str]:
    for kind, there in (("network", _networks), ("volume", all_volumes)):
        wanted = [o for o in config.outside if o.kind == kind and set(o.services) & set(services)]
        known = there(do) if wanted else frozenset()
        for one in wanted:
            if one.name not in known:
                users = ", ".join(name for name in one.services if name in services)
                yield (
                    f"The external {kind} {one.name}, which {users} uses, is not there: make it "
                    f"(`docker {kind} create {one.name}`), or correct its name."
                )


def _networks(do: Do) -> frozenset[str]:
    argv = ("docker", "network", "ls", "--format", "{{.Name}}")
    found = do(Command(says="list the networks", argv=argv, parse=ids_of, assume=None))
    return frozenset(found or ())


def _files(do: Do, config: ComposeConfig, services: Collection[str]) -> Iterator[str]:
    wanted = {
        mount.source: f"{mount.source}, which {name} mounts on {mount.target}, is not there."
        for name in services
        if name in config.services
        for mount in (*config.services[name].mounts, *config.services[name].mounted_otherwise)
        if _must_exist(mount)
    }
    missing: list[str] = do(
        Read(
            says="look for the files that are mounted",
            function=lambda: [source for source in wanted if not Path(source).exists()],
            assume=[],
        )
    )
    yield from (wanted[source] for source in missing)


def _must_exist(mount: Mount) -> bool:
    """Whether no container can be made without it, whichever Compose makes it: a config, a secret, or what may not be made.

    Of other folders that are not there, older ones make some, and newer ones all.
    """
    if mount.kind != "bind" or not mount.source.startswith("/"):
        return False
    return not mount.raw or (mount.raw.get("bind") or {}).get("create_host_path") is False
