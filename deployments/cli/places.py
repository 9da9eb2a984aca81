"""SYSTEM/ENVIRONMENT: the one form in which a command is told where it works."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from deployments.cli.wording import one_line
from runwright.errors import InputError, RunwrightError

if TYPE_CHECKING:
    from runwright.ledger import Ledger
    from runwright.runbook.loader import Loaded

_FORM = re.compile(r"(?P<system>[a-z][a-z0-9-]{0,47})/(?P<environment>[a-z][a-z0-9-]{0,47})")


@dataclass(frozen=True)
class Place:
    """One environment of one system."""

    system: str
    environment: str

    def __str__(self) -> str:
        return f"{self.system}/{self.environment}"

    @property
    def deployment(self) -> str:
        """The name that its deployments have in Prefect."""
        return f"{self.system}-{self.environment}"


def parse(text: str) -> Place:
    """Return the place that ``text`` names. Raise InputError, which lists what there is, if it has another form."""
    if found := _FORM.fullmatch(text):
        return Place(found["system"], found["environment"])
    raise unknown(text, "is not SYSTEM/ENVIRONMENT", with_runbooks())


def with_runbooks() -> list[Place]:
    """Return the places of the user's own runbooks that can be read, sorted; without any, of the shipped ones."""
    from deployments.cli.systems import choose

    chosen = choose().systems  # `runwright check` says what is wrong with the others
    return sorted((Place(one.loaded.runbook.system, name) for one in chosen for name in one.environments), key=str)


def _has_runbook(place: Place) -> bool:
    from runwright.runbook.finding import find
    from runwright.runbook.loader import load

    try:
        return place.environment in load(find()[place.system]).runbook.environments
    except (KeyError, RunwrightError):
        return False


def in_ledger(ledger: Ledger) -> list[Place]:
    """Return the places that have a release, sorted."""
    return [Place(system, environment) for system, environment in ledger.releases.places()]


def known(text: str, ledger: Ledger | None) -> Place:
    """Return the place that ``text`` names, if it has a runbook or a release. Raise InputError if it has neither."""
    place = parse(text)
    released = in_ledger(ledger) if ledger else []
    if place in released:
        return place
    there = [*with_runbooks(), *released]
    if place not in there and not _has_runbook(place):
        raise unknown(text, "is not known: it has neither a runbook nor a release", there)
    return place


def with_runbook(text: str) -> tuple[Place, Loaded]:
    """Return the place that ``text`` names and its runbook.

    Raise InputError if there is none, RunbookError if it has mistakes, NotBuiltError if it cannot be released yet.
    """
    from runwright.errors import NotBuiltError
    from runwright.policy.support import unsupported
    from runwright.runbook.loader import load_system
    from runwright.runbook.model import environment

    place = parse(text)
    loaded = load_system(place.system)
    environment(loaded.runbook, place.environment)
    if sentence := unsupported(loaded.runbook, place.environment):
        raise NotBuiltError(sentence)
    return place, loaded


def unknown(text: str, why: str, there: list[Place]) -> InputError:
    """Return the error that ``text`` is no place, with what was probably meant and all that there are."""
    names = sorted({str(place) for place in there})
    near = get_close_matches(text.replace("-", "/", 1) if "/" not in text else text, names, n=1)
    near = near or [name for name in names if name.replace("/", "-") == text]
    hint = f" Did you mean {near[0]}?" if near else ""
    listed = f"There are: {', '.join(names)}." if names else "There is no runbook yet: `runwright init` drafts one."
    return InputError(f"{one_line(text, 80)!r} {why}.{hint}", next=listed)
