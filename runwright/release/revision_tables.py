"""Which databases a version migrates, and where they keep their revisions: as its own env.py says."""

from __future__ import annotations

from runwright.errors import ObservationError, RefusedError, VerificationError
from runwright.migrators.shape import Place, matches, shown
from runwright.release import drivers, schema
from runwright.release.work import REVISION_TABLES, Work

SEVERAL = "several-databases"


def locate(work: Work) -> tuple[Place, ...]:
    """Ask the version, and write down where the runbook's database keeps its revisions; return all databases.

    If it does not tell, they are where they were before, or in alembic_version. Raise RefusedError if the runbook names
    another database than is migrated.
    """
    database = work.place.database
    if work.runbook.migrate is None or database is None or database.in_server is None:
        return ()
    job = drivers.job(work.site, work.do, work.version, work.id)
    try:
        found = drivers.migrator(work.site).locate(work.do, job)
    except ObservationError as error:
        work.say(f"{error.what} Its revisions are looked for where they were.", level="warning")
        return ()
    mine = [place for place in found if place.database == database.in_server]
    if found and not mine:
        raise RefusedError(
            f"{work.version.name} migrates {_names(found)}, and the runbook names the database {database.in_server}.",
            state="Nothing was changed.",
            next="Correct `database` of the environment: it is what is backed up before migrations.",
        )
    work.write_down(REVISION_TABLES, [[place.schema, place.table] for place in mine])
    work.write_down(SEVERAL, len(found) > 1)
    return found


def before_plan(work: Work) -> None:
    """Ask where revisions are kept, unless the database is only made by this release. All databases must be at the same.

    Raise RefusedError if they are not: migrations that are pending in one alone cannot be planned.
    """
    if work.runbook.migrate is None or schema.makes_database(work, work.do):
        return
    found = locate(work)
    if len({frozenset(place.revisions) for place in found}) > 1:
        raise RefusedError(
            f"The databases of {work.version.name} are at different revisions: {_at(found)}.",
            state="Nothing was changed.",
            next="Bring them to the same revision by hand, then deploy again.",
        )


def after_migration(work: Work, heads: tuple[str, ...]) -> None:
    """Raise VerificationError unless every other database that is migrated arrived as well."""
    places = locate(work) if work.fact(REVISION_TABLES) is None or work.fact(SEVERAL) else ()
    if behind := [place for place in places if not matches(place.revisions, heads)]:
        raise VerificationError(
            f"Not every database is where the version's code expects it ({shown(heads)}): {_at(behind)}.",
            state="The schema does not fit the code.",
            next="Look at the output of the migration, and at env.py.",
        )


def _names(found: tuple[Place, ...]) -> str:
    return " and ".join(sorted(place.database for place in found))


def _at(found: tuple[Place, ...] | list[Place]) -> str:
    return "; ".join(f"{place.database} at {shown(place.revisions)}" for place in found)
