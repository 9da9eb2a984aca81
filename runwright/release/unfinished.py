"""What statements that ended too early left in the schema: named, and removed if a person says so."""

from __future__ import annotations

from collections.abc import Iterable

from runwright.databases.shape import Unfinished
from runwright.engine.actions import Do
from runwright.errors import RefusedError
from runwright.migrators.shape import MigrationPlan
from runwright.policy.revisions.additions import adds_index
from runwright.release import schema
from runwright.release.statements import how, stated
from runwright.release.work import Work

REMOVE = "remove-invalid-indexes"
REMOVE_KEY = "deploy/unfinished"
_FACT = "unfinished"


def note(work: Work) -> tuple[Unfinished, ...]:
    """Look at what is unfinished before this release changes anything, and write it down; return it."""
    known = work.database is not None and work.runbook.migrate is not None and not work.fact(schema.MAKES_DATABASE)
    found = work.database.unfinished(work.do) if known and work.database is not None else ()
    work.write_down(_FACT, [vars(one) for one in found])
    return found


def noted(work: Work) -> tuple[Unfinished, ...]:
    """Return what was written down."""
    return tuple(Unfinished(**one) for one in work.fact(_FACT) or ())


def left(work: Work) -> tuple[Unfinished, ...]:
    """Return what is unfinished now and was not when the release was planned."""
    if work.database is None:
        return ()
    before = {one.name for one in noted(work)}
    return tuple(one for one in work.database.unfinished(work.do) if one.name not in before)


def to_remove(work: Work) -> tuple[Unfinished, ...]:
    """Return the invalid indexes that a person lets this release remove; one that is being built is none."""
    found = tuple(one for one in noted(work) if one.index and not one.busy)
    return found if found and stated(work, REMOVE) else ()


def remove(work: Work, do: Do) -> None:
    """Remove them."""
    for one in to_remove(work):
        assert work.database is not None
        work.database.remove(do, one, f"{REMOVE_KEY}/{one.name}")


def require_no_clash(work: Work, migrations: MigrationPlan | None) -> None:
    """Raise RefusedError if a pending migration builds an index that is there, and is invalid.

    It would fail, or with IF NOT EXISTS pass and leave the invalid one.
    """
    operations = [line for one in migrations.pending for line in one.operations] if migrations else []
    stays = [one for one in noted(work) if one.index and one not in to_remove(work)]
    clashes = [one for one in stays if adds_index(operations, one.name)]
    if clashes and work.release.procedure != "plan":
        raise RefusedError(
            f"The migrations of {work.version.name} build what is there already: {told(clashes)}.",
            state="Nothing was changed.",
            next=remedy(work, clashes),
        )


def remark(work: Work) -> list[str]:
    """Return what the plan says about it."""
    found, gone = noted(work), to_remove(work)
    kept = [one for one in found if one not in gone]
    says = [f"Removed before the migration: {told(gone)}."] if gone else []
    return [*says, f"It was there before this release: {told(kept)}. {remedy(work, kept)}"] if kept else says


def told(found: Iterable[Unfinished]) -> str:
    """Return what was found as one phrase."""
    return "; ".join(one.says for one in found)


def remedy(work: Work, found: Iterable[Unfinished]) -> str:
    """Return what a person can do about it, as sentences; "" if there is nothing."""
    found = tuple(found)
    by_hand = "; ".join(one.remedy for one in found)
    offered = f" Or let the release do it: {how(work, REMOVE)}." if any(one.index for one in found) else ""
    wait = "Wait until it is built, if that is what is going on. " if any(one.busy for one in found) else ""
    return f"{wait}To end it by hand, while the application goes on: `{by_hand}`.{offered}" if found else ""
