"""Which systems a command goes by when it is not told: the user's own, and only without any the shipped ones."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from runwright.errors import RunwrightError

if TYPE_CHECKING:
    from runwright.runbook.loader import Loaded

DRAFTS_ONE = "`runwright init` drafts one."


def none_of_yours() -> str:
    """Return why there is no runbook of the user's own, as a sentence or two."""
    from runwright.runbook.finding import SYSTEMS_VARIABLE, USUAL_NAME, own_places

    places = own_places()
    if not places:
        return f"There is no runbook of yours: {SYSTEMS_VARIABLE} is not set, and the current folder holds no {USUAL_NAME}."
    return (
        f"There is no runbook of yours: {SYSTEMS_VARIABLE} is {os.pathsep.join(map(str, places))}, and no .yaml or .yml file is "
        f"in {'it' if len(places) == 1 else 'them'}. Runbooks are expected directly in a folder; folders in it are not "
        "looked into."
    )


@dataclass(frozen=True)
class System:
    """A runbook that can be read, and those of its environments that are meant."""

    loaded: Loaded
    environments: tuple[str, ...]


@dataclass(frozen=True)
class Chosen:
    """What a command goes by. broken: the files that have mistakes. own: whether these are the user's, or were named."""

    systems: tuple[System, ...]
    broken: dict[Path, RunwrightError] = field(default_factory=dict)
    own: bool = True


def choose(names: Sequence[str] = ()) -> Chosen:
    """Return the systems ``names``; without names the user's own; without any the shipped ones, as far as they can be released.

    Raise InputError if there is no such system.
    """
    from runwright.policy.support import unsupported
    from runwright.runbook.finding import own, shipped
    from runwright.runbook.loader import files_of, load

    files = files_of(names) if names else own()
    theirs = bool(files)
    systems: list[System] = []
    broken: dict[Path, RunwrightError] = {}
    for path in (files or shipped()).values():
        try:
            loaded = load(path)
        except RunwrightError as error:
            broken[path] = error
            continue
        meant = [n for n in loaded.runbook.environments if theirs or unsupported(loaded.runbook, n) is None]
        if meant:
            systems.append(System(loaded, tuple(meant)))
    return Chosen(tuple(systems), broken, theirs)
