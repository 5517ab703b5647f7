"""Run by Alembic, inside the transaction that `gateway.database` opened."""

from alembic import context
from sqlmodel import SQLModel

import gateway.access.token_models
import gateway.jobs.job_models
import gateway.uploads.file_models

assert gateway.access.token_models.AccessToken.metadata is SQLModel.metadata
assert gateway.uploads.file_models.StoredFile.metadata is SQLModel.metadata
assert gateway.jobs.job_models.Job.metadata is SQLModel.metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    transactional_ddl=False,
)
context.run_migrations()
