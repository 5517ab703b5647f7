"""Where everything of a job lies. No other module spells a name in a job's folder."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from learner_service.job_folder.checkpoints import Checkpoints, step_of
from learner_service.job_folder.fence import Attempt, Fence
from learner_service.job_folder.held_out_curve import HeldOutCurve
from learner_service.job_folder.history import StepHistory
from learner_service.job_folder.published_adapters import PublishedAdapters
from learner_service.job_folder.split_record import SplitRecord


def scratch_path(data_dir: Path) -> Path:
    """Where workers have folders of their own; nothing in it is needed once they have ended."""
    return data_dir / "scratch"


def sweep_scratch(data_dir: Path) -> None:
    """Only for a start, when there are no workers."""
    shutil.rmtree(scratch_path(data_dir), ignore_errors=True)


@dataclass(frozen=True)
class JobFolder:
    """The folder at `path`; a worker has one of its own, with what it goes on from and makes:

    worker.log            what the workers print
    worker.lock           held by the process that runs the job
    attempt               the number of the newest attempt, which alone may write
    staging/<attempt>/    files of a commit, or a checkpoint, that is being written
    checkpoints/          those that are whole
    history.jsonl         what was logged of every step
    held_out.json         the rows that training never sees
    published.txt         the adapters that are in the blob store
    output/               the documented output
    result.zip            its ZIP on the way to the blob store, in a worker's own folder
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

    def best_checkpoint(self, last: Path) -> Path | None:
        """Of those up to the checkpoint `last` that were scored on what is held out, the best one,
        where it is there and whole."""
        best_step = HeldOutCurve.read(self.history, step_of(last)).best_step
        return self.checkpoints.find(best_step) if best_step else None

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
        """Makes the folder, with another job's checkpoint, what that job held out and logged, and
        its best checkpoint up to there.

        All of it is there afterwards, or nothing.
        """
        staged = JobFolder(self._being_prepared)
        for path in (staged.path, self.path):
            shutil.rmtree(path, ignore_errors=True)
        staged.checkpoints.path.mkdir(parents=True)
        if earlier and checkpoint:
            staged.checkpoints.adopt(checkpoint)
            best = earlier.best_checkpoint(checkpoint)
            if best not in (None, checkpoint):
                staged.checkpoints.adopt(best)
            staged.split.adopt(earlier.split)
            staged.history.adopt(earlier.history)
        staged.path.rename(self.path)
