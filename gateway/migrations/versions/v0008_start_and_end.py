"""When a job started and ended."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_FILL = """
UPDATE jobs SET
    started_at = (SELECT min(time) FROM job_events e
        WHERE e.job_id = jobs.job_id AND e.kind = 'worker'),
    ended_at = (SELECT max(time) FROM job_events e
        WHERE e.job_id = jobs.job_id AND e.kind = 'ended')
"""


def upgrade() -> None:
    op.add_column("jobs", sa.Column("started_at", sa.DateTime))
    op.add_column("jobs", sa.Column("ended_at", sa.DateTime))
    op.execute(_FILL)


def downgrade() -> None:
    op.drop_column("jobs", "ended_at")
    op.drop_column("jobs", "started_at")
