"""Jobs that compare an adapter and train nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    kind = sa.Column("kind", sa.String(20), nullable=False, server_default="training")
    op.add_column("jobs", kind)
    op.add_column("jobs", sa.Column("parent_job_id", sa.String(36)))
    op.add_column("jobs", sa.Column("adapter_digest", sa.String(64)))
    op.create_index("ix_jobs_parent_job_id", "jobs", ["parent_job_id"])


def downgrade() -> None:
    op.drop_index("ix_jobs_parent_job_id", "jobs")
    for column in ("adapter_digest", "parent_job_id", "kind"):
        op.drop_column("jobs", column)
