"""Find the one commit that is meant; everything later uses it."""

from __future__ import annotations

from runwright import source
from runwright.errors import RefusedError
from runwright.versions import Version
from tasks.step import step
from tasks.work import Work


@step(retried=True)
def resolve(work: Work) -> str:
    """Find the one commit that the version means, and check that it may be released here."""
    return resolve_now(work)


def resolve_now(work: Work) -> str:
    """Do that."""
    release = work.release
    if release.commit:
        return release.commit
    source.mirror(work.do, work.runbook.source.repo, work.folders.mirror, key="prepare/mirror", token=_token(work))
    # a drill is of the commit that serves, wherever its branch or tag is by now
    found = source.resolve(work.do, work.folders.mirror, release.parameters.get("commit") or release.ref)
    if not release.is_drill and not source.allowed(found, work.place.refs):
        raise RefusedError(
            f"{release.ref} may not be released to {release.environment}: it takes {work.place.refs}, "
            f"and this is the {found.kind} {found.ref}.",
            state="Nothing was changed.",
            next="Deploy a version that matches, or change `refs` of the environment in the runbook.",
        )
    bad = work.ledger.releases.quarantined(release.system, release.environment, found.commit)
    if bad is not None and not release.is_drill:
        raise RefusedError(
            f"{release.ref} is commit {found.commit[:8]}, which was taken back before: {bad.id} ({bad.because}).",
            state="Nothing was changed.",
            next=f"Deploy a fixed version. If this one is right after all: `runwright clear {bad.id} --why ...`.",
        )
    version = Version(release.system, release.environment, release.ref, found.commit)
    work.ledger.releases.record(work.id, commit=found.commit, version=version)
    work.refresh()
    work.write_down("subject", found.subject)
    work.say(f"{release.ref} is {found.kind} {found.commit}: {found.subject}")
    return found.commit


def _token(work: Work) -> str:
    name = work.runbook.source.token
    return work.secrets.get(name, "") if name else ""
