"""Tokens, and whose a file or a job is; what there was before is nobody's in particular."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

# The first migration left the constraint without a name: PostgreSQL has one of its own for it.
_NAMES = {"uq": "uq_%(table_name)s_%(column_0_name)s"}
_KEY_BEFORE = {"postgresql": "jobs_idempotency_key_key", "sqlite": "uq_jobs_idempotency_key"}
_KEY = "uq_jobs_owner_idempotency_key"


def upgrade() -> None:
    op.create_table(
        "access_tokens",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("revoked_at", sa.DateTime),
    )
    op.add_column("files", _owner())
    op.create_index("ix_files_owner", "files", ["owner"])
    with op.batch_alter_table("jobs", naming_convention=_NAMES) as jobs:
        jobs.add_column(_owner())
        jobs.drop_constraint(_KEY_BEFORE[op.get_bind().dialect.name], type_="unique")
        jobs.create_unique_constraint(_KEY, ["owner", "idempotency_key"])
    op.create_index("ix_jobs_owner", "jobs", ["owner"])


def downgrade() -> None:
    op.drop_index("ix_jobs_owner", "jobs")
    with op.batch_alter_table("jobs", naming_convention=_NAMES) as jobs:
        jobs.drop_constraint(_KEY, type_="unique")
        jobs.create_unique_constraint(_KEY_BEFORE[op.get_bind().dialect.name], ["idempotency_key"])
        jobs.drop_column("owner")
    op.drop_index("ix_files_owner", "files")
    op.drop_column("files", "owner")
    op.drop_table("access_tokens")


def _owner() -> sa.Column[str]:
    return sa.Column("owner", sa.String(64), nullable=False, server_default="")
