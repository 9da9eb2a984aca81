"""Find runbooks: which files there are, and of which system each is."""

from __future__ import annotations

import os
import re
from pathlib import Path

from runwright.errors import InputError, RunbookError
from runwright.runbook.nearest import nearest

SYSTEMS_VARIABLE = "RUNWRIGHT_SYSTEMS"
USUAL_NAME = "runwright.yaml"
MAX_BYTES = 256 * 1024
"""The longest runbook that we know has 15 KiB; more than this is no runbook, and may have no end."""
SHIPPED = Path(__file__).resolve().parents[2] / "deployments" / "systems"
_SUFFIXES = (".yaml", ".yml")


def find() -> dict[str, Path]:
    """Return {system: file} of every runbook that can be named, sorted: the user's own, and the shipped ones.

    A runbook of the user's is meant where a shipped one has the same name. Raise as ``own`` does.
    """
    return dict(sorted({**shipped(), **own()}.items()))


def shipped() -> dict[str, Path]:
    """Return {system: file} of the runbooks that come with Runwright, sorted."""
    return dict(sorted(_by_system([SHIPPED]).items()))


def own() -> dict[str, Path]:
    """Return {system: file} of the user's own runbooks, sorted; empty if there are none.

    ``RUNWRIGHT_SYSTEMS`` holds folders and files, separated as PATH is; without it, the file that ``runwright init`` writes
    into the current folder is meant. Raise InputError if one of them is not there, RunbookError if two files are of one
    system. A file with mistakes is listed too: ``load`` tells them.
    """
    return dict(sorted(_by_system(own_places()).items()))


def own_places() -> list[Path]:
    """Return the folders and files, absolute, in which the user's own runbooks are looked for; none if there are none."""
    named = [part for part in os.environ.get(SYSTEMS_VARIABLE, "").split(os.pathsep) if part]
    if named:
        return [Path(os.path.normpath(Path(part).expanduser().absolute())) for part in named]
    here = Path.cwd() / USUAL_NAME
    return [here] if here.is_file() else []


def _by_system(places: list[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in _files(places):
        name = system_of(file)
        if name in found and not found[name].samefile(file):
            what = f"Two runbooks are of the system `{name}`: {found[name]} and {file}."
            raise RunbookError(what, next=f"Rename one of them (`system:`), or take it out of {SYSTEMS_VARIABLE}.")
        found[name] = file
    return found


def _files(places: list[Path]) -> list[Path]:
    files: list[Path] = []
    for place in places:
        if place.is_dir():
            inside = (p for p in place.iterdir() if p.suffix in _SUFFIXES and not p.name.startswith("."))
            files += sorted(p for p in inside if p.is_file())
        elif place.is_file():
            files.append(place)
        elif place != SHIPPED:
            next_ = f"Correct {SYSTEMS_VARIABLE}: folders or files, separated by {os.pathsep!r}."
            raise InputError(f"{place} is not there.", next=next_)
    return files


_SYSTEM = re.compile(rb"^system:[ ]+([a-z][a-z0-9-]*)[ \t]*(?:#.*)?\r?$", re.MULTILINE)
"""The key as nearly everybody writes it: nothing else in a runbook begins at the left edge and reads so."""


def system_of(file: Path) -> str:
    """Return the name of the system whose runbook ``file`` is; the file's own name if it can not be read.

    To name a thousand systems their runbooks need not be parsed.
    """
    try:
        text = content(file)
        if plain := _SYSTEM.search(text):
            return plain[1].decode()
        from runwright.runbook.document import read  # takes longer to import than a thousand names to find

        name = read(text, file).data.get("system")
    except RunbookError:
        name = None
    return name if isinstance(name, str) and name else file.stem


def content(file: Path) -> bytes:
    """Return what ``file`` holds; of what is too long for a runbook, one byte more than MAX_BYTES.

    Raise RunbookError, which says what is probably meant, if it can not be read.
    """
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        folder, others = file.parent, []
        if folder.is_dir():
            others = nearest(file.name, [p.name for p in folder.iterdir() if p.suffix in _SUFFIXES])
        hint = f" Did you mean {folder / others[0]}?" if others else ""
        raise RunbookError(f"There is no file {file}.{hint}", next="Name a runbook: a .yaml file.") from None
    except IsADirectoryError:
        next_ = f"Name one of its files, or set {SYSTEMS_VARIABLE} to the folder."
        raise RunbookError(f"{file} is a folder, and a file is meant.", next=next_) from None
    except OSError as error:
        raise RunbookError(f"{file} can not be read: {error.strerror}.", next="Look at its permissions.") from None
