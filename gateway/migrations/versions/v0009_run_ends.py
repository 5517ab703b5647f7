"""A job knows its best step, why it ended early, and what makes it less than a plain success."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("best_step", sa.BigInteger, nullable=True))
    for name in ("end_reason", "warning"):
        op.add_column("jobs", sa.Column(name, sa.String(40), nullable=True))


def downgrade() -> None:
    for name in ("warning", "end_reason", "best_step"):
        op.drop_column("jobs", name)
