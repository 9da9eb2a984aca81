"""How Alembic reaches the shop's database. All pending migrations are one transaction, on SQLite as on PostgreSQL."""

from __future__ import annotations

from typing import Any

from alembic import context
from shop.database import database_url
from shop.model import metadata
from sqlalchemy import create_engine, event
from sqlalchemy.pool import NullPool


def run_online() -> None:
    engine = create_engine(database_url(), poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        # Python's driver ends a transaction before each statement that changes the schema; without this a migration
        # that fails half-way would leave its first half.
        @event.listens_for(engine, "connect")
        def no_hidden_commits(connection: Any, _: Any) -> None:
            connection.isolation_level = None
            connection.execute("PRAGMA busy_timeout = 5000")

        @event.listens_for(engine, "begin")
        def begun(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
        with context.begin_transaction():
            context.run_migrations()


def run_offline() -> None:
    context.configure(url=database_url(), target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
