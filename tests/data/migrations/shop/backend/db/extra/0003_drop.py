"""the note is not used"""

from alembic import op

revision = "0003_drop"
down_revision = "merge_20260224_01"


def upgrade() -> None:
    with op.batch_alter_table("shops") as batch_op:
        batch_op.drop_column("note")
