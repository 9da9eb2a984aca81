"""Connects to ``DATABASE_URL``; ``PER_MIGRATION`` commits each migration by itself."""

import os
import sys

from alembic import context
from sqlalchemy import create_engine, pool

sys.stdout.write("env.py talks on standard output\n")
engine = create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=bool(os.environ.get("PER_MIGRATION")))
    with context.begin_transaction():
        context.run_migrations()
