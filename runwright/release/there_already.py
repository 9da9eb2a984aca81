"""Tables that are there before the migration that makes them: it would fail, after what serves was perhaps stopped for it."""

from __future__ import annotations

from collections.abc import Iterator

from runwright.errors import RefusedError
from runwright.migrators.shape import Migration, MigrationPlan, shown
from runwright.release import at_start, schema
from runwright.release.statements import how, stated
from runwright.release.work import Work

THERE = "tables-are-there"
_SHOWN = 3


def require(work: Work, migrations: MigrationPlan | None) -> list[str]:
    """Return what the plan says of it. Raise RefusedError if a pending migration makes a table that the database has.

    An application that makes its missing tables when it starts does that: it was there before its migrations were.
    """
    if migrations is None or work.database is None or not any(one.creates for one in migrations.pending):
        return []
    if work.fact(schema.MAKES_DATABASE):
        return []  # it does not run yet, and holds nothing
    clashes = list(_clashes(migrations, work.database.tables(work.do)))
    if not clashes:
        return []
    told = "; ".join(f"{one.revision} makes {', '.join(tables)} ({one.path})" for one, tables in clashes[:_SHOWN])
    more = f"; and {len(clashes) - _SHOWN} more do so" if len(clashes) > _SHOWN else ""
    what = f"The migrations make tables that are there already: {told}{more}."
    if stated(work, THERE):
        return [f"{what} Stated by name that they expect that."]
    ways = f"{_way(work, migrations)} If the migrations expect these tables: {how(work, THERE)}."
    if work.release.procedure == "plan":
        return [f"A deploy would be refused. {what} {ways}"]
    raise RefusedError(what, state="Nothing was changed.", next=ways)


def _clashes(migrations: MigrationPlan, there: frozenset[str]) -> Iterator[tuple[Migration, list[str]]]:
    moved: set[str] = set()
    for one in migrations.pending:
        for line in one.operations:
            for begins in ("drops table ", "renames table "):
                if line.startswith(begins):
                    moved.add(line.removeprefix(begins).partition(" ")[0])
        if tables := [table for table in one.creates if table in there and table not in moved]:
            yield one, tables


def _way(work: Work, migrations: MigrationPlan) -> str:
    makes = at_start.only_adds(work.version)
    who = f"What starts {makes[0]} makes missing tables ({makes[1]})" if makes else "No migration made them"
    if not migrations.current:
        return (
            f"{who}, and no migration ever ran here. If the schema is what the version that serves expects, say so once: run "
            "`alembic stamp head` with that version's code, not with the new one's. Then only what is new is pending."
        )
    return (
        f"{who}, and the database is at {shown(migrations.current)}: a newer version was started here before its migrations "
        "ran. Remove the tables if they are empty, or bring them to what the migration makes and stamp its revision."
    )
