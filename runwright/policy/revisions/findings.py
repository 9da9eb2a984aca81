"""What was found in a migration: what it does, and what of it the version before could not live with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class CannotRead(Exception):
    """A piece of a migration whose effect cannot be told from its source."""


class Findings:
    """Collects the operations of one migration as short sentences, and the reasons why it does more than add.

    ``new`` holds the tables that are certain not to exist for the version before: whatever happens to them only adds. It
    also holds the columns (see `new_column`) that were added to tables which do exist.
    """

    def __init__(self, new: frozenset[str] = frozenset()) -> None:
        self.operations: list[str] = []
        self.reasons: list[str] = []
        self.new = set(new)
        self._exits: list[set[str]] = []

    def new_column(self, table: str | None, column: str, *, defaulted: bool) -> None:
        """Note that the version before does not know a column, and whether its rows get a value there all the same."""
        if table:
            self.new |= {_key(table, column)} | ({_key(table, column, "default")} if defaulted else set())

    def is_new_column(self, table: str | None, column: str, *, defaulted: bool = False) -> bool:
        """Return whether the version before certainly does not know this column; ``defaulted``: and need not fill it."""
        return table is not None and _key(table, column, *(["default"] if defaulted else [])) in self.new

    def adds(self, says: str) -> None:
        """Note an operation that the version before does not notice."""
        _append_once(self.operations, says)

    def harms(self, says: str, why: str) -> None:
        """Note an operation that the version before may break on, or that loses data."""
        _append_once(self.operations, says)
        _append_once(self.reasons, f"{says}: {why}")

    def unread(self, what: str) -> None:
        """Note a piece whose effect is not known."""
        _append_once(self.reasons, f"cannot read: {what}")

    def leaves(self) -> None:
        """Note that the migration may end (or go on with its loop) here; what comes later may then never happen."""
        self._exits.append(set(self.new))

    @staticmethod
    def tables(new: Iterable[str]) -> Iterator[str]:
        """Yield those of ``new`` that are tables, and no columns."""
        return (one for one in new if "\0" not in one)

    def certain(self) -> frozenset[str]:
        """Return the tables that are new whichever way the migration took."""
        return frozenset(set.intersection(self.new, *self._exits))

    @contextmanager
    def uncertain(self) -> Iterator[None]:
        """What is read inside may never happen: tables that it creates do not count as new."""
        before = set(self.new)
        yield
        self.new &= before


def _key(*parts: str) -> str:
    return "\0".join(parts)  # which stands in no name, so that it is no table's


def _append_once(lines: list[str], line: str) -> None:
    if line not in lines:
        lines.append(line)
