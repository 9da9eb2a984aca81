"""What the shop sells, and the heartbeat of its scheduler."""

import sqlalchemy as sa
from alembic import op

revision = "0001_items"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "items",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
    )
    op.create_table(
        "heartbeats",
        sa.Column("worker", sa.String(50), primary_key=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("heartbeats")
    op.drop_table("items")
