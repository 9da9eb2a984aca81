"""Where the database's schema is, and whether there is one: as the plan, the migration and the way back ask."""

from __future__ import annotations

from runwright.engine.actions import Do
from runwright.errors import ActionError, RefusedError
from runwright.migrators.shape import MigrationPlan, shown
from runwright.release.work import Work

MAKES_DATABASE = "makes-database"


def needs_stop(migrations: MigrationPlan | None) -> bool:
    """Return whether the old version may not run while the schema changes."""
    return migrations is not None and migrations.needs_stop


def current_revisions(work: Work, do: Do) -> tuple[str, ...] | None:
    """Return the database's revisions; None if there is no database, () if it is new."""
    if work.database is None or work.runbook.migrate is None:
        return None
    return work.database.revisions(do)


def revisions_or_new(work: Work, do: Do) -> tuple[str, ...] | None:
    """Like ``current_revisions``; a database that this very release will make is new, and nobody can be asked yet."""
    try:
        return current_revisions(work, do)
    except ActionError:
        if not makes_database(work, do):
            raise
        # before the first one-off job: Compose makes the project's volumes for it, and they would look like data
        work.write_down(MAKES_DATABASE, True)
        return ()


def new_database(work: Work, do: Do, revisions: tuple[str, ...] | None) -> bool:
    """Return whether there is nothing in the database that could be lost.

    That it has no revision does not say so: somebody else's tables may be there.
    """
    if revisions:
        return False
    if work.fact(MAKES_DATABASE) or makes_database(work, do):
        return True
    return work.database is not None and work.runbook.migrate is not None and not work.database.tables(do)


def makes_database(work: Work, do: Do) -> bool:
    """Return whether the release makes its database itself: the project has one, and was never started here."""
    service, releases = getattr(work.place.database, "service", None), work.ledger.releases
    if service is None:
        return False
    system, environment = work.release.system, work.release.environment
    if releases.live(system, environment) is not None:
        return False
    earlier = releases.find(system, environment, limit=20)
    prepared = any(releases.fact(r.id, MAKES_DATABASE) for r in earlier)
    return work.platform.is_new(do, service, prepared=prepared)


def require_as_planned(work: Work, do: Do) -> None:
    """Raise RefusedError if the database is not where the plan saw it: above all one that was taken for new."""
    revisions = sorted(current_revisions(work, do) or ())
    planned = sorted(work.release.schema_before or ())
    if revisions != planned:
        raise RefusedError(
            f"The database is at {shown(tuple(revisions))}; the plan was made for {shown(tuple(planned))}.",
            state="Nothing was changed; the database runs now.",
            next="Deploy again: the plan is made anew, and a backup is taken.",
        )
