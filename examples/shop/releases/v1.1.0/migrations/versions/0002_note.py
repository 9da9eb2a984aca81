"""A note for each item. It only adds: the version before works on with it."""

import sqlalchemy as sa
from alembic import op

revision = "0002_note"
down_revision = "0001_items"


def upgrade() -> None:
    op.add_column("items", sa.Column("note", sa.String(200), nullable=True))


def downgrade() -> None:
    op.drop_column("items", "note")
