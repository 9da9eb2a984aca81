"""Change the schema."""

from __future__ import annotations

from runwright.amounts import amount
from runwright.ledger.states import ReleaseState
from tasks import courses, drivers
from tasks.decide import schema_of
from tasks.plan import migrations_of
from tasks.step import step
from tasks.work import Work


@step()
def migrate(work: Work) -> list[str] | None:
    """Run the pending migrations in a one-off job of the new version; never retried once they have begun."""
    migrations = migrations_of(work)
    if migrations is None:
        return None
    if migrations.pending:
        work.forward(
            ReleaseState.MIGRATING, amount(len(migrations.pending), "migration is pending", "migrations are pending")
        )
        courses.start_dependencies(work, work.do, work.version)
        if work.fact("schema") is None:  # as it was before the first attempt, whatever an interrupted one left behind
            work.write_down("schema", schema_of(work))
        if courses.needs_stop(migrations):
            work.say("The old version may not run on a schema that is half changed: it is stopped first.")
        courses.migrate(work, work.do, work.version, migrations)
    # a job that exits 0 proves nothing: the database itself says where it is
    revisions = courses.current_revisions(work, work.do) or ()
    drivers.migrator(work.site).verify(revisions, migrations)
    work.ledger.releases.record(work.id, schema_after=list(revisions))
    work.say(f"The database is at {', '.join(revisions)}, as the new version expects.")
    return list(revisions)
