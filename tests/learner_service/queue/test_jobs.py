"""The queue with workers that are made up: what becomes of a job whose workers are lost."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import InvalidSpec, JobExists, MissingDataset
from learner_service.events import JobEnded, JobStatus, Notice, WorkerFailed
from learner_service.job_folder.task import WorkerTask
from learner_service.models import ModelList
from learner_service.queue import job_processes
from learner_service.queue.hosts import Hosts
from learner_service.queue.job_store import Job, JobStore
from learner_service.queue.jobs import Jobs
from learner_service.queue.worker_process import WorkerExit
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec, Training
from tally.job.settings import TrainingConfig

COMPLETED = JobEnded(status=JobStatus.COMPLETED, result_digest="d" * 64)
KILLED = WorkerExit(code=-9, failure=None)


class ScriptedWorkers:
    """Stands for WorkerProcess: `script` says of each attempt in turn what becomes of it."""

    def __init__(self) -> None:
        self.script: list[str] = []
        self.tasks: list[WorkerTask] = []
        self.started = asyncio.Event()
        self.stopped = asyncio.Event()

    def __call__(self, task: WorkerTask, stop_seconds: float) -> "ScriptedWorkers":
        self.tasks.append(task)
        return self

    async def run(self, on_event) -> WorkerExit:
        self.started.set()
        act = self.script.pop(0)
        folder = self.tasks[-1].folder
        if act == "waits":
            await self.stopped.wait()
        if act in ("saves", "waits"):
            save_checkpoint(folder, folder.checkpoints.find_last().step + 1)
        if act == "gives up":
            failure = WorkerFailed(message="the data is no data", retryable=False)
            return WorkerExit(code=1, failure=failure)
        if act == "completes":
            await on_event(COMPLETED)
            return WorkerExit(code=0, failure=None)
        return KILLED

    def stop(self) -> None:
        self.stopped.set()


def save_checkpoint(folder, step: int) -> None:
    staged = folder.staging / f"checkpoint-{step}"
    staged.mkdir(parents=True)
    (staged / "trainer_state.json").write_text("{}")
    folder.checkpoints.commit(staged)


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> ScriptedWorkers:
    workers = ScriptedWorkers()
    monkeypatch.setattr(job_processes, "WorkerProcess", workers)
    return workers


@pytest.fixture
async def jobs(tmp_path: Path, store: BlobStore, workers: ScriptedWorkers) -> AsyncIterator[Jobs]:
    settings = LearnerSettings(data_dir=tmp_path, max_attempts=2)
    job_store = JobStore(tmp_path / "learner.db")
    jobs = Jobs(settings, job_store, store, ModelList(["small"]), Hosts())
    running = asyncio.create_task(jobs.run())
    yield jobs
    await jobs.stop()
    await running
    job_store.close()


@pytest.fixture
def spec(store: BlobStore) -> JobSpec:
    return JobSpec(dataset_digest=store.put_bytes(b"data"), base_model="small")


async def run_job(jobs: Jobs, spec: JobSpec) -> tuple[Job, list[object]]:
    """Starts a job; returns it with its events once it has ended."""
    job = await jobs.start(str(uuid.uuid4()), spec)
    events = [logged.event async for logged in jobs.watch(job.job_id, 0)]
    return jobs.get(job.job_id), events


async def test_a_lost_worker_is_followed_by_another(jobs: Jobs, workers, spec: JobSpec):
    workers.script = ["is killed", "completes"]
    job, events = await run_job(jobs, spec)
    assert (job.status, events[-1]) == (JobStatus.COMPLETED, COMPLETED)
    assert [task.attempt for task in workers.tasks] == [1, 2]
    assert isinstance(events[0], Notice)
    assert "memory ran out" in events[0].message


async def test_a_job_fails_once_too_many_were_lost_without_progress(jobs, workers, spec):
    workers.script = ["is killed", "saves", "is killed"]
    job, _ = await run_job(jobs, spec)
    assert job.status is JobStatus.FAILED
    assert len(workers.tasks) == 3


async def test_a_worker_that_gives_up_for_good_ends_the_job(jobs, workers, spec):
    workers.script = ["gives up"]
    job, _ = await run_job(jobs, spec)
    assert (job.status, job.error_message) == (JobStatus.FAILED, "the data is no data")


async def test_a_job_like_a_cancelled_one_goes_on_from_its_checkpoint(jobs, workers, spec):
    workers.script = ["waits", "completes"]
    first = await jobs.start(str(uuid.uuid4()), spec)
    await workers.started.wait()
    await jobs.cancel(first.job_id)
    second, _ = await run_job(jobs, spec)
    assert second.resumed_from_job_id == first.job_id
    assert jobs.folder(second.job_id).checkpoints.find_last().step == 1


async def test_a_start_is_idempotent_and_refuses_another_spec(jobs, workers, spec):
    workers.script = ["completes"]
    job, _ = await run_job(jobs, spec)
    assert (await jobs.start(job.job_id, spec)).number == job.number
    other = spec.model_copy(update={"job_name": "another"})
    with pytest.raises(JobExists):
        await jobs.start(job.job_id, other)
    missing = spec.model_copy(update={"dataset_digest": "f" * 64})
    with pytest.raises(MissingDataset, match="dataset_digest"):
        await jobs.start(str(uuid.uuid4()), missing)


async def test_more_processes_than_the_learner_has_are_refused(jobs, workers, spec):
    work = Training(config=TrainingConfig(processes=3))
    with pytest.raises(InvalidSpec, match=r"config.processes: .* expected at most 1, or 0"):
        await jobs.start(str(uuid.uuid4()), spec.model_copy(update={"work": work}))
