"""Judges Alembic's operations: which only add, which do so on new tables alone, and what the others do to the old version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runwright.policy.revisions.additions import (
    COPIED,
    SOMEWHERE,
    add_column,
    add_index,
    add_rule,
    add_table,
    forbid_empty,
    write,
)
from runwright.policy.revisions.findings import CannotRead, Findings
from runwright.policy.revisions.sql import harmless_expression, judge_sql
from runwright.policy.revisions.values import (
    Arguments,
    Batch,
    Column,
    ForeignKey,
    Opaque,
    SqlText,
    Table,
    Unknown,
    Write,
    is_constant,
)

LOSES = "its data is lost, and the old version may still use it"
_BATCH_OPTIONS = {"table_name", "schema", "recreate", "naming_convention", "reflect_args", "reflect_kwargs"}

# The parameters of each operation; in a batch the one that names the table is left out.
_PARAMETERS = {
    "add_column": ("table_name", "column"),
    "alter_column": ("table_name", "column_name"),
    "bulk_insert": ("table", "rows"),
    "create_check_constraint": ("constraint_name", "table_name", "condition"),
    "create_exclude_constraint": ("constraint_name", "table_name"),
    "create_foreign_key": ("constraint_name", "source_table", "referent_table", "local_cols", "remote_cols"),
    "create_index": ("index_name", "table_name", "columns"),
    "create_primary_key": ("constraint_name", "table_name", "columns"),
    "create_table": ("table_name",),
    "create_table_comment": ("table_name", "comment"),
    "create_unique_constraint": ("constraint_name", "table_name", "columns"),
    "drop_column": ("table_name", "column_name"),
    "drop_constraint": ("constraint_name", "table_name"),
    "drop_index": ("index_name", "table_name"),
    "drop_table": ("table_name",),
    "drop_table_comment": ("table_name",),
    "execute": ("sqltext",),
    "rename_table": ("old_table_name", "new_table_name"),
}
_TABLE = ("table_name", "source_table")


def judge(findings: Findings, name: str, arguments: Arguments, batch: Batch | None = None) -> Any:
    """Note in ``findings`` what ``op.NAME(...)`` (or the same in a batch) does, and return what the call gives.

    Raise CannotRead for an operation that is not known.
    """
    if name in ("f", "inline_literal"):
        return arguments.positional[0] if arguments.positional else Unknown()
    if name == "batch_alter_table":
        return _batch(findings, arguments)
    if name not in _PARAMETERS:
        raise CannotRead(f"the operation {name}")
    parameters = [p for p in _PARAMETERS[name] if batch is None or p not in _TABLE]
    given = arguments.bound(*parameters)
    table = batch.table if batch else _table_name(given)
    judged: Callable[[Findings, str | None, dict[str, Any], Batch | None], None] = _JUDGES.get(name, _drops)
    if name == "create_table":
        return _create_table(findings, given, arguments)
    judged(findings, table, {**given, "operation": name}, batch)
    return None


def _table_name(given: dict[str, Any]) -> str | None:
    name = next((given[p] for p in _TABLE if p in given), None)
    schema = given.get("schema", given.get("source_schema"))
    if not isinstance(name, str) or not (schema is None or isinstance(schema, str)):
        return None
    return f"{schema}.{name}" if schema else name


def _batch(findings: Findings, arguments: Arguments) -> Batch:
    given = arguments.bound("table_name", "schema", "recreate")
    table = _table_name(given)
    unknown = sorted(set(given) - _BATCH_OPTIONS)
    if unknown:
        findings.unread(f"the option {unknown[0]} of batch_alter_table")
    if given.get("recreate", "auto") not in ("auto", "never") and table not in findings.new:
        findings.harms(f"copies table {table or SOMEWHERE}", "what the old version writes meanwhile is lost")
    return Batch(table)


def _create_table(findings: Findings, given: dict[str, Any], arguments: Arguments) -> Table:
    table = _table_name(given)
    shown = table or SOMEWHERE
    if any(option.endswith("inherits") for option in given):
        findings.harms(f"adds table {shown} that inherits", "the old version's queries see its rows")
        return Table(table)
    refers: list[str] = []
    for part in arguments.positional[1:]:
        refers += part.refers if isinstance(part, Column) else [part.table] if isinstance(part, ForeignKey) else []
    add_table(findings, table, refers, may_exist=given.get("if_not_exists", False) is not False)
    return Table(table)


def _add_column(findings: Findings, table: str | None, given: dict[str, Any], batch: Batch | None) -> None:
    column = given.get("column")
    if not isinstance(column, Column):
        raise CannotRead(f"a column that is added to {table or SOMEWHERE}")
    may_exist = given.get("if_not_exists", False) is not False
    add_column(findings, table, column, in_batch=batch is not None, may_exist=may_exist)


def _create_index(findings: Findings, table: str | None, given: dict[str, Any], _: Batch | None) -> None:
    name = given.get("index_name")
    add_index(
        findings,
        table,
        name if isinstance(name, str) else "",
        unique=given.get("unique", False) is not False,
        harmless=all(_harmless_key(key) for key in _index_keys(given)),
        concurrently=given.get("postgresql_concurrently") is True,
    )


def _index_keys(given: dict[str, Any]) -> list[Any]:
    columns = given.get("columns")
    wheres = [value for name, value in given.items() if name.endswith("_where")]
    return [*(columns if isinstance(columns, tuple) else [columns]), *wheres]


def _harmless_key(key: Any) -> bool:
    if isinstance(key, SqlText):
        return key.text is not None and harmless_expression(key.text)
    return isinstance(key, str)


_CONSTRAINTS = {
    "create_unique_constraint": ("unique rule", "the old version's writes can be refused as duplicates"),
    "create_check_constraint": ("check", "the old version's writes can be refused"),
    "create_primary_key": ("primary key", "the old version's writes can be refused"),
    "create_exclude_constraint": ("exclusion rule", "the old version's writes can be refused"),
    "create_foreign_key": (
        "foreign key",
        "on a table that exists it is checked against every row and can make the old version's writes fail",
    ),
}


def _constraint(findings: Findings, table: str | None, given: dict[str, Any], _: Batch | None) -> None:
    kind, why = _CONSTRAINTS[given["operation"]]
    name = given.get("constraint_name")
    named = f"{kind} {name}" if isinstance(name, str) else kind
    add_rule(findings, table, f"adds {named} on {table or SOMEWHERE}", why)


def _alter_column(findings: Findings, table: str | None, given: dict[str, Any], batch: Batch | None) -> None:
    column = given.get("column_name")
    shown = f"{table or SOMEWHERE}.{column if isinstance(column, str) else '?'}"
    changes = {k for k in given if not k.startswith("existing_")} - {
        *("operation", "table_name", "column_name", "schema"),
        *("insert_before", "insert_after", "autoincrement"),
    }
    if table in findings.new:
        findings.adds(f"changes column {shown} of a new table")
    elif changes == {"comment"}:
        if batch:
            findings.harms(f"comments on column {shown}, in a batch", COPIED)
        else:
            findings.adds(f"comments on column {shown}")
    elif changes == {"nullable"} and given["nullable"] is not True and isinstance(column, str):
        forbid_empty(findings, table, column, in_batch=batch is not None)
    else:
        for says, why in _alterations(shown, given, changes):
            findings.harms(says, why)


def _alterations(shown: str, given: dict[str, Any], changes: set[str]) -> list[tuple[str, str]]:
    found = []
    if "new_column_name" in changes:
        found.append((f"renames column {shown} to {given['new_column_name']}", "the old version uses the old name"))
    if "type_" in changes:
        found.append((f"changes the type of column {shown}", "the old version may not fit it, and values may be cut"))
    if given.get("nullable") is True:
        found.append((f"lets column {shown} be empty", "the old version may not expect rows without it"))
    elif "nullable" in changes:
        found.append((f"forbids that column {shown} is empty", "rows that the old version writes would be refused"))
    if "server_default" in changes and given["server_default"] is None:
        why = "rows that the old version writes without it could be refused"
        found.append((f"removes the default of column {shown}", why))
    elif "server_default" in changes:
        found.append((f"changes the default of column {shown}", "rows that the old version writes get it"))
    return found or [(f"changes column {shown}", "what that does to the old version is not known")]


_DROPS = {
    "drop_column": ("drops column {table}.{column_name} (loses data)", LOSES),
    "drop_table": ("drops table {table} (loses data)", LOSES),
    "drop_constraint": (
        "drops constraint {constraint_name} of {table}",
        "rows may then be written that the old version and the old rule would not allow",
    ),
    "drop_index": (
        "drops index {index_name}",
        "the old version may rely on it, for speed or to keep values unique",
    ),
    "rename_table": ("renames table {old_table_name} to {new_table_name}", "the old version uses the old name"),
}


def _drops(findings: Findings, table: str | None, given: dict[str, Any], _: Batch | None) -> None:
    says, why = _DROPS[given["operation"]]
    words = {k: v.name if isinstance(v, Column) else v if isinstance(v, str) else "?" for k, v in given.items()}
    for name in ("column_name", "constraint_name", "index_name", "old_table_name", "new_table_name"):
        words.setdefault(name, "?")
    findings.harms(says.format(**{**words, "table": table or SOMEWHERE}), why)


def _comment(findings: Findings, table: str | None, given: dict[str, Any], batch: Batch | None) -> None:
    if batch and table not in findings.new:
        findings.harms(f"comments on table {table or SOMEWHERE}, in a batch", COPIED)
    elif given["operation"] == "drop_table_comment":
        findings.adds(f"removes the comment of table {table or SOMEWHERE}")
    else:
        findings.adds(f"comments on table {table or SOMEWHERE}")


def _bulk_insert(findings: Findings, _: str | None, given: dict[str, Any], __: Batch | None) -> None:
    table = given.get("table")
    write(findings, Write("insert", table.name if isinstance(table, Table) else None))


def _execute(findings: Findings, _: str | None, given: dict[str, Any], __: Batch | None) -> None:
    execute(findings, given.get("sqltext"))


def execute(findings: Findings, statement: Any) -> None:
    """Note what executing ``statement`` does: SQL as text, or a statement built with SQLAlchemy."""
    if isinstance(statement, Write):
        write(findings, statement)
        return
    text = statement.text if isinstance(statement, SqlText) else statement
    if isinstance(text, str):
        judge_sql(findings, text)
    elif isinstance(statement, Opaque) and statement.path.rpartition(".")[2] == "select":
        raise CannotRead("a query whose answer it may act on")
    else:
        raise CannotRead("SQL that is put together while it runs" if not is_constant(text) else "SQL that is no text")


_JUDGES = {
    "add_column": _add_column,
    "alter_column": _alter_column,
    "bulk_insert": _bulk_insert,
    "create_index": _create_index,
    "create_table_comment": _comment,
    "drop_table_comment": _comment,
    "execute": _execute,
    **dict.fromkeys(_CONSTRAINTS, _constraint),
}
