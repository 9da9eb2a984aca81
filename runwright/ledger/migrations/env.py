"""Run migrations in the transaction that ``runwright.ledger.migrating`` has begun: all of them, or nothing."""

from alembic import context

from runwright.ledger.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
