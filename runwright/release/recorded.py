"""What the ledger knows of a commit's images: the digest that was proven is the one that is deployed everywhere."""

from __future__ import annotations

from collections.abc import Iterable

from runwright.builders.pulled import Recorded
from runwright.ledger.release import Release
from runwright.ledger.states import ReleaseState
from runwright.release.work import Work
from runwright.runbook.component import Component
from runwright.versions import Artifact


def recorded(work: Work) -> dict[str, Recorded]:
    """Return what is known of each component of the commit that is released, by the name that its image has now."""
    release, commit = work.release, work.version.commit
    there = [r for r in work.ledger.releases.find(release.system, limit=None, commit=commit) if r.id != release.id]
    proven = [r for r in there if r.state is ReleaseState.PROVEN]
    here = [r for r in there if r.environment == release.environment]
    found = {}
    for name, spec in work.runbook.components.items():
        image = spec.image_of(commit, release.ref)
        tried = _first(proven, name, image)
        last = _first(here, name, image)
        planned = last[1] if last and last[0].procedure == "plan" and release.procedure != "plan" else None
        by = f"{tried[0].id} in {tried[0].environment}" if tried else ""
        found[name] = Recorded(tried[1] if tried else None, by, planned)
    return found


def _first(releases: Iterable[Release], component: str, image: str) -> tuple[Release, Artifact] | None:
    """Return the newest of ``releases`` that has ``component``, named as ``image`` then, and its artifact."""
    for release in releases:
        said = (release.runbook.get("components") or {}).get(component) or {}
        named = Component(image=said.get("image")).image_of(release.commit or "", release.ref)
        for artifact in release.version.artifacts if release.version and named == image else ():
            if artifact.component == component and not artifact.ref:  # else it is of another commit
                return release, artifact
    return None
