"""What the supervisor hands over to a worker, as a file in the job's folder."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec


class WorkerTask(BaseModel):
    """`folder` is the job's own, `model_source` a folder or a hub name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: str
    folder: Path
    blobs: Path
    model_source: str
    attempt: int
    spec: JobSpec
    settings: LearnerSettings
