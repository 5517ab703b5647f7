"""Jobs and their events, which a learner.db that counted its changes itself has already."""

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

from tally.database.errors import NewerDatabase

revision = "0001"
down_revision = None

_LAST_COUNTED = 1
# Releases that count for themselves refuse what has a higher number than theirs.
_NO_LONGER_COUNTED = 2
_OF_TRAINING = ("lora", "rewards", "evaluation_dataset_digest", "evaluation_share")
_OF_EVALUATION = ("max_image_size", "max_new_tokens", "seed")


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    if is_sqlite:
        _take_over_older()
    _create_jobs()
    _create_events()
    if is_sqlite:
        op.execute(f"PRAGMA user_version = {_NO_LONGER_COUNTED}")


def downgrade() -> None:
    for table in ("events", "jobs"):
        op.drop_table(table)


def _take_over_older() -> None:
    version: int = op.get_bind().exec_driver_sql("PRAGMA user_version").scalar_one()
    if version > _LAST_COUNTED:
        raise NewerDatabase(
            f"learner.db is of version {version} and this learner knows those up to "
            f"{_LAST_COUNTED}: start the release that wrote it, or a later one"
        )
    if version == 0 and sa.inspect(op.get_bind()).has_table("jobs"):
        _give_specs_their_work()


def _give_specs_their_work() -> None:
    jobs = sa.table("jobs", sa.column("job_id"), sa.column("spec"))
    connection = op.get_bind()
    for job_id, spec in connection.execute(sa.select(jobs.c.job_id, jobs.c.spec)).all():
        text = json.dumps(spec_with_work(json.loads(spec)))
        connection.execute(sa.update(jobs).where(jobs.c.job_id == job_id).values(spec=text))


def spec_with_work(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of a job that had an adapter_digest where it compared, as one whose work says so."""
    if spec["adapter_digest"]:
        work = {"kind": "evaluate", "adapter_digest": spec["adapter_digest"]}
        work |= {name: spec["training"][name] for name in _OF_EVALUATION}
    else:
        work = {"kind": "train", "config": spec["training"]}
        work |= {name: spec[name] for name in _OF_TRAINING}
    kept = {name: spec[name] for name in ("job_name", "dataset_digest", "base_model")}
    return {**kept, "work": work}


def _create_jobs() -> None:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "jobs",
        sa.Column("number", number, primary_key=True),
        sa.Column("job_id", sa.Text, nullable=False, unique=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("current_step", sa.BigInteger, nullable=False),
        sa.Column("total_steps", sa.BigInteger, nullable=False),
        sa.Column("loss", sa.Double),
        sa.Column("error_message", sa.Text, nullable=False),
        sa.Column("result_digest", sa.Text, nullable=False),
        sa.Column("resumed_from_job_id", sa.Text, nullable=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        if_not_exists=True,
        sqlite_autoincrement=True,
    )
    columns = ["fingerprint", "number"]
    op.create_index("jobs_by_fingerprint", "jobs", columns, if_not_exists=True)


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("job_id", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("time", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        if_not_exists=True,
        sqlite_with_rowid=False,
    )
