"""What the service hands over to a worker, as a file in the job's folder."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from learner_service.job_folder.fence import Attempt
from learner_service.job_folder.layout import JobFolder
from learner_service.settings import LearnerSettings, RendezvousSettings
from learner_service.spec import JobSpec
from tally.host.whole_file import write_whole


class Launch(BaseModel):
    """How many processes run the job on each of its hosts, and which of these hosts this one is.

    Example:
        >>> Launch(processes_by_host=(2, 1), host_number=1).own_processes
        1
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    processes_by_host: tuple[int, ...] = (1,)
    host_number: int = 0
    rendezvous: RendezvousSettings = RendezvousSettings()

    @property
    def processes(self) -> int:
        return sum(self.processes_by_host)

    @property
    def own_processes(self) -> int:
        return self.processes_by_host[self.host_number]

    @property
    def hosts(self) -> int:
        return len(self.processes_by_host)


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
    launch: Launch = Launch()

    @property
    def folder(self) -> JobFolder:
        return JobFolder(self.folder_path)

    @property
    def this_attempt(self) -> Attempt:
        return self.folder.attempt(self.attempt)

    def write(self) -> Path:
        """Returns the file that a worker reads it from."""
        write_whole(self.folder.task, self.model_dump_json(), sync=False)
        return self.folder.task

    @classmethod
    def read(cls, path: Path) -> "WorkerTask":
        return cls.model_validate_json(path.read_text())
