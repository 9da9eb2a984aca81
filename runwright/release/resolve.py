"""Find the one commit that is meant; everything later uses it."""

from __future__ import annotations

from datetime import UTC, datetime

from runwright import source
from runwright.errors import RefusedError
from runwright.release.work import Work
from runwright.versions import Version


def resolve(work: Work) -> str:
    """Find the one commit that the version means, and check that it may be released here."""
    release = work.release
    if release.commit:
        return release.commit
    if release.is_drill:
        return _as_it_serves(work)
    source.mirror(work.do, work.runbook.source.repo, work.folders.mirror, key="prepare/mirror", token=_token(work))
    found = source.resolve(work.do, work.folders.mirror, release.ref)
    if not source.allowed(found, work.place.refs):
        raise RefusedError(
            f"{release.ref} may not be released to {release.environment}: it takes {work.place.refs}, "
            f"and this is the {found.kind} {found.ref}.",
            state="Nothing was changed.",
            next="Deploy a version that matches, or change `refs` of the environment in the runbook.",
        )
    bad = work.ledger.releases.quarantined(release.system, release.environment, found.commit)
    if bad is not None:
        raise RefusedError(
            f"{release.ref} is commit {found.commit[:8]}, which was taken back before: {bad.id} ({bad.because}).",
            state="Nothing was changed.",
            next=f"Deploy a fixed version. If this one is right after all: `runwright clear {bad.id} --why ...`.",
        )
    version = Version(release.system, release.environment, release.ref, found.commit)
    work.ledger.releases.record(work.id, commit=found.commit, version=version)
    work.refresh()
    work.write_down("subject", found.subject)
    work.write_down("resolved_at", datetime.now(UTC).isoformat())
    work.say(f"{release.ref} is {found.kind} {found.commit}: {found.subject}")
    return found.commit


def _as_it_serves(work: Work) -> str:
    """Take the version that is drilled as it was released: its commit, wherever its tag is by now, and its artifacts."""
    of = work.ledger.releases.get(str(work.release.parameters["of"]))
    assert of.version is not None and of.commit
    work.ledger.releases.record(work.id, commit=of.commit, version=of.version)
    work.refresh()
    work.say(f"{of.ref} as it serves: {of.commit}, released by {of.id}")
    return of.commit


def _token(work: Work) -> str:
    name = work.runbook.source.token
    return work.secrets.get(name, "") if name else ""
