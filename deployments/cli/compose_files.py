"""Which Compose files are meant: those that were named, those that Compose takes by itself, those that lie elsewhere."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runwright.errors import InputError
from runwright.platforms.compose.sources import BASE_NAMES, OVERRIDE_NAMES

_NAME = re.compile(r"(docker-)?compose([._-][\w.-]+)?\.ya?ml", re.ASCII)


@dataclass(frozen=True)
class Given:
    """Where a Compose application is: the folder that it is run from, its Compose files and its env file.

    files: relative to the folder, or absolute; none, if Compose looks for them itself. env_file: the same; "" of the usual.
    """

    directory: Path
    files: tuple[str, ...] = ()
    env_file: str = ""


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


def usual(directory: Path) -> tuple[str, ...]:
    """Return the names of the files in ``directory`` that Compose takes if it is given none."""
    base = [name for name in BASE_NAMES if (directory / name).is_file()][:1]
    return (*base, *([name for name in OVERRIDE_NAMES if (directory / name).is_file()][:1] if base else ()))


def beside(directory: Path) -> tuple[str, ...]:
    """Return the names of other Compose files in ``directory``, which Compose leaves out if it is given none; sorted."""
    taken = usual(directory)
    if not taken:
        return ()
    return tuple(sorted(p.name for p in directory.iterdir() if _is_base(p.name) and p.name not in taken))


def likely(paths: Iterable[str]) -> tuple[str, ...]:
    """Return those of ``paths`` that are Compose files of their own: the usual names first, then the least deep."""

    def rank(path: str) -> tuple[bool, int, str]:
        return PurePosixPath(path).name not in BASE_NAMES, path.count("/"), path

    return tuple(sorted((path for path in paths if _is_base(PurePosixPath(path).name)), key=rank))


def _is_base(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and ".override." not in name
