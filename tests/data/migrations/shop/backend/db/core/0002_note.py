"""a note"""

import sqlalchemy as sa
from alembic import op

revision = "0002_note"
down_revision = "0001_shops"


def upgrade() -> None:
    op.add_column("shops", sa.Column("note", sa.Text))
