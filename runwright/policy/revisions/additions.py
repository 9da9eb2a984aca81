"""The rules for what is added, however the migration says it: when the version before does not notice it."""

from __future__ import annotations

from collections.abc import Iterable

from runwright.policy.revisions.findings import Findings
from runwright.policy.revisions.values import Column, Write

SOMEWHERE = "a table whose name is not known"
COPIED = "on SQLite the table is copied, and what the old version writes meanwhile is lost"


def add_table(findings: Findings, table: str | None, refers: Iterable[str], *, may_exist: bool) -> None:
    """Note that ``table`` is added; unless it may exist already, whatever happens to it later only adds."""
    others = ", ".join(sorted({name for name in refers if name != table and name not in findings.new}))
    findings.adds(f"adds table {table or SOMEWHERE}" + (f" (refers to {others})" if others else ""))
    if table and not may_exist:
        findings.new.add(table)


def add_column(
    findings: Findings, table: str | None, column: Column, *, in_batch: bool = False, may_exist: bool = False
) -> None:
    """Note that ``column`` is added to ``table``: it only adds if the old version can go on inserting rows without it.

    Unless it may exist already, filling it later only adds as well.
    """
    shown = f"{table or SOMEWHERE}.{column.name}"
    defaulted = column.default in ("constant", "expression")
    if table in findings.new:
        findings.adds(f"adds column {shown}")
    elif column.primary is not False:
        findings.harms(f"adds column {shown} to the primary key", "the old version does not know it")
    elif column.special:
        findings.harms(f"adds column {shown} with a rule of its own", "the old version's writes can fail on it")
    elif column.refers:
        findings.harms(
            f"adds column {shown} that refers to {', '.join(column.refers)}",
            "a foreign key on a table that exists can make the old version's writes fail",
        )
    elif column.nullable is not True and not defaulted:
        why = "the old version inserts rows without it, and they would be refused"
        findings.harms(f"adds column {shown} that may not be empty and has no default", why)
    elif column.unique is not False and not (column.unique is True and column.default == "none"):
        findings.harms(f"adds unique column {shown}", "rows of the old version can get the same value and be refused")
    elif in_batch and column.default not in ("none", "constant"):
        findings.harms(f"adds column {shown} with a computed default, in a batch", COPIED)
    else:
        findings.adds(f"adds column {shown} with a default" if defaulted else f"adds nullable column {shown}")
        if not may_exist:
            findings.new_column(table, column.name, defaulted=defaulted)


def forbid_empty(findings: Findings, table: str | None, column: str, *, in_batch: bool = False) -> None:
    """Note that a column may not be empty any more: rows of the old version keep to that if a new column has a default."""
    says = f"forbids that column {table or SOMEWHERE}.{column} is empty"
    if findings.is_new_column(table, column, defaulted=True) and not in_batch:
        findings.adds(f"{says} (it is new, and has a default)")
    else:
        findings.harms(says, "rows that the old version writes would be refused")


def add_index(
    findings: Findings, table: str | None, name: str, *, unique: bool, harmless: bool, concurrently: bool
) -> None:
    """Note that an index is added. ``harmless``: what it holds can be computed for every row that may be written."""
    says = f"index {name} on {table or SOMEWHERE}" if name else f"index on {table or SOMEWHERE}"
    if table in findings.new:
        findings.adds(f"adds {says}")
    elif unique:
        findings.harms(f"adds unique {says}", "the old version's writes can be refused as duplicates")
    elif not harmless:
        findings.harms(f"adds {says} with an expression", "where it cannot be computed, the old version's writes fail")
    elif concurrently:
        findings.adds(f"adds {says} without blocking writes")
    else:
        findings.adds(f"adds {says} (writes there wait while it is built)")


def adds_index(operations: Iterable[str], name: str) -> bool:
    """Whether one of a migration's ``operations`` adds the index ``name`` ("public.by_name"), and none drops it before."""
    bare = name.rpartition(".")[2].strip('"')
    for line in operations:
        if line.startswith(f"drops index {bare}"):
            return False
        if line.startswith((f"adds index {bare} on ", f"adds unique index {bare} on ")):
            return True
    return False


def add_rule(findings: Findings, table: str | None, says: str, why: str) -> None:
    """Note that a constraint is added, which only a new table's writers know."""
    if table in findings.new:
        findings.adds(says)
    else:
        findings.harms(says, why)


def write(findings: Findings, statement: Write) -> None:
    """Note a change of rows: it only adds if it inserts into a new table, or fills new columns."""
    table = statement.table or SOMEWHERE
    if statement.kind == "insert" and statement.table in findings.new:
        findings.adds(f"inserts rows into {table}")
    elif statement.kind == "insert":
        findings.harms(f"inserts rows into {table}", "the old version reads them, and they stay after the way back")
    elif statement.kind == "update" and statement.columns and statement.table in findings.new:
        findings.adds(f"changes rows of new table {table}")
    elif statement.kind == "update" and _fills(findings, statement):
        findings.adds(f"fills new column {', '.join(f'{table}.{name}' for name in sorted(statement.columns))}")
    elif statement.kind == "update":
        findings.harms(f"changes rows of {table}", "the values before are lost")
    else:
        findings.harms(f"deletes rows of {table} (loses data)", "they are lost")


def _fills(findings: Findings, update: Write) -> bool:
    """Whether an update sets nothing but columns that no version before has ever read or written."""
    return bool(update.columns) and all(findings.is_new_column(update.table, name) for name in update.columns)
