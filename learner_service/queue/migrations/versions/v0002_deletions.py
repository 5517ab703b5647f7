"""Jobs that are being deleted; and of each job its report, which an event alone has told so far."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_JOBS = sa.table("jobs", sa.column("job_id"), sa.column("report_digest"))
_EVENTS = sa.table("events", sa.column("job_id"), sa.column("seq"), sa.column("event"))


def upgrade() -> None:
    op.create_table(
        "deletions",
        sa.Column("job_id", sa.Text, primary_key=True),
        sa.Column("digests", sa.Text, nullable=False),
    )
    op.add_column("jobs", sa.Column("report_digest", sa.Text, nullable=False, server_default=""))
    compared = _EVENTS.c.event.startswith('{"type": "EvaluationDone"', autoescape=True)
    found = sa.select(_EVENTS.c.job_id, _EVENTS.c.event).where(compared).order_by(_EVENTS.c.seq)
    for job_id, event in op.get_bind().execute(found).all():
        digest = json.loads(event).get("report_digest", "")
        op.execute(sa.update(_JOBS).where(_JOBS.c.job_id == job_id).values(report_digest=digest))


def downgrade() -> None:
    op.drop_column("jobs", "report_digest")
    op.drop_table("deletions")
