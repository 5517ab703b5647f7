"""What the service tells the worker of an attempt."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from learner_service.job_folder.fence import Attempt
from learner_service.job_folder.layout import JobFolder, scratch_path
from learner_service.rendezvous_settings import RendezvousSettings
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec


class Launch(BaseModel):
    """How many processes run the job on each of its hosts, and which of these hosts this one is.

    `gpus` are the job's own of the learner's host, by the names that CUDA has for them; none where
    it sees them all. `threads` are those of each process; 0 leaves torch's choice.

    Example:
        >>> Launch(processes_by_host=(2, 1), host_number=1).own_processes
        1
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    processes_by_host: tuple[int, ...] = (1,)
    host_number: int = 0
    rendezvous: RendezvousSettings = RendezvousSettings()
    gpus: tuple[str, ...] = ()
    threads: int = 0

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
    """`folder_path` is the job's own, `model_source` a folder or a hub name; `traceparent` names
    the attempt's span, where that is traced."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: str
    folder_path: Path
    blobs: Path
    model_source: str
    attempt: int
    spec: JobSpec
    settings: LearnerSettings
    launch: Launch = Launch()
    traceparent: str = ""

    @property
    def folder(self) -> JobFolder:
        return JobFolder(self.folder_path)

    @property
    def scratch(self) -> Path:
        """A folder of its processes' own, on whatever host they run."""
        return scratch_path(self.settings.data_dir.resolve()) / f"{self.job_id}-{self.attempt}"

    def in_scratch(self, rank: int) -> Self:
        """As a process of the job has it: a folder of its own, and blobs with those of its host."""
        folder, blobs = self.scratch / f"rank-{rank}", self.scratch / "blobs"
        return self.model_copy(update={"folder_path": folder, "blobs": blobs})

    @property
    def this_attempt(self) -> Attempt:
        return self.folder.attempt(self.attempt)
