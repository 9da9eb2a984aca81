"""A SQLite file."""

from __future__ import annotations

from typing import ClassVar, Literal

from runwright.runbook.base import Text, example
from runwright.runbook.databases.shape import Database


class SqliteDatabase(Database):
    """A SQLite file."""

    title: ClassVar[str] = "SQLite"
    by_us: ClassVar[bool] = True

    kind: Literal["sqlite"]
    path: Text = example("data/shop.db", "The file, absolute or relative to the target's directory.")
