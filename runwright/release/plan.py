"""Everything that will happen, before anything happens."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from runwright.cutovers.shape import ALL
from runwright.engine.planning import DependsError, Planner, Step
from runwright.errors import RefusedError
from runwright.ledger.states import ReleaseState, reached
from runwright.migrators.shape import MigrationPlan
from runwright.plural import plural
from runwright.policy.levels import Level
from runwright.release import (
    ahead,
    at_start,
    brought,
    cutover,
    drivers,
    partial,
    revision_tables,
    schema,
    there_already,
    two_live,
    unfinished,
)
from runwright.release.adopt import previous_release
from runwright.release.pages import show_plan
from runwright.release.work import Work
from runwright.runbook.migrators.shape import Migrate
from runwright.versions import Version


def plan(work: Work) -> dict[str, Any]:
    """Write the plan: what would be done, in order, to the letter; what the way back is; and what it all depends on."""
    # a run that is started again after it has begun to change things goes on with the plan that it had
    begun = reached(work.release.state, ReleaseState.MIGRATING)
    made = work.fact("plan") if begun else make_plan(work)
    return {"hash": made["hash"], "level": made["level"], "steps": len(made["steps"])}


def make_plan(work: Work) -> dict[str, Any]:
    """Look at the target, compute the plan, write it down and show it."""
    previous = previous_release(work)
    if work.release.is_drill and (previous is None or previous.id != work.release.parameters["of"]):
        raise RefusedError(
            f"{work.release.ref} is not what serves any more: {previous.ref if previous else 'nothing'} is.",
            state="Nothing was changed.",
            next="Start another drill: it is of what serves then.",
        )
    partial.require_current(work, previous)
    work.ledger.releases.record(work.id, previous_id=previous.id if previous else None)
    work.refresh()
    revision_tables.before_plan(work)
    seen = seen_now(work)
    work.write_down("seen", seen)
    unfinished.note(work)
    migrations = read_migrations(work, seen)
    unfinished.require_no_clash(work, migrations)
    there = there_already.require(work, migrations)
    level = level_of(migrations, new=previous is None and bool(work.fact("new-database")))
    migrate = work.runbook.migrate
    if refuses := cannot_return(previous.version if previous else None, migrations, migrate):
        level = max(level, Level.L3)
    by_itself = at_start.level_of(work.version, migrate)
    level = max(level, by_itself if previous is not None else min(by_itself, Level.L1))
    new = brought.brought(work, previous)
    level = max(level, brought.level_of(new))
    lives = two_live.require(work, migrations)
    level = two_live.level(work, level)
    beside = (work.platform.staged if work.cutover.stages else work.platform.beside)(work.do, work.version)
    if beside.refuses is not None:
        raise beside.refuses
    work.cutover.require(work.do)
    slot = cutover.new_slot(work, work.do)
    steps, depends = changes(work, migrations, slot)
    made: dict[str, Any] = {
        "commit": work.version.commit,
        "artifacts": {a.component: a.identity for a in work.version.artifacts},
        "left_out": work.version.left_out,
        "migrations": migrations.as_json() if migrations else None,
        "level": level.name,
        "notes": [
            *partial.notes(work.version),
            *([refuses] if refuses else []),
            *notes(work.version, migrate),
            *brought.notes(new),
            *ahead.remark(work),
            *unfinished.remark(work),
            *there,
            *lives,
            *beside.says,
        ],
        "previous": previous.id if previous else None,
        "steps": [[s.key, s.says, s.exact] for s in steps],
        "depends": depends,
        "dark": beside.dark,
        "gates": work.fact("checklist"),
    }
    made["hash"] = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
    work.write_down("plan", made)
    work.ledger.releases.record(work.id, level=level.name, plan_hash=made["hash"], schema_before=seen["revisions"])
    work.ledger.releases.advance(work.id, ReleaseState.PLANNED, f"level {level.name}, {plural(len(steps), 'change')}")
    show_plan(work, made, migrations, level, steps)
    return made


def level_of(migrations: MigrationPlan | None, *, new: bool) -> Level:
    """Return what the way back costs. In a ``new`` database there is nothing to lose, and no version before used it."""
    if migrations is None:
        return Level.L0
    return min(migrations.level, Level.L1) if new and not migrations.unknown_current else migrations.level


def cannot_return(previous: Version | None, migrations: MigrationPlan | None, migrate: Migrate | None) -> str:
    """Return why the version before could not start on the new schema, as a sentence; "" if nothing speaks against it."""
    services = at_start.ours(previous, migrate) if previous is not None else {}
    if not services or previous is None or migrations is None or not migrations.pending:
        return ""
    return (
        f"No way back once it has migrated: what starts {', '.join(services)} of {previous.name} migrates, and it ends when "
        "the database is at a revision that it does not know. Take that out of its start command; Runwright migrates."
    )


def notes(version: Version, migrate: Migrate | None) -> list[str]:
    """Return what a person should know about a version that was put in place, a sentence each."""
    found = [*version.extra.get("remarks", []), *at_start.notes(version, migrate)]
    if differs := version.extra.get("other_files"):
        found.append(differs)
    found += version.extra.get("claimed", ())
    if mounts := version.extra.get("left_out"):
        found.append(f"Not mounted, because the image's own code is what is released: {'; '.join(mounts)}.")
    if mounts := version.extra.get("kept_mounted"):
        found.append(
            f"Mounted, as the runbook says, so that these files are not proven to be {version.name}'s: "
            f"{'; '.join(mounts)}."
        )
    if files := version.extra.get("behind"):
        found.append(
            f"Not released, because the service that uses it is in no component: {'; '.join(files)}. It goes on with other files than "
            f"{version.name} has. Make it a component, and it gets the files of each version."
        )
    if jobs := version.extra.get("run_once"):
        found.append(f"Not run, because it runs once and ends: {', '.join(jobs)}.")
    return found


def seen_now(work: Work) -> dict[str, Any]:
    """Return what the plan depends on, as plain JSON: what runs, who gets traffic, where the database is."""
    facts = work.platform.observe(work.do)
    revisions = schema.revisions_or_new(work, work.do)
    if work.database is not None:
        work.write_down("new-database", schema.new_database(work, work.do, revisions))
    return {
        "services": sorted([s.service, s.slot, s.identity] for s in facts.running),
        "traffic": work.cutover.traffic(work.do),
        "revisions": None if revisions is None else sorted(revisions),
    }


def read_migrations(work: Work, seen: dict[str, Any]) -> MigrationPlan | None:
    """Read the new version's migrations from its own artifact and compare them with the database."""
    if work.runbook.migrate is None or (work.database is None and work.runbook.migrate.asks_database):
        return None
    job = drivers.job(work.site, work.do, work.version, work.id)
    migrator = drivers.migrator(work.site)
    found = migrator.plan(work.do, job, tuple(seen["revisions"] or ()))
    work.write_down(ahead.FACT, None)
    if found.unknown_current:
        found = ahead.stay_ahead(work, migrator, found)
    mine = partial.migrations(work, found)
    work.write_down("migrations", mine.as_json() if mine else None)
    return mine


def migrations_of(work: Work) -> MigrationPlan | None:
    """Return the migrations as the plan read them."""
    data = work.fact("migrations")
    return MigrationPlan.from_json(data) if data else None


def changes(work: Work, migrations: MigrationPlan | None, slot: str) -> tuple[list[Step], str]:
    """Return every change from the lease on, in order, and what the rest depends on if it could not all be told."""
    planner = Planner(work.performer)
    try:
        work.platform.start_dependencies(planner, work.version, "deploy")
        unfinished.remove(work, planner)
        cutover.migrate(work, planner, work.version, migrations)
        cutover.stage(work, planner, work.version, slot)
        for share in cutover.shares(work):
            cutover.grow(work, planner, work.version, slot, share)
            cutover.shift(work, planner, work.version, slot, share)
        cutover.grow(work, planner, work.version, slot, ALL)
        cutover.switch(work, planner, work.version, slot)
    except DependsError as depends:
        return planner.steps, depends.what
    return planner.steps, ""
