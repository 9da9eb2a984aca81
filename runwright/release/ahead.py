"""A schema that a way back left ahead of what serves: on what a fix of that version can rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from runwright.engine.actions import Do
from runwright.errors import RefusedError
from runwright.ledger.release import Release
from runwright.ledger.states import ReleaseState
from runwright.ledger.way_back import level_between, schema_was_touched
from runwright.migrators.shape import MigrationPlan, Migrator, shown
from runwright.policy.levels import Level
from runwright.release import drivers, schema
from runwright.release.statements import how, stated
from runwright.release.work import Work

STATEMENT = "schema-ahead"
FACT = "schema-ahead"
_OVER = (ReleaseState.ROLLED_BACK, ReleaseState.PROVEN)


@dataclass(frozen=True)
class Ahead:
    """What is known of a database that is at ``here``, ahead of what serves.

    knows: the revisions of the code that serves. ref: its version. since: when it had proven that it serves there.
    left_by: the versions that left the schema so. level: what they did to it.
    """

    here: tuple[str, ...]
    knows: tuple[str, ...]
    ref: str
    since: datetime
    left_by: tuple[str, ...]
    level: Level


def schema_left_ahead(work: Work, do: Do) -> bool:
    """Return whether the database is where a release left it that was taken back, and what is live never knew that."""
    return proven_ahead(work, schema.current_revisions(work, do) or ()) is not None


def proven_ahead(work: Work, here: tuple[str, ...]) -> Ahead | None:
    """Return on what the version that serves rests, if the database is ahead of it and it has proven that it serves there."""
    releases = work.ledger.releases
    live = releases.live(work.release.system, work.release.environment)
    if live is None or not here:
        return None
    later = [
        r
        for r in releases.find(work.release.system, work.release.environment, limit=None, states=_OVER)
        if r.changed_at > live.changed_at  # what was adopted was opened after the release that found it
    ]
    at, left_by = _walked(sorted(later, key=lambda r: r.changed_at, reverse=True), set(here))
    if live.schema_after is not None and set(live.schema_after) != at:
        return None
    kept: dict[str, Any] = releases.fact(live.id, FACT) or {}
    if not left_by and not kept:
        return None
    level = max(level_between(left_by), Level(kept.get("level", Level.L0)))
    return Ahead(
        here=tuple(sorted(here)),
        knows=tuple(kept.get("knows", sorted(at))),
        ref=live.ref,
        since=max(r.changed_at for r in (live, *left_by)),
        left_by=(*kept.get("left_by", ()), *(r.ref for r in reversed(left_by))),
        level=level,
    )


def _walked(newest_first: list[Release], at: set[str]) -> tuple[set[str], list[Release]]:
    """Return where the schema was before the newest of the releases that were taken back, and which of them moved it."""
    moved = []
    for release in newest_first:
        if schema_was_touched(release) and set(release.schema_after or ()) == at:
            moved.append(release)
            at = set(release.schema_before or ())
    return at, moved


def stay_ahead(work: Work, migrator: Migrator, found: MigrationPlan) -> MigrationPlan:
    """Return the plan for a version that does not know where the database is, if it can rest on what serves there.

    Raise RefusedError if it cannot, or somebody has to state that it may.
    """
    unknown = (
        f"The database is at {', '.join(found.unknown_current)}, which {work.version.name} does not know: "
        "the database is ahead of it."
    )
    ahead = proven_ahead(work, found.current)
    if ahead is None:
        raise RefusedError(
            unknown,
            state="Nothing was changed.",
            next="Deploy a version that knows this revision. Going back in the schema is never done by a deploy.",
        )
    job = drivers.job(work.site, work.do, work.version, work.id)
    own = migrator.plan(work.do, job, ahead.knows)
    if own.pending or own.unknown_current or set(own.heads) != set(ahead.knows):
        brings = f"{shown(tuple(m.revision for m in own.pending))}" if own.pending else f"{shown(own.heads)}"
        raise RefusedError(
            f"{unknown} {ahead.ref} serves there, but its migrations end at {shown(ahead.knows)}, and this version's are "
            f"others ({brings}): they cannot be applied to a schema that is at a revision unknown to them.",
            state="Nothing was changed.",
            next=f"Let the fix have the migrations of {ahead.ref} and no more, or base it on the version that brought "
            f"{shown(ahead.here)}.",
        )
    if ahead.level > Level.L1 and not stated(work, STATEMENT) and work.release.procedure == "deploy":
        raise RefusedError(
            f"{unknown} {rests(ahead)} But what {' and '.join(ahead.left_by)} did to it is of level {ahead.level.name}: "
            f"{ahead.level.meaning}.",
            state="Nothing was changed.",
            next=f"If you know that this version may run there, say so by name: {how(work, STATEMENT)}.",
        )
    kept = {
        "knows": list(ahead.knows),
        "level": ahead.level.value,
        "left_by": list(ahead.left_by),
        "rests": rests(ahead),
    }
    work.write_down(FACT, kept)
    return replace(found, heads=own.heads, unknown_current=(), ahead=ahead.here)


def rests(ahead: Ahead) -> str:
    """Return on what a release rests that leaves the schema ahead, as a sentence."""
    return (
        f"{ahead.ref} serves on {shown(ahead.here)} since {ahead.since:%Y-%m-%d %H:%M} UTC, as {' and '.join(ahead.left_by)} "
        f"left it, and was verified there; this version has the same migrations as {ahead.ref}, so nothing is migrated."
    )


def stays_ahead(work: Work) -> bool:
    """Return whether this release leaves the schema ahead of its version on purpose."""
    return bool(work.fact(FACT))


def remark(work: Work) -> list[str]:
    """Return what the plan says about a schema that stays ahead; nothing if it does not."""
    kept = work.fact(FACT)
    if not kept:
        return []
    risk = Level(kept["level"]) > Level.L1
    names = [a.name for a in work.ledger.records.approvals(work.id, STATEMENT)]
    asked = (
        f" {names[-1]} states that it may run there."
        if names
        else f" Somebody has to state it: {how(work, STATEMENT)}."
    )
    return [f"The schema stays ahead of this version. {kept['rests']}{asked if risk else ''}"]
