"""Why a job failed, for other languages."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("error_said", sa.JSON))


def downgrade() -> None:
    op.drop_column("jobs", "error_said")
