"""What is asked of every place, by an index, however many releases there are.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ENDS = ("proven", "rolled_back")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SET LOCAL statement_timeout = 0")  # a million releases take longer than a question may
    op.create_table(
        "environments",
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("last_end", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["last_end"], ["releases.id"]),
        sa.PrimaryKeyConstraint("system", "environment"),
    )
    _fill_environments()
    op.create_index("releases_by_state", "releases", ["state", "system", "environment", "number"], unique=False)
    op.create_index("releases_of_commit", "releases", ["system", "commit", "environment", "number"], unique=False)
    op.create_index("runs_of_release", "runs", ["release_id"], unique=False)
    op.create_index("backups_of_release", "backups", ["release_id"], unique=False)
    op.create_index(
        "backups_that_are_there", "backups", ["system", "environment", "removed_at", "number"], unique=False
    )


def _fill_environments() -> None:
    releases = sa.table("releases", sa.column("id"), sa.column("system"), sa.column("environment"))
    steps = sa.table("transitions", sa.column("number"), sa.column("release_id"), sa.column("after"))
    last_step = steps.alias("last_step")
    ended = sa.and_(steps.c.release_id == releases.c.id, steps.c.after.in_(ENDS))
    last = (
        sa.select(releases.c.system, releases.c.environment, sa.func.max(steps.c.number).label("number"))
        .select_from(releases.outerjoin(steps, ended))
        .group_by(releases.c.system, releases.c.environment)
        .subquery()
    )
    found = sa.select(last.c.system, last.c.environment, last_step.c.release_id).select_from(
        last.outerjoin(last_step, last_step.c.number == last.c.number)
    )
    environments = sa.table(
        "environments", sa.column("system"), sa.column("environment"), sa.column("last_end")
    )
    op.execute(environments.insert().from_select(["system", "environment", "last_end"], found))


def downgrade() -> None:
    raise NotImplementedError("a ledger is never downgraded: use the Runwright that knows it")
