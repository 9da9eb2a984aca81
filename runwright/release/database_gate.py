"""The gate `database`: it answers, its revision is a known one, and nothing in its schema is unfinished."""

from __future__ import annotations

from runwright import source
from runwright.policy.gates import GateState
from runwright.release import unfinished
from runwright.release.schema import current_revisions, makes_database
from runwright.release.work import Work


def database_answers(work: Work) -> tuple[GateState, str]:
    """Return what the gate says. A revision that neither a release here nor the version's code knows fails it."""
    if work.database is None:
        return GateState.FAIL, "The environment has no database."
    if makes_database(work, work.do):
        return GateState.PASS, "Nothing of the system was ever started here: this release makes its database."
    engine = work.database.reachable(work.do)
    revisions = current_revisions(work, work.do)
    at = f", at revision {', '.join(revisions)}" if revisions else _unversioned(work) if revisions is not None else ""
    state, unknown = _known(work, revisions or ())
    left = work.database.unfinished(work.do)
    remark = f"It holds {unfinished.told(left)}. {unfinished.remedy(work, left)}" if left else ""
    if left and state is GateState.PASS:
        state = GateState.WARN
    return state, " ".join(said for said in (f"{engine} answers{at}.", unknown, remark) if said)


def _unversioned(work: Work) -> str:
    assert work.database is not None
    return ", with tables and no revision" if work.database.tables(work.do) else ", new"


def _known(work: Work, revisions: tuple[str, ...]) -> tuple[GateState, str]:
    """Return whether the revisions are known, and a sentence if no release here has found or left the database there."""
    newest_first = work.ledger.releases.walk(work.release.system, work.release.environment)
    seen = (set(found) for r in newest_first for found in (r.schema_before, r.schema_after) if found is not None)
    if not revisions or (first := next(seen, None)) is None or set(revisions) == first or set(revisions) in seen:
        return GateState.PASS, ""
    live = work.ledger.releases.live(work.release.system, work.release.environment)
    said = (
        f"{live.ref} left it at {', '.join(live.schema_after)}"
        if live and live.schema_after
        else "No release here left it there"
    )
    commit, mirror = work.release.commit, work.folders.mirror
    if commit and mirror.exists() and all(source.mentions(work.do, mirror, commit, r) for r in revisions):
        return GateState.WARN, f"{said}: somebody else migrated it since. The version's code names this revision."
    return (
        GateState.FAIL,
        f"{said}: somebody else migrated it since, and the version's code does not name this revision.",
    )
