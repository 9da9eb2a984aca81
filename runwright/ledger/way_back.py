"""What going back from one release to another takes back: the same rule for who shows it, who asks and who does it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import dropwhile
from typing import TYPE_CHECKING

from runwright.errors import InputError
from runwright.ledger.release import Release
from runwright.ledger.states import ReleaseState
from runwright.policy.levels import Level, worst

if TYPE_CHECKING:
    from runwright.ledger import Ledger

PREPARED = frozenset({ReleaseState.PREPARING, ReleaseState.PLANNED, ReleaseState.APPROVED})
_GONE = frozenset({ReleaseState.ABANDONED, ReleaseState.ROLLED_BACK})


def to_take_back(ledger: Ledger, system: str, environment: str) -> Release:
    """Return the release that a rollback is about unless one is named: the newest that changed something, or may have.

    One that is only being prepared has not, whatever else is wrong there. Raise InputError if there is none.
    """
    for release in ledger.releases.walk(system, environment):
        if not release.deploys or release.state in _GONE or release.adopted:
            continue
        if release.state not in PREPARED or ledger.journal(release.id).changed(under_lease=True):
            return release
    raise InputError(
        f"There is no release of {system}/{environment} to take back.",
        next=f"`runwright history {system}/{environment}` lists them.",
    )


def taken_along(newest_first: Iterable[Release], taken_back: Release, behind: str | None) -> list[Release]:
    """Return what is undone by going back from ``taken_back`` to the release ``behind`` (None: to nothing).

    That is itself, what was proven in between, and what left the schema other than it had found it, however it ended.
    """
    found = [taken_back]
    for release in before(newest_first, taken_back):
        if release.id == behind:
            break
        if release.state is ReleaseState.PROVEN or schema_was_touched(release):
            found.append(release)
    return found


def before(newest_first: Iterable[Release], release: Release) -> Iterator[Release]:
    """Yield what is older than ``release``, newest first."""
    older = dropwhile(lambda one: one.id != release.id, _as_they_served(newest_first))
    next(older, None)
    return older


def _as_they_served(newest_first: Iterable[Release]) -> Iterator[Release]:
    """Yield releases with what one found running behind it: it was adopted, and so written down, after that one had begun."""
    adopted: dict[str, Release] = {}
    for release in newest_first:
        if release.adopted:
            adopted[release.id] = release
            continue
        yield release
        if found := adopted.pop(release.previous_id or "", None):
            yield found
    yield from adopted.values()


def level_between(releases: Iterable[Release]) -> Level:
    """Return what it costs to undo all of ``releases``. A level that nobody knows counts as L3, unless adopted."""
    return worst(_level(release) for release in releases)


def _level(release: Release) -> Level:
    if release.level is not None and release.level in Level.__members__:
        return Level(release.level)
    untouched = release.adopted or release.state in (ReleaseState.PREPARING, ReleaseState.PLANNED)
    return Level.L0 if untouched else Level.L3


def schema_was_touched(release: Release) -> bool:
    """Return whether a release that is over left the schema other than it found it (what it added stays)."""
    return release.schema_after is not None and release.schema_after != release.schema_before


def checked_target(ledger: Ledger, taken_back: Release, to: str) -> Release:
    """Return the release ``to`` if the system can be put back to it from ``taken_back``.

    Raise InputError unless it was proven there before, and what it deployed is known.
    """
    release = ledger.releases.get(to)
    where = f"{taken_back.system}/{taken_back.environment}"
    if (release.system, release.environment) != (taken_back.system, taken_back.environment):
        raise InputError(f"{to} is a release of {release.system}/{release.environment}, not of {where}.")
    older = before(ledger.releases.walk(release.system, release.environment), taken_back)
    if not any(one.id == to for one in older) or release.state is not ReleaseState.PROVEN or release.version is None:
        raise InputError(
            f"{to} ({release.ref}) is {release.state.value}: it was not proven before {taken_back.id}, so it is no way back.",
            next=f"`runwright rollback {where}` lists the ways back.",
        )
    return release
