"""Find runbooks and load them: all mistakes of a file at once, each with its line, what was meant, and an example."""

from __future__ import annotations

import copy
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from runwright.errors import InputError, RunbookError
from runwright.plural import plural
from runwright.runbook import crosscheck
from runwright.runbook.base import FROM_A_FILE
from runwright.runbook.document import Document, Mistake, read
from runwright.runbook.finding import SHIPPED, SYSTEMS_VARIABLE, USUAL_NAME, content, find
from runwright.runbook.mistakes import MOST, mistakes_in
from runwright.runbook.model import Runbook
from runwright.runbook.nearest import unknown
from runwright.runbook.words import Path as Where
from runwright.runbook.words import dotted, follow
from runwright.trust import refuse_if_others_write

_ATTEMPTS = 5  # a wrong value is taken out, is missing then, and is given an example: three rounds are enough


@dataclass(frozen=True)
class Loaded:
    """A runbook, the file that it is from, the SHA-256 of that file's bytes (hex), and what is worth a second look."""

    runbook: Runbook
    path: Path
    sha256: str
    warnings: tuple[str, ...] = ()


def load(path: Path | str) -> Loaded:
    """Return the runbook in the file ``path``, with its relative paths made absolute from the file's folder.

    Raise RunbookError if somebody else can write the file, if it can not be read, or if it has mistakes; its text lists all
    of them.
    """
    file = Path(path).expanduser()
    if not file.absolute().is_relative_to(SHIPPED):  # as good as the code beside it
        refuse_if_others_write(file, f"The runbook {file}", RunbookError)
    text = content(file)
    document = read(text, file)
    data = {key: value for key, value in document.data.items() if not key.startswith("x-")}
    told, more = mistakes_in(data, Runbook, document.written, document.place)
    found = [*document.mistakes, *told]
    pruned = None if len(found) > MOST or more else _without(data, [m.path for m in found])
    if pruned is not None:
        book = Runbook.model_validate(pruned, context=FROM_A_FILE)
        besides = (m for m in crosscheck.mistakes(book) if not _doubtful(m, told))
        found += islice(besides, MOST)
        more = sum(1 for _ in besides)
        if not found:
            return Loaded(
                _absolute(book, file.absolute().parent),
                file.absolute(),
                hashlib.sha256(text).hexdigest(),
                tuple(crosscheck.warnings(book)),
            )
    raise _error(file, document, found, more)


# ------------------------------------------------------------------------------------------------- mistakes


def _without(data: Any, paths: list[Where]) -> Any:
    """Return ``data`` with examples in place of what is wrong, so that the rest can be checked too; None if that fails."""
    left = copy.deepcopy(data)
    for _ in range(_ATTEMPTS):
        for path in sorted(paths, key=len, reverse=True):
            _replace(left, path)
        paths = [m.path for m in mistakes_in(left, Runbook)[0]]
        if not paths:
            return left
    return None


def _replace(data: Any, path: Where) -> None:
    """Take what is at ``path`` out; put an example there if it is missing already. Lists keep their positions."""
    key = follow(Runbook, path).key
    while path and isinstance(path[-1], int) and not (key and isinstance(key.example[0], dict)):
        path = path[:-1]
    for part in path[:-1]:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return  # something around it is gone already
    if not path:
        return
    if isinstance(data, list) and isinstance(path[-1], int) and path[-1] < len(data) and key:
        data[path[-1]] = {**key.example[0], "id": f"example-{path[-1]}"}
    elif isinstance(data, dict) and path[-1] in data:
        del data[path[-1]]
    elif isinstance(data, dict) and key:
        data[str(path[-1])] = copy.deepcopy(key.example)


def _doubtful(mistake: Mistake, found: list[Mistake]) -> bool:
    """Return whether a mistake may only be the consequence of another one that is reported already."""
    inside = any(m.path[: len(mistake.path)] == mistake.path[: len(m.path)] for m in found)
    return inside or any({*m.path[:1], *m.meant} & set(mistake.needs) for m in found)


def _error(file: Path, document: Document, found: list[Mistake], more: int) -> RunbookError:
    ordered = sorted(found, key=lambda m: m.place or document.place(m.path))[:MOST]
    total = len(found) + more
    shown = f"; the first {MOST} are told here" if total > len(ordered) else ""
    blocks = [f"{file} has {plural(total, 'mistake')}{shown}:"]
    for mistake in ordered:
        line, column = mistake.place or document.place(mistake.path)
        lines = [f"{file}:{line}:{column}: {dotted(mistake.path)}", f"    {mistake.what}"]
        if mistake.example:
            lines += ["    For example:", *(f"        {line}" for line in mistake.example)]
        blocks.append("\n".join(lines))
    sections = sorted({str(m.path[0]) for m in ordered if m.path and m.path[0] in Runbook.model_fields})
    about = f" {sections[0]}" if sections else ""
    next_ = f"Correct the file, then `runwright check {file}`. `runwright docs{about}` explains what belongs there."
    return RunbookError("\n\n".join(blocks), next=next_)


# ---------------------------------------------------------------------------------------------------- paths

_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|github:|[^/\s]+@?[^/\s]*:")


def _absolute(book: Runbook, folder: Path) -> Runbook:
    """Return ``book`` with its local paths seen from ``folder``: it must mean the same wherever Runwright is started."""

    def seen(text: str) -> str:
        return os.path.normpath(folder / Path(text).expanduser())

    changes: dict[str, Any] = {}
    if not _REMOTE.match(book.source.repo):
        changes["source"] = book.source.model_copy(update={"repo": seen(book.source.repo)})
    if book.backup is not None:
        changes["backup"] = book.backup.model_copy(update={"directory": seen(book.backup.directory)})
    places = {}
    for name, place in book.environments.items():
        directory = getattr(place.target, "directory", "")
        target = place.target.model_copy(update={"directory": seen(directory)}) if directory else place.target
        places[name] = place.model_copy(update={"target": target})
    return book.model_copy(update={**changes, "environments": places})


def load_system(name: str) -> Loaded:
    """Return the runbook of the system ``name``. Raise InputError, which lists the systems, if there is none."""
    return load(files_of([name])[name])


def files_of(names: Sequence[str]) -> dict[str, Path]:
    """Return {system: file} of the systems ``names``. Raise InputError, which lists the systems, if there is no such one."""
    files = find()
    for name in names:
        if name not in files:
            there = unknown("system", name, files)
            next_ = (
                f"Runbooks are looked for in {SYSTEMS_VARIABLE} (folders and files), or else in ./{USUAL_NAME}; "
                "`runwright init` drafts one."
            )
            raise InputError(there[0].upper() + there[1:], next=next_)
    return {name: files[name] for name in names}
