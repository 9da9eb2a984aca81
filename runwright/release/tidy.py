"""Remove what earlier releases left on this machine, once a release is proven."""

from __future__ import annotations

from collections.abc import Iterable

from runwright.errors import CancelledError, FencedError, LedgerError, RunwrightError
from runwright.ledger.release import Release
from runwright.ledger.states import ENDED, ReleaseState
from runwright.platforms.shape import Kept
from runwright.release import drivers
from runwright.release.work import Work
from runwright.site import Folders, Site

KEPT_RELEASES = 5
"""How many of an environment's newest releases keep what was built and logged of them, besides what serves and its way
back: somebody may want to look at them, or to go back further."""
LOOK_BACK = 100
"""Among how many records those releases are looked for: backups and plans are records too."""
UNFINISHED = frozenset(ReleaseState) - ENDED


def tidy(work: Work) -> None:
    """Remove what no release needs: images, built folders, logs and worktrees.

    That it cannot be done fails no release. Only under the lease, and never anything of what runs, of what serves or its
    way back, of a release that has not ended, or of the newest few, in any environment of the system: they share what was
    built.
    """
    if work.do.token is None:
        return
    try:
        kept = needed(work)
        work.platform.tidy(work.do, kept, "tidy")
        if kept.old:
            for builder in {id(b): b for b in drivers.builders(work.site).values()}.values():
                builder.untag(work.do, kept.old, kept.identities, "tidy")
    except (CancelledError, FencedError, LedgerError):
        raise
    except RunwrightError as error:
        work.say(f"What earlier releases left could not be removed: {error.what}", level="warning")


def kept_releases(work: Work, environments: Iterable[str]) -> list[Release]:
    """Return the releases of the system of which nothing is removed: this one, those that have not ended, and in each
    environment what is live and the newest few; and the ways back of all of these."""
    releases, system = work.ledger.releases, work.release.system
    kept = [work.release, *releases.find(system, limit=None, states=UNFINISHED)]
    for name in environments:
        live = releases.live(system, name)
        newest = [r for r in releases.find(system, name, limit=LOOK_BACK) if r.procedure == "deploy"]
        kept += [*newest[:KEPT_RELEASES], *([live] if live else [])]
    return kept + [releases.get(r.previous_id) for r in kept if r.previous_id]


def needed(work: Work) -> Kept:
    """Return what must stay, of all environments of the system that this machine or this ledger knows; and of which commits
    something may go: what this ledger knows nothing of is another's on this machine, or was built and never released."""
    releases, system = work.ledger.releases, work.release.system
    places = [_runs(work, name) for name in work.runbook.environments]
    known = {environment for of, environment in releases.places() if of == system}
    kept = kept_releases(work, {*work.runbook.environments, *_here(work.folders), *known})
    commits = {commit for release in kept for commit in _commits(release)}.union(*(place.commits for place in places))
    ids = {str(i) for r in kept if r.version for i in r.version.extra.get("images", {}).values()}
    return Kept(
        frozenset(commits),
        frozenset(release.id for release in kept).union(*(place.releases for place in places)),
        frozenset(ids),
        frozenset(releases.commits(system) - commits),
    )


def _here(folders: Folders) -> list[str]:
    """Return all environments that were ever built for on this machine, also those that the runbook has no more."""
    base = folders.artifacts.parent
    return [path.name for path in base.iterdir() if (path / "trees").is_dir()] if base.is_dir() else []


def _commits(release: Release) -> set[str]:
    return {release.commit or "", *(release.version.commits if release.version else ())} - {""}


def _runs(work: Work, environment: str) -> Kept:
    """Return what an environment runs: also of one that is not ours to change."""
    target = work.runbook.environments[environment].target
    if target.host() != work.place.target.host():
        return Kept(frozenset(), frozenset())  # what it runs lies elsewhere
    site = Site(work.runbook, environment, Folders.of(work.release.system, environment, work.id), {})
    if not site.place.target.built:
        return Kept(frozenset(), frozenset())
    return drivers.kind(site).needed(site)
