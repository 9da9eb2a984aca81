"""What every migrator must do."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import pytest

from runwright.engine.actions import Do
from runwright.errors import ActionError, InDoubtError, RefusedError, RunwrightError, VerificationError
from runwright.migrators.shape import Job, MigrationPlan, Migrator
from runwright.policy.levels import Level
from runwright.testing.conformance.trial import Conformance, Trial, changes, keeps_its_plan, only_reads
from runwright.testing.direct import Direct
from runwright.testing.faults import Fault

KEY = "deploy/migrate"
NOWHERE = "conformance_unknown"


@dataclass(frozen=True)
class MigratorCase:
    """A migrator to be tried, on a new database, with a version that has at least one migration for it.

    make: a new one. job: runs jobs of that version by a ``do``. revisions: where the database is; contents: its schema, both
    by other means than the migrator.
    """

    make: Callable[[], Migrator]
    job: Callable[[Do], Job]
    revisions: Callable[[], tuple[str, ...]]
    contents: Callable[[], object]

    def plan(self, do: Do, *current: str) -> MigrationPlan:
        """Plan for a database at ``current``, and return it as the ledger keeps it."""
        found = self.make().plan(do, self.job(do), current)
        kept = MigrationPlan.from_json(json.loads(json.dumps(found.as_json())))
        assert kept == found
        return kept

    def planned(self) -> MigrationPlan:
        """Plan for where the database is."""
        return only_reads(lambda do: self.plan(do, *self.revisions()), self.contents)

    def upgrade(self, do: Do, plan: MigrationPlan, key: str = KEY) -> None:
        """Carry a plan out."""
        self.make().upgrade(do, self.job(do), plan, key)


class MigratorConformance(Conformance):
    """Override ``case``."""

    @pytest.fixture
    def case(self) -> MigratorCase:
        """The migrator to be tried."""
        raise NotImplementedError

    def test_a_plan_says_what_is_pending_in_order_and_touches_nothing(self, case: MigratorCase) -> None:
        """Each migration comes after those that it follows, says what it is, and has a level that can be argued for."""
        plan = case.planned()
        assert plan.pending
        assert plan.heads
        assert (plan.current, plan.unknown_current) == ((), ())
        seen = set[str]()
        for migration in plan.pending:
            assert set(migration.down_revisions) <= seen, f"{migration.revision} comes before what it follows"
            assert migration.path
            assert migration.level <= Level.L1 or migration.reasons, f"{migration.revision} costs more and says not why"
            seen.add(migration.revision)
        assert set(plan.heads) <= seen
        assert plan.level == max(migration.level for migration in plan.pending)

    def test_it_tells_where_revisions_are_kept_and_touches_nothing(self, case: MigratorCase) -> None:
        """Whoever asks for the revisions looks where they are written."""
        places = only_reads(lambda do: case.make().locate(do, case.job(do)), case.contents)
        assert places
        assert all(place.table for place in places)

    def test_a_plan_is_carried_out_by_one_change_and_verified(self, case: MigratorCase) -> None:
        """Before, the database is not accepted; after, it is where the plan's version expects it, and nothing is pending."""
        plan = case.planned()
        migrator = case.make()
        for current in ((), (NOWHERE,), (*plan.heads, NOWHERE)):
            assert not migrator.accepts(current, plan)
            with pytest.raises(VerificationError):
                migrator.verify(current, plan)
        assert changes(lambda do: case.upgrade(do, plan), KEY) == [KEY]
        assert sorted(case.revisions()) == sorted(plan.heads)
        migrator.verify(case.revisions(), plan)
        assert migrator.accepts(case.revisions(), plan)
        after = case.planned()
        assert (after.pending, after.level, after.needs_stop) == ((), Level.L0, False)
        only_reads(lambda do: case.upgrade(do, after), case.contents)

    def test_a_plan_that_is_not_true_any_more_changes_nothing(self, case: MigratorCase) -> None:
        """Somebody has migrated meanwhile: with or without an error, the schema stays as it is."""
        plan = case.planned()
        case.upgrade(Direct(), plan)
        before = case.contents()
        with suppress(ActionError):
            case.upgrade(Direct(), plan, "deploy/again")
        assert case.contents() == before

    def test_a_database_that_is_ahead_is_never_upgraded(self, case: MigratorCase) -> None:
        """A revision that the version does not know is named; nothing is said of it, and nothing done."""
        plan = only_reads(lambda do: case.plan(do, NOWHERE), case.contents)
        assert (plan.unknown_current, plan.pending, plan.level) == ((NOWHERE,), (), Level.L3)
        do = Direct()
        with pytest.raises(RefusedError):
            case.upgrade(do, plan)
        assert do.keys == []

    def test_the_plan_is_what_is_done(self, case: MigratorCase) -> None:
        """The change is told before it is made."""
        plan = case.planned()
        assert keeps_its_plan(lambda do: case.upgrade(do, plan), case.contents) == [KEY]

    @pytest.mark.parametrize("point", ["before", "unsettled", "after"])
    def test_a_migration_that_died_is_never_carried_out_twice(
        self, case: MigratorCase, trial: Trial, point: str
    ) -> None:
        """Once it was begun and nobody knows how it ended, it is refused; once it is settled, it is skipped."""
        plan = case.planned()

        def upgrade(do: Do) -> None:
            case.upgrade(do, plan)

        assert trial.killed(upgrade, Fault.parse(f"kill@{point}:{KEY}"))
        before = case.contents()
        if point == "after":
            trial.run(upgrade)
        else:
            with pytest.raises(InDoubtError):
                trial.run(upgrade)
        assert case.contents() == before
        assert (sorted(case.revisions()) == sorted(plan.heads)) == (point != "before")

    def test_a_migration_that_fails_is_an_error_and_is_not_tried_again(self, case: MigratorCase, trial: Trial) -> None:
        """A head that is not there fails, whatever the tool; the database stays at a revision that is told."""
        plan = case.planned()
        wrong = replace(plan, current=(NOWHERE,))
        with pytest.raises(RunwrightError):
            trial.run(lambda do: case.upgrade(do, wrong))
        assert case.revisions() == ()
        with pytest.raises(InDoubtError):
            trial.run(lambda do: case.upgrade(do, plan))
        assert case.revisions() == ()
