"""A repeated Idempotency-Key is told by the settings themselves, which outlive new ones."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.drop_column("jobs", "request_digest")


def downgrade() -> None:
    column = sa.Column("request_digest", sa.String(64), nullable=False, server_default="")
    op.add_column("jobs", column)
