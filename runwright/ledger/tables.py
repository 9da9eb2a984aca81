"""The tables of the ledger. How they came to be is in ``migrations/``; a test holds the two together."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from runwright.ledger.plain import as_json

VERSION_TABLE = "runwright_ledger_version"
"""Not Alembic's own name: a ledger that is put into an application's database by mistake must not touch its revisions."""

metadata = MetaData()


class Moment(TypeDecorator[datetime]):
    """A moment in UTC. SQLite keeps no zone: it is left out there, and added again."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be kept")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Words(TypeDecorator[str]):
    """Text from outside. What PostgreSQL cannot keep (NUL, halves of surrogate pairs) is replaced, on both databases."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        if value is None:
            return None
        return str(value).replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


class Plain(TypeDecorator[Any]):
    """Plain JSON. Looked at before a driver sees it, so that both refuse the same values, with the same error."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        as_json(value)
        return value


_Number = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only if they are INTEGER


def _number() -> Column[int]:
    """The order in which rows were written. Never the time: clocks go back."""
    return Column("number", _Number, primary_key=True, autoincrement=True)


def _release(*, nullable: bool = False) -> Column[Any]:
    return Column("release_id", Words, ForeignKey("releases.id"), nullable=nullable)


releases = Table(
    "releases",
    metadata,
    _number(),
    Column("id", Words, nullable=False, unique=True),
    Column("system", Words, nullable=False),
    Column("environment", Words, nullable=False),
    Column("ref", Words, nullable=False),
    Column("commit", Words, nullable=False),
    Column("state", Words, nullable=False),
    Column("because", Words, nullable=False),
    Column("procedure", Words, nullable=False),
    Column("run_id", Words),
    Column("deployer", Words, nullable=False),
    Column("runbook", Plain, nullable=False),
    Column("parameters", Plain, nullable=False),
    Column("previous_id", Words, ForeignKey("releases.id")),
    Column("version", Plain),
    Column("adopted", Boolean, nullable=False),
    Column("level", Words),
    Column("plan_hash", Words),
    Column("schema_before", Plain),
    Column("schema_after", Plain),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("watch_started_at", Moment),
    Column("watch_elapsed_seconds", Float),
    Column("cleared_at", Moment),
    Column("cleared_by", Words),
    Column("cleared_because", Words),
    Index("releases_of_environment", "system", "environment", "number"),
    Index("releases_by_state", "state", "system", "environment", "number"),
    Index("releases_of_commit", "system", "commit", "environment", "number"),
)

environments = Table(
    "environments",
    metadata,
    Column("system", Words, primary_key=True),
    Column("environment", Words, primary_key=True),
    Column("last_end", Words, ForeignKey("releases.id")),
)
"""Every environment that has a release. last_end: the release that last came to be proven or rolled back there, by the order
of transitions: what is live follows from it, and no index of many releases would tell."""

runs = Table(
    "runs",
    metadata,
    _number(),
    Column("run_id", Words, nullable=False, unique=True),
    _release(),
    Column("procedure", Words, nullable=False),
    Column("at", Moment, nullable=False),
    Index("runs_of_release", "release_id"),
)

transitions = Table(
    "transitions",
    metadata,
    _number(),
    _release(),
    Column("at", Moment, nullable=False),
    Column("before", Words),
    Column("after", Words, nullable=False),
    Column("because", Words, nullable=False),
    Index("transitions_of_release", "release_id"),
)

facts = Table(
    "facts",
    metadata,
    Column("release_id", Words, ForeignKey("releases.id"), primary_key=True),
    Column("name", Words, primary_key=True),
    Column("value", Plain, nullable=False),
    Column("at", Moment, nullable=False),
)

journal = Table(
    "journal",
    metadata,
    _number(),
    _release(),
    Column("key", Words, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("says", Words, nullable=False),
    Column("state", Words, nullable=False),
    Column("token", BigInteger),
    Column("repeatable", Boolean, nullable=False),
    Column("safe_point", Boolean, nullable=False),
    Column("detail", Plain),
    Column("intent_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("outcome_at", Moment),
    Column("host", Words),
    Column("pid", BigInteger),
    Column("pid_started", BigInteger),
    Column("result", Plain),
    Column("error", Words),
    UniqueConstraint("release_id", "key", "attempt", name="one_entry_per_attempt"),
)

leases = Table(
    "leases",
    metadata,
    Column("system", Words, primary_key=True),
    Column("environment", Words, primary_key=True),
    Column("token", BigInteger, nullable=False),
    Column("holder", Words, nullable=False),
    Column("run_id", Words, nullable=False),
    Column("procedure", Words, nullable=False),
    Column("release_id", Words),
    Column("taken_at", Moment, nullable=False),
    Column("beaten_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("released_at", Moment),
)

backups = Table(
    "backups",
    metadata,
    _number(),
    Column("id", Words, nullable=False, unique=True),
    Column("system", Words, nullable=False),
    Column("environment", Words, nullable=False),
    _release(nullable=True),
    Column("location", Words, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", Words, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("engine", Words, nullable=False),
    Column("revisions", Plain),
    Column("created_at", Moment, nullable=False),
    Column("proven_at", Moment),
    Column("proof", Plain),
    Column("removed_at", Moment),
    Index("backups_of_environment", "system", "environment", "number"),
    Index("backups_of_release", "release_id"),
    Index("backups_that_are_there", "system", "environment", "removed_at", "number"),
)

measurements = Table(
    "measurements",
    metadata,
    _number(),
    _release(),
    Column("rule", Words, nullable=False),
    Column("at", Moment, nullable=False),
    Column("state", Words, nullable=False),
    Column("value", Float),
    Column("requests", Float),
    Column("reason", Words, nullable=False),
    Index("measurements_of_release", "release_id", "rule", "number"),
)

gate_results = Table(
    "gate_results",
    metadata,
    _number(),
    _release(),
    Column("gate", Words, nullable=False),
    Column("state", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("at", Moment, nullable=False),
    Index("gate_results_of_release", "release_id"),
)

approvals = Table(
    "approvals",
    metadata,
    _number(),
    _release(),
    Column("gate", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("text", Words, nullable=False),
    Column("plan_hash", Words),
    Column("at", Moment, nullable=False),
    Column("expires_at", Moment),
    Index("approvals_of_release", "release_id"),
)

notes = Table(
    "notes",
    metadata,
    _number(),
    _release(),
    Column("at", Moment, nullable=False),
    Column("kind", Words, nullable=False),
    Column("text", Words, nullable=False),
    Index("notes_of_release", "release_id"),
)

drills = Table(
    "drills",
    metadata,
    _number(),
    Column("release_id", Words, ForeignKey("releases.id"), nullable=False, unique=True),
    Column("system", Words, nullable=False),
    Column("environment", Words, nullable=False),
    Column("broken_by", Words, nullable=False),
    Column("broken_at", Moment, nullable=False),
    Column("noticed_at", Moment),
    Column("noticed_by", Words, nullable=False),
    Column("back_at", Moment),
    Column("outcome", Words, nullable=False),
    Index("drills_of_environment", "system", "environment", "number"),
)

checks = Table(
    "checks",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
)
