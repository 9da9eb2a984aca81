"""What was found in a migration: what it does, and what of it the version before could not live with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class CannotRead(Exception):
    """A piece of a migration whose effect cannot be told from its source."""


class Findings:
    """Collects the operations of one migration as short sentences, and the reasons why it does more than add.

    ``new`` holds the tables that are certain not to exist for the version before: whatever happens to them only adds.
    """

    def __init__(self, new: frozenset[str] = frozenset()) -> None:
        self.operations: list[str] = []
        self.reasons: list[str] = []
        self.new = set(new)
        self._exits: list[set[str]] = []

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

    def certain(self) -> frozenset[str]:
        """Return the tables that are new whichever way the migration took."""
        return frozenset(set.intersection(self.new, *self._exits))

    @contextmanager
    def uncertain(self) -> Iterator[None]:
        """What is read inside may never happen: tables that it creates do not count as new."""
        before = set(self.new)
        yield
        self.new &= before


def _append_once(lines: list[str], line: str) -> None:
    if line not in lines:
        lines.append(line)
