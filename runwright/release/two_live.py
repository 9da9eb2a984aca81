"""Whether the version that serves can live with what a release does to the schema beside it; else a person decides."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from runwright import source
from runwright.errors import ActionError, RefusedError
from runwright.migrators.shape import MigrationPlan
from runwright.policy.levels import Level, worst
from runwright.release import at_start
from runwright.release.schema import needs_stop
from runwright.release.statements import how, stated
from runwright.release.work import Work

BOTH, DOWNTIME = "both-versions", "downtime"
_FACT, _DECLARED, _UNTOUCHED = "darken", "lives-with", "no-migration-changed"
_MIGRATION = re.compile(
    r"(?i)\.sql$|migrat|(^|/)(alembic|versions|schema|prisma|flyway|liquibase|changelog|knexfile|seeds?)(/|\.|$)"
)
"""Files whose change may change a schema, where a service that runs once does it in a way that nobody here can read."""


def require(work: Work, migrations: MigrationPlan | None) -> list[str]:
    """Return what the plan says of it. Raise RefusedError if two versions would live on a schema that is not for both.

    Only where two versions run side by side, and one serves already.
    """
    work.write_down(_FACT, False)
    work.write_down(_DECLARED, False)
    work.write_down(_UNTOUCHED, False)
    if not work.cutover.two_live or work.release.previous_id is None:
        return []
    unread = migrations is not None and bool(migrations.pending) and not migrations.versioned
    nothing = unread and _changed(work) == []
    reasons = [*([] if nothing else _migrations(migrations)), *_at_start(work), *_run_once(work)]
    if not reasons:
        work.write_down(_UNTOUCHED, nothing)
        which = "No file that looks like a migration was changed since the version that serves: what migrates is run beside it. Nobody has read what it does, so the level stays."
        return [which] if nothing else []
    told = "; ".join(reasons)
    if stated(work, BOTH):
        work.write_down(_DECLARED, True)
        return [f"Stated by name that the version that serves can live with it: {told}."]
    if stated(work, DOWNTIME):
        work.write_down(_FACT, True)
        return [
            f"Stated by name that users may be without service meanwhile: what serves is stopped first, because {told}."
        ]
    ways = (
        f"Split it: release what only adds first, and the rest when no version needs the old schema any more. "
        f"If the version that serves can live with it, somebody says so by name: {how(work, BOTH)}. "
        f"If users may be without service meanwhile: {how(work, DOWNTIME)}."
    )
    if work.release.procedure == "plan":
        return [f"A deploy would be refused: two versions would live on one schema, and {told}. {ways}"]
    raise RefusedError(
        f"{work.version.name} would run beside the version that serves, and {told}.",
        state="Nothing was changed.",
        next=ways,
    )


def goes_dark(work: Work, migrations: MigrationPlan | None) -> bool:
    """Return whether what serves is stopped before the schema changes."""
    if work.cutover.two_live and (work.fact(_UNTOUCHED) or stated(work, BOTH)):
        return False
    pending = migrations is not None and bool(migrations.pending)
    return bool(work.fact(_FACT)) or (pending and needs_stop(migrations))


def level(work: Work, found: Level) -> Level:
    """Return what the way back costs: where somebody states that the version that serves can live with the new schema, it is
    no more than to go back."""
    return min(found, Level.L1) if work.fact(_DECLARED) else found


def _migrations(migrations: MigrationPlan | None) -> Iterator[str]:
    if migrations is not None and migrations.pending and needs_stop(migrations):
        hard = [m for m in migrations.pending if m.level > Level.L1]
        what = "; ".join(f"{m.revision}: {', '.join(m.reasons) or 'it does more than add'}" for m in hard[:3])
        yield f"its migrations do more than add ({what or 'the database is at a revision that the version does not know'})"


def _at_start(work: Work) -> Iterator[str]:
    for service, found in at_start.not_ours(work.version, work.runbook.migrate).items():
        if worst(one.level for one in found) > Level.L1:
            yield f"what starts {service} migrates in a way that nobody has read ({found[0]})"


def _run_once(work: Work) -> Iterator[str]:
    """Yield of services that run once before the others, and whose work the release does not do, what may have changed."""
    services = work.version.extra.get("run_once", ())
    told = work.runbook.migrate is not None and not work.runbook.migrate.asks_database
    if not services or told or (changed := _changed(work)) == []:
        return
    which = (
        f" (changed: {', '.join(changed[:3])})"
        if changed
        else ", and what changed since the version that serves is not known"
    )
    yield (
        f"{', '.join(services)} runs once before the others, may migrate, and is not run by a release{which}. To let the release "
        "run it as a step of its own, name it in `migrate` (`tool: command`)"
    )


def _changed(work: Work) -> list[str] | None:
    """Return the files that may change a schema and were changed since the version that serves; None: not known."""
    return changed_since(work, work.previous.commits if work.previous is not None else ())


def changed_since(work: Work, commits: Collection[str]) -> list[str] | None:
    """Return the files that may change a schema and were changed since any of ``commits``; None: not known."""
    if not commits or not all(commits):
        return None
    try:
        found = {
            path
            for commit in commits
            for path in source.changed_between(work.do, work.folders.mirror, commit, work.version.commit)
        }
    except ActionError:
        return None  # what serves came from somewhere else
    return sorted(path for path in found if _MIGRATION.search(path))
