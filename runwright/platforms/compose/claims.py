"""Who else has what a project would take: the same application under another name, and data that is in use.

That a project has no containers does not make it new. It may run as another project, or by hand; and two databases on one
folder destroy it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial

from runwright.engine.actions import Command, Do, Read
from runwright.engine.there.paths import Path
from runwright.engine.there.ports import answers
from runwright.errors import RefusedError
from runwright.platforms.compose.config import ComposeConfig, Mount, ServiceConfig
from runwright.platforms.compose.containers import Container, all_volumes, ids_of, inspect
from runwright.platforms.compose.draft.recognised import holds_data
from runwright.platforms.compose.mounts import PLACEHOLDERS, few, is_binary, relative_to
from runwright.platforms.compose.sources import top_of
from runwright.platforms.shape import Claim
from runwright.runbook.platforms.compose import ComposeTarget

_ASK_SECONDS = 0.5
_SYSTEM = ("/etc", "/usr", "/bin", "/sbin", "/lib", "/lib64", "/boot", "/dev", "/proc", "/sys", "/run", "/var/run")
_LOCAL = "127.0.0.1"
_EVERYWHERE = ("", "0.0.0.0", "::", "[::]")  # noqa: S104 - what Docker calls every address of this machine


def claims(do: Do, target: ComposeTarget, directory: Path, config: ComposeConfig | None) -> tuple[Claim, ...]:
    """Return who else has what the project of ``target`` would take when it starts what does not run of it.

    directory: the folder that Compose runs it from. config: what its files say, None if they cannot be read.
    """
    project, there = target.project, every_container(do)
    mine = [c for c in there if c.project == project]
    others = [c for c in there if c.project != project]
    found = list(_projects(project, directory, mine, others))
    if config is not None:
        running = {c.service for c in mine if c.running and not c.oneoff}
        starts = [s for s in config.services.values() if s.name not in running]
        held = [c for c in others if c.running]
        found += _mounts(starts, held, target)
        if not any(c.state != "created" for c in mine):
            found += _ports(do, starts, held)
    return tuple(found)


def refuse_claimed(found: Iterable[Claim]) -> None:
    """Raise RefusedError if one of the claims stops everything."""
    if stopping := [claim for claim in found if claim.stops]:
        raise RefusedError(
            " ".join(dict.fromkeys(claim.says for claim in stopping)),
            state="Nothing was started or stopped.",
            next=" ".join(dict.fromkeys(claim.next for claim in stopping)),
        )


def has_data(do: Do, config: ComposeConfig, service: str) -> bool:
    """Return whether ``service`` would find data where it keeps its own: files in a folder, or a volume that is there already."""
    mounts = [m for m in config.services[service].mounts if _may_hold_data(m)] if service in config.services else []
    folders = [m.source for m in mounts if m.kind == "bind"]
    volumes = {m.source for m in mounts if m.kind == "volume"}
    if volumes & all_volumes(do):
        return True
    return do(Read(says=f"look for data of {service}", function=lambda: any(map(_is_filled, folders))))


def _is_filled(folder: str) -> bool:
    try:
        return any(entry.name not in PLACEHOLDERS for entry in Path(folder).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return Path(folder).is_file()
    except OSError:
        return True  # what may not be looked into is somebody's


def every_container(do: Do) -> tuple[Container, ...]:
    """Return all containers of this machine, whoever made them, and whether or not they run; none in a plan."""
    ids = do(
        Command(
            says="list all containers of this machine",
            argv=("docker", "ps", "--all", "--no-trunc", "--format", "{{.ID}}"),
            parse=ids_of,
            assume=None,
        )
    )
    found = do(inspect(ids)) if ids else None
    return found or ()


def _projects(
    project: str, directory: Path, mine: Collection[Container], others: Iterable[Container]
) -> Iterable[Claim]:
    here: dict[str, list[Container]] = {}
    for container in others:
        if container.project and not container.oneoff and _is_from(container, directory):
            here.setdefault(container.project, []).append(container)
    for name, some in sorted(here.items()):
        names = few([f"{c.name} ({c.state})" for c in some])
        # what was released to another environment is meant to be there
        stops = not mine and not all(c.system for c in some)
        yield Claim(
            f"The project {name} is run from {directory} as well: {names}."
            + ("" if mine else f" Of the project {project} there is no container: it would be started beside that."),
            f"If {name} is this application, set `project: {name}` in the target; if nobody needs it, remove its containers "
            f"(`docker compose -p {name} down`).",
            stops=stops,
            project=name,
        )


def _is_from(container: Container, directory: Path) -> bool:
    folders = {container.directory, *(str(Path(file).parent) for file in container.files)}
    # what was read from a pipe has the name "-", and that is in no folder
    return Path(directory).resolve() in {Path(folder).resolve() for folder in folders if Path(folder).is_absolute()}


def _mounts(starts: Iterable[ServiceConfig], held: Collection[Container], target: ComposeTarget) -> Iterable[Claim]:
    kept = {name.removeprefix("./").rstrip("/") or name for name, what in target.mounts.items() if what == "keep"}
    for service in starts:
        for mount in (*service.mounts, *service.mounted_otherwise):
            inside = relative_to(top_of(target), mount.source) if mount.kind == "bind" else None
            name = inside or str(mount.raw.get("source") or mount.source)
            alone = holds_data(service.image or "")
            if not _may_hold_data(mount) or (not alone and {name, mount.source} & kept):
                continue
            holders = [c.name for c in held if any(_writes_into(mount, source) for source in c.written)]
            if holders:
                choice = f"; if both may write there at the same time, say so in the target: `mounts: {{{name}: keep}}`"
                yield Claim(
                    f"{mount.source}, which {service.name} would write to ({mount.target}), is in use by {few(holders)}.",
                    f"Stop {few(holders)}, or correct `project` of the target if it is this application"
                    f"{'' if alone else choice}.",
                )


def _may_hold_data(mount: Mount) -> bool:
    """Return whether a mount may hold data that only one may write. Files of the system, sockets and texts are shared by many."""
    if mount.read_only or mount.kind not in ("bind", "volume") or not mount.source:
        return False
    path = Path(mount.source)
    if mount.kind == "volume":
        return True
    shared = path == Path("/") or any(path.is_relative_to(folder) for folder in _SYSTEM)
    return not shared and (path.is_dir() or is_binary(path))


def _writes_into(mount: Mount, source: str) -> bool:
    """Return whether who writes to ``source`` (a path, or a volume's name) writes into what is mounted."""
    if mount.kind == "volume" or not source.startswith("/"):
        return mount.source == source
    return relative_to(Path(mount.source), source) is not None


def _ports(do: Do, starts: Iterable[ServiceConfig], held: Iterable[Container]) -> Iterable[Claim]:
    """Yield a claim for each port that the project is to publish and that is answered already."""
    names = {port: c.name for c in held for _, port in c.published}
    for service in starts:
        for address, text in service.published:
            port = int(text)
            if do(Read(says=f"ask whether port {port} is free", function=partial(_answers, address, port))):
                who = names.get(port, "a process that is no container")
                yield Claim(
                    f"Port {port}, which {service.name} is to publish, is answered by {who} already.",
                    "End what listens there, or publish another port.",
                )


def _answers(address: str, port: int) -> bool:
    return answers(_LOCAL if address in _EVERYWHERE else address, port, _ASK_SECONDS)
