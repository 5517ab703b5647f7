"""Where everything of a job lies. No other module spells a name in a job's folder."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from learner_service.job_folder.checkpoints import Checkpoints
from learner_service.job_folder.fence import Attempt, Fence
from learner_service.job_folder.history import StepHistory
from learner_service.job_folder.published_adapters import PublishedAdapters
from learner_service.job_folder.split_record import SplitRecord


@dataclass(frozen=True)
class JobFolder:
    """The folder at `path`:

    task.json             what the service hands to the worker
    worker.log            what the workers print
    worker.lock           held by the process that runs the job
    attempt               the number of the newest attempt, which alone may write
    staging/<attempt>/    a checkpoint that is being written
    checkpoints/          those that are whole
    history.jsonl         what was logged of every step
    held_out.json         the rows that training never sees
    published.txt         the adapters that are in the blob store
    output/, result.zip   the documented output, and its ZIP on the way to the blob store
    evaluation.zip        the report of the comparison
    mlflow_run_id.txt     the run that a resumed job goes on with
    """

    path: Path

    @classmethod
    def of_job(cls, data_dir: Path, job_id: str) -> "JobFolder":
        """The job's folder in the learner's data_dir."""
        return cls(data_dir / "jobs" / job_id)

    @classmethod
    def ids(cls, data_dir: Path) -> set[str]:
        """The jobs that have a folder there."""
        return {path.name for path in data_dir.glob("jobs/*") if not path.suffix}

    @property
    def task(self) -> Path:
        return self.path / "task.json"

    @property
    def worker_log(self) -> Path:
        return self.path / "worker.log"

    @property
    def worker_lock(self) -> Path:
        return self.path / "worker.lock"

    @property
    def fence(self) -> Fence:
        return Fence(self.path / "attempt")

    def attempt(self, number: int) -> Attempt:
        return Attempt(self.fence, number)

    @property
    def staging(self) -> Path:
        return self.path / "staging"

    @property
    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.path / "checkpoints")

    @property
    def history(self) -> StepHistory:
        return StepHistory(self.path / "history.jsonl")

    @property
    def split(self) -> SplitRecord:
        return SplitRecord(self.path / "held_out.json")

    @property
    def adapters(self) -> PublishedAdapters:
        return PublishedAdapters(self.path / "published.txt")

    @property
    def output(self) -> Path:
        return self.path / "output"

    @property
    def result_archive(self) -> Path:
        return self.path / "result.zip"

    @property
    def report_archive(self) -> Path:
        return self.path / "evaluation.zip"

    @property
    def mlflow_run_id(self) -> Path:
        return self.path / "mlflow_run_id.txt"

    @property
    def _being_prepared(self) -> Path:
        return self.path.with_name(f"{self.path.name}.staged")

    def sweep(self) -> None:
        """Removes what was half made when its writer ended; only while nobody writes.

        Half a checkpoint is of no use, and its bytes may be what a full disk lacks.
        """
        for path in (self.staging, self._being_prepared):
            shutil.rmtree(path, ignore_errors=True)
        for path in (self.result_archive, *self.path.glob("*.staged")):
            path.unlink(missing_ok=True)

    @property
    def is_prepared(self) -> bool:
        return self.checkpoints.path.exists()

    def prepare(self, earlier: "JobFolder | None" = None, checkpoint: Path | None = None) -> None:
        """Makes the folder, with another job's checkpoint and what that job held out and logged.

        All of it is there afterwards, or nothing.
        """
        staged = JobFolder(self._being_prepared)
        for path in (staged.path, self.path):
            shutil.rmtree(path, ignore_errors=True)
        staged.checkpoints.path.mkdir(parents=True)
        if earlier and checkpoint:
            staged.checkpoints.adopt(checkpoint)
            staged.split.adopt(earlier.split)
            staged.history.adopt(earlier.history)
        staged.path.rename(self.path)
