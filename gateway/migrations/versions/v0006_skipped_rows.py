"""How many rows of an upload were left out."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column(
        "files", sa.Column("skipped_rows", sa.Integer, nullable=False, server_default="0")
    )


def downgrade() -> None:
    op.drop_column("files", "skipped_rows")
