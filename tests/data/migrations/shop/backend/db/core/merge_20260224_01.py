"""merge the two branches"""

revision = "merge_20260224_01"
down_revision = ("0002_note", "9f2b7c4d1a0e")


def upgrade() -> None:
    pass
