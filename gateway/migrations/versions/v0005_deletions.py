"""Files and jobs that are being deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "deletions",
        sa.Column("deleted_id", sa.String(36), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("digests", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("deletions")
