"""What a migration means for the way back, read from its source before it runs.

A migration that only adds (L1) leaves the version before working: while it runs, and after traffic went back. All else
is L3, and so is everything that cannot be read: a wrong L1 is dangerous, a wrong L3 only asks a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from runwright.policy.levels import Level, worst
from runwright.policy.revisions.findings import CannotRead, Findings


@dataclass(frozen=True)
class Classified:
    """One migration: its level, why it is not lower, what it does in short sentences, and the tables that it makes for certain.

    new: what the version before the whole release does not know once this one ran.
    """

    level: Level
    reasons: tuple[str, ...]
    operations: tuple[str, ...]
    new: frozenset[str] = frozenset()
    creates: tuple[str, ...] = ()


class HasLevel(Protocol):
    """Anything that has a level, such as a migration."""

    @property
    def level(self) -> Level: ...


def classify(source: str, new_tables: frozenset[str] = frozenset()) -> Classified:
    """Return what the ``upgrade()`` of an Alembic revision does, read from its ``source``.

    ``new_tables`` were created by migrations that run before it in the same release: the version before does not know
    them, so whatever happens to them only adds.
    """
    findings = Findings(new_tables)
    try:
        from runwright.policy.revisions.code import (
            Code,  # with it comes sqlglot: most releases have no migration to read
        )

        Code(findings).read(source)
    except CannotRead as reason:
        findings.unread(str(reason))
    except RecursionError:
        findings.unread("a migration that is nested too deeply")
    level = Level.L3 if findings.reasons else Level.L1
    created = findings.certain() if level is Level.L1 else findings.certain() & findings.new
    tables = tuple(sorted(findings.tables(created - new_tables)))
    return Classified(level, tuple(findings.reasons), tuple(findings.operations), created, tables)


def classify_all(sources: Iterable[str]) -> list[Classified]:
    """Return what each of several revisions does, given in the order in which they run."""
    found: list[Classified] = []
    new: frozenset[str] = frozenset()
    for source in sources:
        one = classify(source, new)
        new = one.new
        found.append(one)
    return found


def level_of(pending: Iterable[HasLevel]) -> Level:
    """Return the rollback level of a release with these migrations: L0 for none, L1 if all only add, else L3."""
    return worst(migration.level for migration in pending)


def needs_stop(pending: Sequence[HasLevel]) -> bool:
    """Whether the version before must not run while these migrations do: unless all of them only add."""
    return level_of(pending) > Level.L1
