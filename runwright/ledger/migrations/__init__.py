"""The migrations of the ledger, for Alembic."""
