"""What the service hands over to a worker, as a file in the job's folder."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from learner_service.job_folder.layout import JobFolder
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec


class WorkerTask(BaseModel):
    """`folder_path` is the job's own, `model_source` a folder or a hub name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: str
    folder_path: Path
    blobs: Path
    model_source: str
    attempt: int
    spec: JobSpec
    settings: LearnerSettings

    @property
    def folder(self) -> JobFolder:
        return JobFolder(self.folder_path)

    def write(self) -> Path:
        """Returns the file that a worker reads it from."""
        self.folder.task.write_text(self.model_dump_json())
        return self.folder.task

    @classmethod
    def read(cls, path: Path) -> "WorkerTask":
        return cls.model_validate_json(path.read_text())
