"""Change the schema."""

from __future__ import annotations

from runwright.ledger.states import ReleaseState
from runwright.plural import plural
from runwright.release import at_start, cutover, drivers, revision_tables, schema, two_live, unfinished
from runwright.release.decide import schema_of
from runwright.release.plan import migrations_of
from runwright.release.work import Work


def migrate(work: Work) -> list[str] | None:
    """Run the pending migrations in a one-off job of the new version; never retried once they have begun."""
    migrations = migrations_of(work)
    if at_start.not_ours(work.version, work.runbook.migrate) and work.database is not None and not work.fact("schema"):
        work.write_down(
            "schema", schema_of(work)
        )  # what starts may change it: whether it did decides about the way back
    if migrations is None:
        cutover.migrate(work, work.do, work.version, None)
        return None
    unfinished.remove(work, work.do)
    if migrations.pending:
        work.forward(
            ReleaseState.MIGRATING, plural(len(migrations.pending), "migration is pending", "migrations are pending")
        )
        work.platform.start_dependencies(work.do, work.version, "deploy")
        if (
            work.database is not None and work.fact("schema") is None
        ):  # as it was before the first attempt, whatever an interrupted one left behind
            work.write_down("schema", schema_of(work))
        if two_live.goes_dark(work, migrations):
            work.say("The old version may not run on a schema that is half changed: it is stopped first.")
        cutover.migrate(work, work.do, work.version, migrations)
    if not migrations.versioned:
        work.say("The migrations ran to their end." if migrations.pending else "No migration is pending.")
        return []
    if migrations.pending:
        revision_tables.after_migration(work, migrations.expected)
    # a job that exits 0 proves nothing: the database itself says where it is
    revisions = schema.current_revisions(work, work.do) or ()
    drivers.migrator(work.site).verify(revisions, migrations)
    if found := unfinished.left(work):
        work.say(f"The migrations left {unfinished.told(found)}. {unfinished.remedy(work, found)}", level="warning")
        work.ledger.records.add_note(work.id, "unfinished", f"The migrations left {unfinished.told(found)}.")
    work.ledger.releases.record(work.id, schema_after=list(revisions))
    expects = "where the version before serves as well" if migrations.ahead else "as the new version expects"
    work.say(f"The database is at {', '.join(revisions)}, {expects}.")
    return list(revisions)
