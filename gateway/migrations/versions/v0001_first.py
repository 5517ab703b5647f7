"""Files, jobs, and the events of jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create_files()
    _create_jobs()
    _create_job_events()


def downgrade() -> None:
    for table in ("job_events", "jobs", "files"):
        op.drop_table(table)


def _create_files() -> None:
    op.create_table(
        "files",
        sa.Column("file_id", sa.String(36), primary_key=True),
        sa.Column("filename", sa.String(255), nullable=False),
        sa.Column("csv_rows", sa.Integer, nullable=False),
        sa.Column("valid_images", sa.Integer, nullable=False),
        sa.Column("upload_time", sa.DateTime, nullable=False),
        sa.Column("warnings", sa.JSON, nullable=False),
        sa.Column("upload_digest", sa.String(64), nullable=False),
        sa.Column("dataset_digest", sa.String(64), nullable=False),
    )
    op.create_index("ix_files_upload_time", "files", ["upload_time"])
    op.create_index("ix_files_dataset_digest", "files", ["dataset_digest"])


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.String(36), primary_key=True),
        sa.Column("job_name", sa.String(200), nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("current_step", sa.BigInteger, nullable=False),
        sa.Column("total_steps", sa.BigInteger, nullable=False),
        sa.Column("loss", sa.Float),
        sa.Column("error_message", sa.String),
        sa.Column("output_dir", sa.String),
        sa.Column("phase", sa.String(40)),
        sa.Column("resumed_from_job_id", sa.String(36)),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("dataset_digest", sa.String(64), nullable=False),
        sa.Column("evaluation_dataset_digest", sa.String(64)),
        sa.Column("idempotency_key", sa.String(200), unique=True),
        sa.Column("request_digest", sa.String(64), nullable=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("seq_offset", sa.BigInteger, nullable=False),
        sa.Column("start_attempted", sa.Boolean, nullable=False),
        sa.Column("accepted", sa.Boolean, nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("log_complete", sa.Boolean, nullable=False),
        sa.Column("result_digest", sa.String(64)),
    )
    op.create_index("ix_jobs_created_at", "jobs", ["created_at"])
    op.create_index("ix_jobs_log_complete", "jobs", ["log_complete"])


def _create_job_events() -> None:
    op.create_table(
        "job_events",
        sa.Column("job_id", sa.String(36), sa.ForeignKey("jobs.job_id"), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("time", sa.DateTime, nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
    )
