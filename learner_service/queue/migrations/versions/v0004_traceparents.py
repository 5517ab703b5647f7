"""A job keeps the trace that began it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("traceparent", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("jobs", "traceparent")
