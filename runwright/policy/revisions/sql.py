"""Judges SQL text, read as PostgreSQL's: which statements only add."""

from __future__ import annotations

import logging
import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from runwright.policy.revisions.additions import (
    SOMEWHERE,
    add_column,
    add_index,
    add_rule,
    add_table,
    forbid_empty,
    write,
)
from runwright.policy.revisions.findings import CannotRead, Findings
from runwright.policy.revisions.values import Column, Write

_SETTINGS = {"lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "client_min_messages"}

# An expression of these alone can be computed for every row: no cast, no division, no function that may fail.
_HARMLESS = (
    *(exp.Column, exp.Identifier, exp.Literal, exp.Null, exp.Boolean, exp.Ordered, exp.Paren, exp.Tuple, exp.Where),
    *(exp.Is, exp.Not, exp.And, exp.Or, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In, exp.Between),
    *(exp.Lower, exp.Upper, exp.Coalesce),
)

_REINDEX = re.compile(
    r"REINDEX\s*(\([^()]*\))?\s*(INDEX|TABLE|SCHEMA|DATABASE|SYSTEM)\s+(CONCURRENTLY\s+)?([^\s;]+)\s*", re.IGNORECASE
)

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of each statement that it keeps as text; we judge those


def harmless_expression(text: str) -> bool:
    """Whether an index on (or where) ``text`` can never make a write fail."""
    try:
        found = sqlglot.parse_one(f"SELECT 1 ORDER BY {text}", dialect="postgres")
    except SqlglotError:
        return False
    order = found.args.get("order") if isinstance(found, exp.Select) else None
    if order is None or found.find(exp.Limit, exp.Offset, exp.Lock):
        return False
    return all(_is_harmless(key) for key in order.expressions)


def _is_harmless(tree: exp.Expression) -> bool:
    return all(isinstance(node, _HARMLESS) for node in tree.walk())


def judge_sql(findings: Findings, text: str) -> None:
    """Note in ``findings`` what each statement of ``text`` does. Raise CannotRead if it is no SQL that we know."""
    try:
        statements = sqlglot.parse(text, dialect="postgres")
    except SqlglotError as error:
        raise CannotRead(f"the SQL {_short(text)}") from error
    for statement in statements:
        if isinstance(statement, exp.Expression):
            _judge(findings, statement)
        elif statement is not None:
            raise CannotRead(f"the SQL {_short(text)}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:77]}..."


def _judge(findings: Findings, statement: exp.Expression) -> None:
    if isinstance(statement, exp.Semicolon):  # only a comment
        return
    if isinstance(statement, exp.Create):
        _create(findings, statement)
    elif isinstance(statement, exp.Alter):
        _alter(findings, statement)
    elif isinstance(statement, exp.Insert):
        _insert(findings, statement)
    elif isinstance(statement, exp.Update | exp.Delete | exp.TruncateTable):
        write(findings, _changes(statement))
    elif isinstance(statement, exp.Comment):
        findings.adds(f"comments on {str(statement.args.get('kind') or '').lower()} {statement.this.sql('postgres')}")
    elif (isinstance(statement, exp.Set) and _sets_limits(statement)) or isinstance(statement, exp.Analyze):
        return
    elif isinstance(statement, exp.Command):
        _command(findings, statement)
    else:
        says, why = _described(statement)
        findings.harms(says, why)


def _table(node: exp.Expression | None) -> str | None:
    """Return a table's name as the database keeps it: in lower case unless it is quoted."""
    found = node.find(exp.Table) if node is not None else None
    if found is None or not isinstance(found.this, exp.Identifier):
        return None
    return ".".join(
        part.name if part.args.get("quoted") else part.name.lower()
        for part in (found.args.get("db"), found.this)
        if isinstance(part, exp.Identifier)
    )


def _described(statement: exp.Expression) -> tuple[str, str]:
    shown = _short(statement.sql("postgres"))
    table = _table(statement) or SOMEWHERE
    if isinstance(statement, exp.Drop):
        kind = str(statement.args.get("kind") or "object").lower()
        lost = " (loses data)" if kind in ("table", "schema", "column") else ""
        return f"drops {kind} {table}{lost}", "the old version may still use it"
    if isinstance(statement, exp.Select):
        return f"runs the query {shown}", "whether it only reads is not known"
    return f"runs {shown}", "what that does to the old version is not known"


def _sets_limits(statement: exp.Set) -> bool:
    names = {str(item.this.this.name).lower() for item in statement.expressions if isinstance(item.this, exp.EQ)}
    return len(names) == len(statement.expressions) and names <= _SETTINGS


# ------------------------------------------------------------------------------------------------------------ create


def _create(findings: Findings, statement: exp.Create) -> None:
    kind = str(statement.args["kind"]).upper()
    table = _table(statement.this)
    properties = statement.args.get("properties")
    options = {type(p) for p in properties.expressions} if properties else set()
    if kind == "INDEX" and isinstance(statement.this, exp.Index):
        _create_index(findings, statement, statement.this)
    elif statement.args.get("replace"):
        findings.harms(f"replaces {kind.lower()} {table or ''}", "the old version may rely on how it was")
    elif (
        kind == "TABLE"
        and options <= {exp.TemporaryProperty, exp.UnloggedProperty}
        and _only_reads(statement.expression)
    ):
        _create_table(findings, statement, table)
    elif kind == "VIEW" and options <= {exp.MaterializedProperty}:
        findings.adds(f"adds view {table}")
    elif kind == "SEQUENCE" and options <= {exp.SequenceProperties}:
        findings.adds(f"adds sequence {table}")
    elif kind in ("TYPE", "SCHEMA") and not options:
        findings.adds(f"adds {kind.lower()} {statement.this.sql('postgres')}")
    else:
        findings.harms(f"runs {_short(statement.sql('postgres'))}", "what that does to the old version is not known")


def _create_table(findings: Findings, statement: exp.Create, table: str | None) -> None:
    refers = [name for name in map(_table, statement.find_all(exp.Reference)) if name]
    add_table(findings, table, refers, may_exist=bool(statement.args.get("exists")))


def _create_index(findings: Findings, statement: exp.Create, index: exp.Index) -> None:
    parameters = index.args.get("params")
    keys = [*parameters.args.get("columns", []), parameters.args.get("where")] if parameters else []
    add_index(
        findings,
        _table(index.args.get("table")),
        index.name,
        unique=bool(statement.args.get("unique")),
        harmless=bool(keys) and all(_is_harmless(key) for key in keys if key is not None),
        concurrently=bool(statement.args.get("concurrently")),
    )


# ------------------------------------------------------------------------------------------------------------- alter


def _alter(findings: Findings, statement: exp.Alter) -> None:
    table = _table(statement.this)
    shown = table or SOMEWHERE
    kind = str(statement.args.get("kind") or "").upper()
    for action in statement.args.get("actions") or [statement]:
        if kind == "TABLE" and isinstance(action, exp.ColumnDef):
            add_column(findings, table, _column(action), may_exist=bool(action.args.get("exists")))
        elif kind == "TABLE" and isinstance(action, exp.AddConstraint):
            says = f"adds a rule to {shown}: {_short(action.sql('postgres'))}"
            add_rule(findings, table, says, "the old version's writes can be refused")
        elif isinstance(action, exp.AlterColumn) and action.args.get("allow_null") is False:
            forbid_empty(findings, table, _name(action.this))
        elif isinstance(action, exp.Drop):
            what = str(action.args.get("kind") or "part").lower()
            names = ", ".join(t.name for t in action.args.get("tables") or [] if t is not None) or action.name
            lost = " (loses data)" if what == "column" else ""
            findings.harms(f"drops {what} {names} of {shown}{lost}", "the old version may still use it")
        else:
            findings.harms(f"runs {_short(statement.sql('postgres'))}", "the old version may not fit what it leaves")


def _column(definition: exp.ColumnDef) -> Column:
    kinds = [constraint.args.get("kind") for constraint in definition.args.get("constraints") or []]
    simple = (exp.NotNullColumnConstraint, exp.DefaultColumnConstraint, exp.UniqueColumnConstraint)
    default = next((k for k in kinds if isinstance(k, exp.DefaultColumnConstraint)), None)
    not_null = any(isinstance(k, exp.NotNullColumnConstraint) and not k.args.get("allow_null") for k in kinds)
    serial = definition.args.get("kind") is None or "SERIAL" in str(definition.args["kind"]).upper()
    return Column(
        name=definition.name,
        nullable=not not_null,
        default="none" if default is None or default.find(exp.Null) else "expression",
        unique=any(isinstance(k, exp.UniqueColumnConstraint) for k in kinds),
        primary=any(isinstance(k, exp.PrimaryKeyColumnConstraint) for k in kinds),
        refers=tuple(_table(k) or SOMEWHERE for k in kinds if isinstance(k, exp.Reference)),
        special=serial
        or any(not isinstance(k, (*simple, exp.Reference, exp.PrimaryKeyColumnConstraint)) for k in kinds),
    )


# -------------------------------------------------------------------------------------------------------------- rows


def _only_reads(tree: exp.Expression | None) -> bool:
    """Whether what a statement reads from changes nothing itself: no other statement and no unknown function in it."""
    if tree is None:
        return True
    writes = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Command, exp.Anonymous, exp.Into)
    return not any(isinstance(node, writes) for node in tree.walk() if node is not tree)


def _changes(statement: exp.Update | exp.Delete | exp.TruncateTable) -> Write:
    """Return what changes or deletes rows, with the columns that it sets if it does nothing else."""
    if not isinstance(statement, exp.Update):
        return Write("delete", _table(statement))
    given = statement.expressions
    plain = all(isinstance(one, exp.EQ) and isinstance(one.this, exp.Column) for one in given) and _only_reads(
        statement
    )
    return Write("update", _table(statement.this), tuple(_name(one.this) for one in given) if plain else ())


def _name(column: exp.Expression) -> str:
    part = column.this if isinstance(column, exp.Column) else column
    return part.name if part.args.get("quoted") else part.name.lower()


def _insert(findings: Findings, statement: exp.Insert) -> None:
    table = _table(statement.this)
    if _only_reads(statement):
        write(findings, Write("insert", table))
    else:
        says = f"inserts rows into {table or SOMEWHERE}"
        findings.harms(says, "it calls what is not known, or changes other rows as well")


# ----------------------------------------------------------------------------- statements that are kept as text only


def _command(findings: Findings, statement: exp.Command) -> None:
    shown = _short(statement.sql("postgres"))
    words = shown.upper().split()
    if words[:2] == ["CREATE", "EXTENSION"] and "CASCADE" not in words:
        name = next(word for word in [*words[2:], "?"] if word not in ("IF", "NOT", "EXISTS"))
        findings.adds(f"adds extension {name.lower()}")
    elif words[0] == "REINDEX":
        _rebuild(findings, statement.sql("postgres"))
    elif words[0] == "VACUUM":
        findings.adds(f"runs {shown}")
    elif words[:2] == ["CREATE", "DOMAIN"]:
        findings.adds(f"adds domain {shown.split()[2]}")
    elif words[:2] == ["ALTER", "TYPE"] and "ADD" in words and "VALUE" in words:
        why = "it cannot be taken back, and the old version may fail on rows that hold it"
        findings.harms(f"adds a value to type {shown.split()[2]}", why)
    elif words[:2] in (["CREATE", "POLICY"], ["DROP", "POLICY"], ["ALTER", "POLICY"]) or "SECURITY" in words:
        findings.harms(f"runs {shown}", "it changes which rows the old version may read and write")
    else:
        findings.harms(f"runs {shown}", "it is not known what that does to the old version")


def _rebuild(findings: Findings, text: str) -> None:
    """Note an index that is made anew: it holds what it held before, and the schema stays as it is."""
    found = _REINDEX.fullmatch(text)
    if found is None:
        findings.harms(f"runs {_short(text)}", "it is not known what that does to the old version")
        return
    options, kind, concurrently, name = found.groups()
    waits = not (concurrently or "CONCURRENTLY" in (options or "").upper())
    how = "(who writes there waits)" if waits else "without blocking writes"
    of = "index" if kind.upper() == "INDEX" else f"the indexes of {kind.lower()}"
    findings.adds(f"builds {of} {name} anew {how}")
