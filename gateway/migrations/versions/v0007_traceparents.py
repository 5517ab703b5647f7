"""A job keeps the trace that began it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    column = sa.Column("traceparent", sa.String(55), nullable=False, server_default="")
    op.add_column("jobs", column)


def downgrade() -> None:
    op.drop_column("jobs", "traceparent")
