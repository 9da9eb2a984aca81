"""orders"""

import sys

import sqlalchemy as sa
from alembic import op

sys.stdout.write("a revision talks while it is loaded\n")
revision = "9f2b7c4d1a0e"
down_revision = "0001_shops"


def upgrade() -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("shop", sa.Integer, sa.ForeignKey("shops.id")),
    )
    op.create_index("uq_orders_shop", "orders", ["shop", "id"], unique=True)
