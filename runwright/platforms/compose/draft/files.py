"""Which Compose files are meant: those that were named, those that Compose takes by itself, those that lie elsewhere."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from runwright.engine.actions import Command, Do
from runwright.engine.there.paths import Path
from runwright.errors import InputError
from runwright.platforms.compose.sources import BASE_NAMES

COMPOSE_SECONDS = 60.0
_TRIED = 5
_MOST = 3
_NAME = re.compile(r"(docker-)?compose([._-][\w.-]+)?\.ya?ml", re.ASCII)


@dataclass(frozen=True)
class Given:
    """Where a Compose application is: the folder that it is run from, its Compose files and its env file.

    files: relative to the folder, or absolute; none, if Compose looks for them itself. env_file: the same; "" of the usual.
    taken: the files that Compose takes if it is given none, relative to the folder.
    """

    directory: Path
    files: tuple[str, ...] = ()
    env_file: str = ""
    taken: tuple[str, ...] = ()


def placed(directory: Path, files: tuple[str, ...], env_file: str) -> Given:
    """Return what files named in ``directory`` mean: as for `docker compose -f`, the first file's folder is the application's.

    Raise InputError if there is no such folder or file.
    """
    if not directory.is_dir():
        raise InputError(f"{directory} is no folder.", next="Name the folder that holds the Compose file.")
    missing = [name for name in files if not (directory / name).is_file()]
    if missing:
        raise InputError(
            f"There is no {' and no '.join(missing)} in {directory}.",
            next="Name Compose files as they are seen from that folder.",
        )
    if not files:
        return Given(directory, (), env_file)
    folder = Path(os.path.normpath(directory / files[0])).parent

    def seen(name: str) -> str:
        return name if Path(name).is_absolute() else os.path.relpath(directory / name, folder)

    return Given(folder, tuple(map(seen, files)), seen(env_file) if env_file else "")


def beside(directory: Path, taken: Iterable[str]) -> tuple[str, ...]:
    """Return the names of other Compose files in ``directory`` than those that are ``taken``, if any are; sorted."""
    known = set(taken)
    if not known:
        return ()
    return tuple(sorted(p.name for p in directory.iterdir() if _is_base(p.name) and p.name not in known))


def likely(paths: Iterable[str]) -> tuple[str, ...]:
    """Return those of ``paths`` that are Compose files of their own: the usual names first, then the least deep."""

    def rank(path: str) -> tuple[bool, int, str]:
        return PurePosixPath(path).name not in BASE_NAMES, path.count("/"), path

    return tuple(sorted((path for path in paths if _is_base(PurePosixPath(path).name)), key=rank))


def refuse_elsewhere(do: Do, given: Given, tracked: list[str]) -> None:
    """Raise InputError if no Compose file was named and none is in the folder; name those that git has ``tracked`` below it."""
    directory = given.directory
    if given.files or given.taken:
        return
    found = likely(tracked)
    if not found:
        raise InputError(
            f"There is no Compose file in {directory}, and git tracks none below it.",
            state="Nothing was written.",
            next="Write a compose.yaml that the application runs from, then run init again. For processes without Docker "
            "write the runbook by hand: `runwright docs environments.target`.",
        )
    whole = next((name for name in found[:_TRIED] if _is_whole(do, directory, name)), None)
    named = f"Name the one that the application runs from: `{_init(directory, [whole])}`." if whole else ""
    raise InputError(
        f"There is no Compose file in {directory}; git tracks {few(found)}.",
        state="Nothing was written.",
        next=named
        if whole
        else "None is whole by itself: name all that the application runs from, each with -f, in their order.",
    )


def left_out(do: Do, given: Given) -> list[str]:
    """Return a remark if other Compose files lie beside those that Compose takes by itself."""
    taken = given.taken
    others = () if given.files else beside(given.directory, taken)
    if not others:
        return []
    whole = _is_whole(do, given.directory, others[0])
    again = _init(given.directory, [others[0]] if whole else [*taken[:1], others[0]])
    alone = "" if whole else f" {others[0]} only adds to another file, so both are named."
    return [
        f"Compose takes {' and '.join(taken)}; {few(others)} {'lies' if len(others) == 1 else 'lie'} beside it. "
        f"If another file is what really runs, run init again with it: `{again}` (-f for each file, in their order).{alone}"
    ]


def _is_whole(do: Do, directory: Path, file: str) -> bool:
    """Return whether Compose can run ``file`` without another one that it adds to."""
    words = ("-f", str(directory / file), "config", "--no-interpolate", "--services")
    command = Command(
        says=f"ask Compose whether {file} is whole by itself",
        argv=("docker", "compose", "--project-directory", str((directory / file).parent), *words),
        deadline_seconds=COMPOSE_SECONDS,
        ok=frozenset(range(256)),
        parse=lambda output: output.code == 0,
    )
    return do(command)


def _init(directory: Path, files: Sequence[str]) -> str:
    return f"runwright init {shlex.quote(str(directory))} " + " ".join(f"-f {shlex.quote(file)}" for file in files)


def few(names: tuple[str, ...]) -> str:
    """Return some of ``names``, and how many more there are."""
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more


def _is_base(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and ".override." not in name
