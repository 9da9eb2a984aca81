"""Remove what earlier releases left on this machine, once a release is proven."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from runwright.builders.images import images_of
from runwright.engine.actions import Command, Read
from runwright.errors import CancelledError, FencedError, LedgerError, RunwrightError
from runwright.ledger.release import Release
from runwright.ledger.states import ENDED, ReleaseState
from runwright.platforms.host.driver import SLOTS
from runwright.platforms.host.leftovers import Needed, built, checked_out, in_slots, written
from runwright.plural import plural
from runwright.runbook.targets import ComposeTarget, HostTarget
from tasks.site import Folders, Site
from tasks.work import Work

KEPT_RELEASES = 5
"""How many of an environment's newest releases keep what was built and logged of them, besides what serves and its way
back: somebody may want to look at them, or to go back further."""
LOOK_BACK = 100
"""Among how many records those releases are looked for: backups and plans are records too."""
UNFINISHED = frozenset(ReleaseState) - ENDED


def tidy(work: Work) -> None:
    """Remove what no release needs: images; on the host platform built folders, logs and worktrees.

    That it cannot be done fails no release. Only under the lease, and never anything of what runs, of what serves or its
    way back, of a release that has not ended, or of the newest few, in any environment of the system: they share what was
    built.
    """
    if work.do.token is None:
        return
    try:
        if isinstance(work.place.target, HostTarget):
            _remove_files(work)
        elif isinstance(work.place.target, ComposeTarget):
            _remove_images(work)
    except (CancelledError, FencedError, LedgerError):
        raise
    except RunwrightError as error:
        work.say(f"What earlier releases left could not be removed: {error.what}", level="warning")


def _remove_files(work: Work) -> None:
    paths = work.do(Read(says="look for what earlier releases left", function=lambda: leftovers(work)))
    if not paths:
        return
    says = f"remove {plural(len(paths), 'file or folder', 'files and folders')} that no release needs"
    argv = ("rm", "-rf", "--", *map(str, paths))
    work.do(Command(says=says, key=f"tidy/{_mark(paths)}", argv=argv, deadline_seconds=600.0))


def _remove_images(work: Work) -> None:
    """Take the tags of ours from the images that no release needs. Docker keeps an image that a container has."""
    prefixes = ["runwright/", *([f"{work.place.registry.prefix}/"] if work.place.registry else [])]
    releases, system = work.ledger.releases, work.release.system
    here = {environment for of, environment in releases.places() if of == system}
    kept = kept_releases(work, here | set(work.runbook.environments))
    commits = {commit for release in kept for commit in _commits(release)}
    ids = {str(i) for r in kept if r.version for i in r.version.extra.get("images", {}).values()}
    # what this ledger knows nothing of is another's on this machine, or was built and never released
    old = releases.commits(system) - commits
    tags = sorted(
        tag
        for image in images_of(work.do, system)
        if image.commit in old and image.id not in ids
        for tag in image.tags
        if tag.startswith(tuple(prefixes))
    )
    if tags:
        says = f"remove {plural(len(tags), 'tag')} of images that no release needs: {', '.join(tags)}"
        argv = ("docker", "image", "rm", *tags)
        # 1: one of them is a container's; the others are removed all the same
        ok = frozenset({0, 1})
        work.do(Command(says=says, key=f"tidy/images/{_mark(tags)}", argv=argv, ok=ok, deadline_seconds=600.0))


def _mark(things: Iterable[object]) -> str:
    return hashlib.sha256("\n".join(map(str, things)).encode()).hexdigest()[:12]


def leftovers(work: Work) -> list[Path]:
    """Return what may go, of this environment and of the folders that the system's environments share."""
    needed = _needed(work)
    folders = work.folders
    here = [*written(work.site.root, SLOTS, needed), *checked_out(folders.tree.parent.parent, needed)]
    return [*built(folders.artifacts, needed), *here]


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


def _needed(work: Work) -> Needed:
    places = [_slots(work, name) for name in work.runbook.environments]
    kept = kept_releases(work, {*work.runbook.environments, *_here(work.folders)})
    commits = {commit for release in kept for commit in _commits(release)}
    return Needed(
        frozenset(commits).union(*(place.commits for place in places)),
        frozenset(release.id for release in kept).union(*(place.releases for place in places)),
    )


def _here(folders: Folders) -> list[str]:
    """Return all environments that were ever built for on this machine, also those that the runbook has no more."""
    return [path.name for path in folders.artifacts.parent.iterdir() if (path / "trees").is_dir()]


def _commits(release: Release) -> set[str]:
    return {release.commit or "", release.version.commit if release.version else ""} - {""}


def _slots(work: Work, environment: str) -> Needed:
    """Return what the slots of an environment run: also of one that is not ours to change."""
    site = Site(work.runbook, environment, Folders.of(work.release.system, environment, work.id), {})
    return in_slots(site.root, SLOTS) if isinstance(site.place.target, HostTarget) else Needed(frozenset(), frozenset())
