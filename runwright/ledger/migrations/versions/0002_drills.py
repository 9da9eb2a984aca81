"""Drills: what was broken on purpose, and how fast it came back.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "drills",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("release_id", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("broken_by", sa.Text(), nullable=False),
        sa.Column("broken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("noticed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("noticed_by", sa.Text(), nullable=False),
        sa.Column("back_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["release_id"], ["releases.id"]),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("release_id"),
    )
    op.create_index("drills_of_environment", "drills", ["system", "environment", "number"], unique=False)


def downgrade() -> None:
    raise NotImplementedError("a ledger is never downgraded: use the Runwright that knows it")
