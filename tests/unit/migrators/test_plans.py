"""Migration plans: what they say, what they refuse, and what is asked of the new version's artifact."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from runwright.errors import InputError, ObservationError, RefusedError, VerificationError
from runwright.migrators.alembic import Alembic
from runwright.migrators.alembic_job import MARKER, concurrent
from runwright.migrators.shape import Migration, MigrationPlan
from runwright.policy.levels import Level
from runwright.runbook.migrators.alembic import AlembicMigrate
from runwright.testing.replies import Replies

ADD = Migration("b", ("a",), "add", "v/b.py", Level.L1, (), ("adds table t",))
DROP = Migration("c", ("b", "x"), "drop", "v/c.py", Level.L3, ("drops table t: gone",), ("drops table t",))
DO = Replies({})


@dataclass
class Job:
    """Answers every job with ``output``, and remembers what was asked."""

    output: bytes = b""
    asked: list[tuple[tuple[str, ...], str | None, str, float]] = field(default_factory=list)

    def __call__(self, argv: tuple[str, ...], *, key: str | None, says: str, deadline_seconds: float) -> bytes:
        self.asked.append((argv, key, says, deadline_seconds))
        return self.output


def answer(**changes: Any) -> bytes:
    document: dict[str, Any] = {"heads": ["b"], "unknown": [], "pending": [], **changes}
    return f"noise\n{MARKER}{json.dumps(document)}\n".encode()


def test_a_plan_survives_json() -> None:
    """What the ledger keeps gives the same plan again."""
    plan = MigrationPlan(("c",), ("a", "x"), (ADD, DROP), ("zz",))
    assert MigrationPlan.from_json(json.loads(json.dumps(plan.as_json()))) == plan


@pytest.mark.parametrize(
    ("pending", "unknown", "level", "stop"),
    [
        ((), (), Level.L0, False),
        ((ADD,), (), Level.L1, False),
        ((ADD, DROP), (), Level.L3, True),
        ((), ("zz",), Level.L3, True),
    ],
)
def test_a_plan_knows_its_level(
    pending: tuple[Migration, ...], unknown: tuple[str, ...], level: Level, stop: bool
) -> None:
    """The worst migration decides; a database that the code does not know is never harmless."""
    plan = MigrationPlan(("c",), ("a",), pending, unknown)
    assert (plan.level, plan.needs_stop) == (level, stop)


@pytest.mark.parametrize(
    ("current", "heads", "fits"),
    [
        (("a",), ("a",), True),
        (("b", "a"), ("a", "b"), True),
        (("merge_20260224_01",), ("merge_20260224_01",), True),
        ((), (), False),
        ((), ("a",), False),
        (("a",), (), False),
        (("a",), ("a", "b"), False),
        (("a", "b"), ("a",), False),
        (("A",), ("a",), False),
    ],
)
def test_revisions_are_compared_as_sets_and_nothing_proves_nothing(
    current: tuple[str, ...], heads: tuple[str, ...], fits: bool
) -> None:
    """Equal sets fit; an empty answer never does, whatever ids look like."""
    plan = MigrationPlan(heads, (), ())
    assert Alembic().accepts(current, plan) is fits
    if fits:
        Alembic().verify(current, plan)
    else:
        with pytest.raises(VerificationError):
            Alembic().verify(current, plan)


def test_reading_is_no_change_and_upgrading_is_one() -> None:
    """The plan is read without a key; the upgrade is one job with the caller's key and the runbook's deadline."""
    migrator = Alembic.of(AlembicMigrate(tool="alembic", directory="backend", timeout="20m", lock_timeout="1500ms"))
    job = Job(answer())
    migrator.plan(DO, job, ("a",))
    migrator.upgrade(DO, job, MigrationPlan(("b",), ("a",), (ADD,)), "migrate/api")
    (read, no_key, _, _), (upgrade, key, says, deadline) = job.asked
    assert (read[:2], read[3:], no_key) == (("python", "-c"), ("read", "backend", "alembic.ini", "a"), None)
    assert (upgrade[3:7], key, deadline) == (("upgrade", "backend", "alembic.ini", "1500"), "migrate/api", 1200.0)
    assert json.loads(upgrade[7]) == {"heads": ["b"], "current": ["a"]}
    assert says == "migrate the database from a to b (1 migration)"


def test_nothing_pending_is_no_job() -> None:
    """A database at the heads is left alone."""
    job = Job()
    Alembic().upgrade(DO, job, MigrationPlan(("b",), ("b",), ()), "migrate")
    assert job.asked == []


def test_a_database_ahead_is_never_migrated() -> None:
    """A revision that the code does not know refuses, even with something pending."""
    job = Job()
    with pytest.raises(RefusedError, match="zz"):
        Alembic().upgrade(DO, job, MigrationPlan(("b",), ("zz",), (ADD,), ("zz",)), "migrate")
    assert job.asked == []


def test_pending_migrations_are_classified_in_their_order() -> None:
    """What an earlier one creates is new for a later one; a file without source is L3."""
    head = "from alembic import op\nimport sqlalchemy as sa\ndef upgrade():\n    "
    base = {"down_revisions": [], "title": "t", "path": "p"}
    job = Job(
        answer(
            pending=[
                {**base, "revision": "1", "source": f"{head}op.create_table('t')"},
                {**base, "revision": "2", "source": f"{head}op.create_index('i', 't', ['a'], unique=True)"},
                {**base, "revision": "3", "source": None},
            ]
        )
    )
    found = Alembic().plan(DO, job, ())
    assert [(m.revision, m.level) for m in found.pending] == [("1", Level.L1), ("2", Level.L1), ("3", Level.L3)]


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"alembic.ini not found\n",
        MARKER.encode() + b"{not json\n",
        MARKER.encode() + b"{}\n",
        MARKER.encode() + b'{"heads": null, "unknown": [], "pending": []}\n',
        MARKER.encode() + b'{"heads": ["b"], "unknown": [], "pending": [{}]}\n',
    ],
)
def test_an_answer_that_is_not_understood_is_never_an_empty_plan(output: bytes) -> None:
    """No marked line, no JSON, or parts that are missing."""
    with pytest.raises(ObservationError):
        Alembic().plan(DO, Job(output), ())


def test_an_error_of_the_artifact_is_told() -> None:
    """What is wrong with the version's migrations reaches the person."""
    with pytest.raises(InputError, match="Can't locate revision"):
        Alembic().plan(DO, Job(answer(error="Can't locate revision x")), ())


@pytest.mark.parametrize(
    ("statement", "waits"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (a)", True),
        ("create  unique\n index  concurrently if not exists i on t (a);", True),
        ("-- it's built beside\n/* a 'b' /* c */ */ CREATE INDEX CONCURRENTLY i ON t (a)", True),
        ('DROP INDEX CONCURRENTLY "My Index"', True),
        ("REINDEX TABLE CONCURRENTLY t", True),
        ("REINDEX (VERBOSE, CONCURRENTLY) INDEX i", True),
        ('ALTER TABLE "My Table" DETACH PARTITION public."a b" CONCURRENTLY;', True),
        ("CREATE INDEX i ON t (a) -- CONCURRENTLY", False),
        ("CREATE INDEX concurrently_made ON t (a)", False),
        ("REINDEX TABLE t", False),
        ("ALTER TABLE t DETACH PARTITION p", False),
        ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY FINALIZE", False),
        ("ALTER TABLE t ADD COLUMN concurrently int", False),
        ("INSERT INTO t VALUES ('CREATE INDEX CONCURRENTLY i ON t (a)')", False),
    ],
)
def test_what_waits_without_holding_up_others_is_told_from_its_statement(statement: str, waits: bool) -> None:
    """However it is written; what only mentions it, and all else, may not wait."""
    assert concurrent(statement) is waits
