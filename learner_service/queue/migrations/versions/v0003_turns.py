"""What the queue's order goes by: how often a job made room, and how long owners were served."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("moves", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "served_time",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("time", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("served_time")
    op.drop_column("jobs", "moves")
