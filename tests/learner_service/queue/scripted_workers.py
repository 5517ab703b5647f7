"""Workers that are made up, and jobs that are run by them."""

import asyncio
import uuid

from learner_service.events import (
    JobEnded,
    JobPhase,
    JobStatus,
    PhaseChanged,
    StepDone,
    WorkerFailed,
    WorkerStarted,
)
from learner_service.job_folder.task import WorkerTask
from learner_service.queue.job_store import Job
from learner_service.queue.jobs import Jobs
from learner_service.queue.worker_links import WorkerLink
from learner_service.queue.worker_process import WorkerExit
from learner_service.spec import JobSpec, Training
from tally.job.metrics import StepMetrics

COMPLETED = JobEnded(status=JobStatus.COMPLETED, result_digest="d" * 64)
STARTED = WorkerStarted(attempt=1, resumed_from_step=0, total_steps=10)
LEARNING = PhaseChanged(phase=JobPhase.LEARNING)
A_STEP = StepDone(step=1, total_steps=10, metrics=StepMetrics(step_seconds=6.0))
KILLED = WorkerExit(code=-9, failure=None)


class ScriptedWorkers:
    """Stands for WorkerProcess: `script` says of each attempt in turn what becomes of it."""

    def __init__(self) -> None:
        self.script: list[str] = []
        self.tasks: list[WorkerTask] = []
        # The step of the checkpoint that each attempt found.
        self.went_on_from: list[int] = []
        self.started = asyncio.Event()

    def __call__(self, task: WorkerTask, stop_seconds: float, link: WorkerLink) -> "ScriptedWorker":
        self.tasks.append(task)
        return ScriptedWorker(self, task)


class ScriptedWorker:
    """One attempt, which is told to stop by itself: a late word reaches no other."""

    def __init__(self, workers: ScriptedWorkers, task: WorkerTask) -> None:
        self._workers = workers
        self._folder = task.folder
        self._stopped = asyncio.Event()

    async def run(self, on_event) -> WorkerExit:
        self._workers.started.set()
        act, folder = self._workers.script.pop(0), self._folder
        self._workers.went_on_from.append(folder.checkpoints.find_last().step)
        if act == "waits after a step":
            for event in (STARTED, LEARNING, A_STEP):
                await on_event(event)
        if act.startswith("waits"):
            await self._stopped.wait()
        if act == "breaks":
            raise RuntimeError("broken")
        if act in ("saves", "waits", "waits after a step"):
            save_checkpoint(folder, folder.checkpoints.find_last().step + 1)
        if act == "lacks room":
            failure = WorkerFailed(message="no room", retryable=True, full_disk=True)
            return WorkerExit(code=1, failure=failure)
        if act == "gives up":
            failure = WorkerFailed(message="the data is no data", retryable=False)
            return WorkerExit(code=1, failure=failure)
        if act == "is superseded":
            folder.fence.advance()  # as another service would
        if act in ("completes", "is superseded"):
            await on_event(COMPLETED)
        if act == "completes":
            return WorkerExit(code=0, failure=None)
        return KILLED

    def stop(self) -> None:
        self._stopped.set()


def save_checkpoint(folder, step: int) -> None:
    staged = folder.staging / f"checkpoint-{step}"
    staged.mkdir(parents=True)
    (staged / "trainer_state.json").write_text("{}")
    folder.checkpoints.commit(staged)


async def run_job(jobs: Jobs, spec: JobSpec) -> tuple[Job, list[object]]:
    """Starts a job; returns it with its events once it has ended."""
    job = await jobs.start(str(uuid.uuid4()), spec)
    events = [logged.event async for logged in jobs.watch(job.job_id, 0)]
    return await jobs.get(job.job_id), events


async def cancelled_at(jobs: Jobs, workers: ScriptedWorkers, spec: JobSpec, step: int) -> Job:
    """A job that was cancelled and left a checkpoint of `step`; 0 for none."""
    workers.started.clear()
    workers.script = ["waits without saving"]
    job = await jobs.start(str(uuid.uuid4()), spec)
    await workers.started.wait()
    if step:
        save_checkpoint(jobs.folder(job.job_id), step)
    await jobs.cancel(job.job_id)
    return job


def fresh(spec: JobSpec) -> JobSpec:
    return spec.model_copy(update={"work": Training(fresh=True)})


def resuming(spec: JobSpec, job: Job) -> JobSpec:
    return spec.model_copy(update={"work": Training(resume_from_job_id=job.job_id)})
