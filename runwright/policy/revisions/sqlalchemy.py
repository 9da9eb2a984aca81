"""What SQLAlchemy's constructs in a migration stand for: columns, tables, references, SQL text."""

from __future__ import annotations

from typing import Any

from runwright.policy.revisions.values import (
    Arguments,
    Column,
    EnumType,
    ForeignKey,
    Function,
    Mark,
    Opaque,
    SqlText,
    Table,
    Unknown,
    Write,
    is_constant,
    is_default,
)

_SPECIAL = {"Computed", "Identity", "CheckConstraint", "Sequence"}
_REACHING = ("create_engine", "create_async_engine", "listen", "listens_for", "Session", "sessionmaker", "MetaData")


def construct(path: str, arguments: Arguments) -> Any:
    """Return what calling ``path`` (below sqlalchemy) gives, or NotImplemented if it could reach the database."""
    name = path.rpartition(".")[2]
    first = arguments.positional[0] if arguments.positional else None
    if name == "inspect":
        return Mark.INSPECTOR
    if name == "Table" or (name == "table" and isinstance(first, str)):
        schema = arguments.named.get("schema")
        return Table(_qualified(first, schema))
    reaches = any(isinstance(a, Mark | Function) for a in arguments.everything())
    if reaches or (name in _REACHING and arguments.everything()) or ".event." in path:
        return NotImplemented
    if name == "text":
        return SqlText(first if isinstance(first, str) else None)
    if name == "Column":
        return _column(arguments)
    if name == "ForeignKey":
        return ForeignKey(_target(first))
    if name == "ForeignKeyConstraint":
        targets = arguments.bound("columns", "refcolumns").get("refcolumns")
        return ForeignKey(_target(targets[0]) if isinstance(targets, tuple) and targets else _target(None))
    if name in ("Enum", "ENUM"):
        return EnumType(str(arguments.named.get("name", "without a name")))
    if name in ("insert", "update", "delete"):
        return Write(name, first.name if isinstance(first, Table) else None)
    if name == "null":
        return None
    return Opaque(path)


def _qualified(name: Any, schema: Any) -> str | None:
    if not isinstance(name, str) or not (schema is None or isinstance(schema, str)):
        return None
    return f"{schema}.{name}" if schema else name


def _target(reference: Any) -> str:
    """Return the table of "orders.id" or "shop.orders.id"."""
    return reference.rpartition(".")[0] if isinstance(reference, str) and "." in reference else "another table"


def _column(arguments: Arguments) -> Column:
    named = arguments.named
    name = arguments.positional[0] if arguments.positional else named.get("name")
    refers = tuple(a.table for a in arguments.positional if isinstance(a, ForeignKey))
    made = [a.path.rpartition(".")[2] for a in arguments.positional if isinstance(a, Opaque)]
    primary = _flag(named.get("primary_key", False))
    return Column(
        name=name if isinstance(name, str) else "?",
        nullable=_flag(named.get("nullable", primary is False)),
        default=_default(named.get("server_default")),
        unique=_flag(named.get("unique", False)),
        primary=primary,
        special=bool(_SPECIAL & set(made)) or any(isinstance(a, Unknown) for a in arguments.positional[2:]),
        refers=refers,
    )


def _flag(value: Any) -> bool | None:
    if value is None:
        return False
    return value if isinstance(value, bool) else None


def _default(value: Any) -> str:
    if value is None or (isinstance(value, SqlText) and value.text is not None and not is_default(value)):
        return "none"
    if not is_default(value):
        return "unknown"
    return "constant" if is_constant(value) else "expression"
