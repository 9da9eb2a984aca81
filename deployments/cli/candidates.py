"""What a system can be put back to, and what each of it means for its data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deployments.cli.looking import Looking
from deployments.cli.running import host_of
from runwright import registry
from runwright.engine.there.place import at
from runwright.errors import InputError, UnreachableError
from runwright.ledger import Ledger, Release
from runwright.ledger.states import ReleaseState
from runwright.ledger.way_back import before, level_between, taken_along
from runwright.platforms.shape import Kind
from runwright.policy.levels import Level

SHOWN = 10

Kept = Literal["yes", "no", "not looked at"]


@dataclass(frozen=True)
class Candidate:
    """A release that was proven (or adopted), and what lies between it and what is taken back."""

    release: Release
    level: Level
    between: int
    kept: Kept
    usual: bool

    @property
    def for_data(self) -> str:
        """What going back to it means for the data."""
        return self.level.meaning


def candidates(ledger: Ledger, taken_back: Release) -> list[Candidate]:
    """Return the releases that the system can be put back to, newest first."""
    newest_first = ledger.releases.walk(taken_back.system, taken_back.environment)
    usual = usual_way(ledger, taken_back)
    seen, found = [taken_back], list[Candidate]()
    for release in before(newest_first, taken_back):
        seen.append(release)
        if release.state is ReleaseState.PROVEN and release.version is not None:
            along = taken_along(seen, taken_back, release.id)
            is_usual = usual is not None and release.id == usual.id
            found.append(Candidate(release, level_between(along), len(along), kept(release), is_usual))
        if len(found) == SHOWN:
            break
    return found


def usual_way(ledger: Ledger, taken_back: Release) -> Release | None:
    """Return what a rollback goes back to unless something else is named."""
    if taken_back.previous_id:
        return ledger.releases.get(taken_back.previous_id)
    live = ledger.releases.live(taken_back.system, taken_back.environment)
    return live if live is not None and live.id != taken_back.id else None


def kept(release: Release) -> Kept:
    """Return whether what a release is made of is still there, where this machine can tell in a moment."""
    assert release.version is not None
    seen = {_artifact_kept(release, artifact.reference) for artifact in release.version.artifacts}
    if not seen or "not looked at" in seen:
        return "not looked at"
    return "no" if "no" in seen else "yes"


def _artifact_kept(release: Release, reference: str) -> Kept:
    if reference.startswith("/"):
        return "yes" if Path(reference).exists() else "no"
    environments = release.runbook.get("environments")
    place = environments.get(release.environment) if isinstance(environments, dict) else None
    target = place.get("target") if isinstance(place, dict) else None
    try:
        kind: Kind = registry.PLATFORMS.driver(str(target.get("platform")) if isinstance(target, dict) else "")
    except InputError:
        return "not looked at"
    try:
        with at(host_of(release)):
            seen = kind.keeps(Looking(), reference)
    except UnreachableError:
        seen = None
    return "not looked at" if seen is None else "yes" if seen else "no"


def chosen(ledger: Ledger, taken_back: Release, release_id: str) -> Candidate:
    """Return the candidate of that id. Raise InputError if it cannot be gone back to."""
    release = ledger.releases.get(release_id)
    if (release.system, release.environment) != (taken_back.system, taken_back.environment):
        raise InputError(
            f"{release.id} is a release of {release.system}/{release.environment}, "
            f"not of {taken_back.system}/{taken_back.environment}."
        )
    found = candidates(ledger, taken_back)
    for candidate in found:
        if candidate.release.id == release_id:
            return candidate
    names = ", ".join(c.release.id for c in found) or "none"
    raise InputError(
        f"{release.id} ({release.ref}) is {release.state}: it was not proven before {taken_back.id}, so it is no way back.",
        next=f"There are: {names}.",
    )
