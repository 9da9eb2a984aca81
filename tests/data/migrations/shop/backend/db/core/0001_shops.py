"""shops"""

import sqlalchemy as sa
from alembic import op

revision = "0001_shops"
down_revision = None


def upgrade() -> None:
    op.create_table("shops", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text, nullable=False))
