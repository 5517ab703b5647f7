"""An upload is data, or an adapter to begin with."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    column = sa.Column("kind", sa.String, nullable=False, server_default="data")
    op.add_column("files", column)
    op.add_column("files", sa.Column("prompt", sa.JSON))


def downgrade() -> None:
    op.drop_column("files", "prompt")
    op.drop_column("files", "kind")
