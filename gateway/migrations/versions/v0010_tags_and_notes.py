"""What its owner writes about a job."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    for name in ("stored_tags", "notes"):
        op.add_column("jobs", sa.Column(name, sa.String, nullable=False, server_default=""))


def downgrade() -> None:
    for name in ("notes", "stored_tags"):
        op.drop_column("jobs", name)
