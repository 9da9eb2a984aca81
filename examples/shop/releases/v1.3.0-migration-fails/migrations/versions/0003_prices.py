"""A price for each item. It fails half-way: its second statement copies a column that was never there.

Run in one transaction (migrations/env.py), it leaves schema and revision as they were, on PostgreSQL and on SQLite.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003_prices"
down_revision = "0002_note"


def upgrade() -> None:
    op.create_table(
        "prices",
        sa.Column("item", sa.Integer(), primary_key=True),
        sa.Column("cents", sa.Integer(), nullable=False),
    )
    op.execute("INSERT INTO prices (item, cents) SELECT id, price_in_cents FROM items")


def downgrade() -> None:
    op.drop_table("prices")
