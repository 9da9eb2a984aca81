"""What a plan says about the way back."""

from __future__ import annotations

import pytest

from runwright.migrators.shape import Migration, MigrationPlan
from runwright.policy.levels import Level
from tasks.plan import level_of


def migrations(level: Level | None, unknown: tuple[str, ...] = ()) -> MigrationPlan:
    pending = (Migration("a1", (), "", "a1.py", level, (), ()),) if level else ()
    return MigrationPlan(("a1",), (), pending, unknown)


@pytest.mark.parametrize(
    ("plan", "new", "level"),
    [
        (None, False, Level.L0),
        (migrations(None), True, Level.L0),
        (migrations(Level.L3), False, Level.L3),
        (migrations(Level.L3), True, Level.L1),
        (migrations(Level.L1), True, Level.L1),
        (migrations(None, unknown=("zz",)), True, Level.L3),
    ],
)
def test_a_new_database_has_nothing_to_lose(plan: MigrationPlan | None, new: bool, level: Level) -> None:
    """The first release brings all migrations there ever were; that some of them drop something harms nobody."""
    assert level_of(plan, new=new) is level
