"""The shop's data: what it sells, and the heartbeat of its scheduler."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event, insert, inspect, select, text, update

from shop.model import heartbeats, items

PAGE = 50
ALEMBIC = Path(__file__).resolve().parent.parent / "alembic.ini"


def database_url() -> str:
    """Return DATABASE_URL; a plain postgresql:// means psycopg."""
    url = os.environ.get("DATABASE_URL", "sqlite:///shop.db")
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def connect() -> Engine:
    """Return the engine. SQLite writes ahead, so that a migration or a backup does not hold up requests."""
    engine = create_engine(database_url(), pool_pre_ping=True)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def prepared(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA busy_timeout = 5000")

    return engine


def listed(engine: Engine) -> list[dict[str, Any]]:
    """Return the newest items."""
    with engine.connect() as connection:
        rows = connection.execute(select(items).order_by(items.c.id.desc()).limit(PAGE))
        return [dict(row) for row in rows.mappings()]


def added(engine: Engine, values: dict[str, Any]) -> int:
    """Add an item and return its id."""
    with engine.begin() as connection:
        return int(connection.execute(insert(items).values(**values)).inserted_primary_key[0])


def beat(engine: Engine, worker: str) -> None:
    """Note that ``worker`` lives; one row for each, whatever happens."""
    now = datetime.now(UTC)
    with engine.begin() as connection:
        seen = connection.execute(update(heartbeats).where(heartbeats.c.worker == worker).values(seen_at=now))
        if not seen.rowcount:
            connection.execute(insert(heartbeats).values(worker=worker, seen_at=now))


def schema_problem(engine: Engine) -> str:
    """Return why this code cannot work with the schema that is there, or "".

    A revision that this code does not know is newer than it and only adds: the code works with it. One that it knows
    and that is not its head is behind.
    """
    scripts = ScriptDirectory.from_config(Config(str(ALEMBIC)))
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        if not inspect(connection).has_table("alembic_version"):
            return "the schema was never migrated"
        current = {str(row[0]) for row in connection.execute(text("SELECT version_num FROM alembic_version"))}
    known = {script.revision for script in scripts.walk_revisions()}
    heads = set(scripts.get_heads())
    behind = sorted(revision for revision in current & known if revision not in heads)
    if behind or not current:
        return f"the schema is at {', '.join(behind) or 'nothing'}, this code needs {', '.join(sorted(heads))}"
    return ""
