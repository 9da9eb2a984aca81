"""What an expression in a migration can stand for, as far as it matters here.

Plain Python values (text, numbers, None, tuples, dicts) stand for themselves; a list is read as a tuple.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any

Scope = dict[str, Any]


class Mark(Enum):
    """The objects of Alembic and of the database that a migration can reach."""

    OP = auto()  # alembic.op
    CONTEXT = auto()  # op.get_context()
    BIND = auto()  # op.get_bind(): the connection
    DIALECT = auto()
    DIALECT_NAME = auto()
    DIALECT_TEST = auto()  # a condition on the kind of database alone
    INSPECTOR = auto()  # sa.inspect(bind): it only reads
    ROWS = auto()  # what a query answered
    AUTOCOMMIT = auto()  # op.get_context().autocommit_block()


@dataclass(frozen=True)
class Unknown:
    """A value that is not known; evaluating it changes nothing."""

    shown: str = "something"


@dataclass(frozen=True)
class Symbol:
    """An imported name, by its full path ("sqlalchemy.Column")."""

    path: str


@dataclass(frozen=True)
class Opaque:
    """A value made by SQLAlchemy (or a column type) whose inside does not matter; it is not None."""

    path: str


@dataclass(frozen=True)
class SqlText:
    """SQL in a text() construct; None if it is not known."""

    text: str | None


@dataclass(frozen=True)
class Table:
    """A table that statements are built with."""

    name: str | None


@dataclass(frozen=True)
class Write:
    """A statement that changes rows: "insert", "update" or "delete" on a table. ``columns``: those that an update sets to
    what is computed without side effects; empty if that is not known."""

    kind: str
    table: str | None
    columns: tuple[str, ...] = ()

    def setting(self, arguments: Arguments) -> Write:
        """Return this update with what `values` was called with: plain data by the columns' names, or it is not known."""
        given = [*arguments.positional, arguments.named]
        known = all(isinstance(one, dict) and is_constant(one) for one in given)
        names = [name if known and isinstance(name, str) else "?" for one in given for name in (one if known else "?")]
        return replace(self, columns=(*self.columns, *names))


@dataclass(frozen=True)
class EnumType:
    """An enumeration type of the database."""

    name: str


@dataclass(frozen=True)
class ForeignKey:
    """A reference to another table (its name, or "another table")."""

    table: str


@dataclass(frozen=True)
class Column:
    """A column. ``default`` is "none", "constant", "expression" or "unknown"; nullable and unique are None if unknown."""

    name: str
    nullable: bool | None
    default: str
    unique: bool | None = False
    primary: bool | None = False
    special: bool = False  # computed, checked, or with a part that is not known
    refers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Batch:
    """What op.batch_alter_table gives. On SQLite some of its operations copy the table and drop the old one."""

    table: str | None


@dataclass(frozen=True)
class Method:
    """An attribute of something above; only calling it means anything."""

    of: Any
    name: str


@dataclass(frozen=True)
class Function:
    """A function of the migration's own file, and the names that it sees."""

    node: ast.FunctionDef
    scope: Scope = field(compare=False, hash=False)


@dataclass
class Arguments:
    """The evaluated arguments of a call."""

    positional: list[Any]
    named: dict[str, Any]

    def bound(self, *names: str) -> dict[str, Any]:
        """Return them by parameter name, as Python would bind them to ``names``."""
        return {**self.named, **dict(zip(names, self.positional, strict=False))}

    def everything(self) -> list[Any]:
        """Return all values."""
        return [*self.positional, *self.named.values()]


Evaluate = Callable[[ast.expr], Any]


def is_constant(value: Any) -> bool:
    """Whether a value is plain data through and through."""
    if isinstance(value, tuple):
        return all(is_constant(v) for v in value)
    if isinstance(value, dict):
        return all(is_constant(v) for v in value.values())
    return value is None or isinstance(value, str | int | float | bool | bytes)


def is_default(value: Any) -> bool:
    """Whether a value, as a server default, is certain to give rows something else than NULL."""
    if isinstance(value, SqlText):
        return value.text is not None and value.text.strip().upper() not in ("", "NULL")
    if isinstance(value, Opaque):
        return value.path.startswith(("sqlalchemy.func.", "sqlalchemy.sql.func.")) or value.path.rpartition(".")[2] in (
            "true",
            "false",
            "text",
            "literal",
            "literal_column",
        )
    return isinstance(value, str)


def either(one: Any, other: Any) -> Any:
    """Return what is known of a value that is one of two."""
    if type(one) is type(other) and one == other:
        return one
    for known, alternative in ((one, other), (other, one)):
        if known is Mark.DIALECT_NAME and isinstance(alternative, str):
            return known
        if known is Mark.DIALECT_TEST and (isinstance(alternative, bool) or alternative is Mark.DIALECT_TEST):
            return known
    if is_default(one) and is_default(other):
        return Opaque("sqlalchemy.text")
    return Unknown()
