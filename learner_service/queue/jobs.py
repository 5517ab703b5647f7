"""The queue: one job after another, from checkpoint to checkpoint, whatever happens in between."""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator

from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import JobExists, MissingDataset
from learner_service.events import Event, JobEnded, JobStatus, Notice, StepDone
from learner_service.job_folder.layout import JobFolder
from learner_service.job_folder.task import WorkerTask
from learner_service.models import ModelList
from learner_service.queue.job_store import Job, JobStore, LoggedEvent
from learner_service.queue.worker_process import WorkerExit, WorkerProcess
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec
from tally.job.metrics import StepMetrics

_log = logging.getLogger(__name__)
_PAGE = 500
_PAUSE_SECONDS = 5
_EARLIER_EVENTS = 200


class Jobs:
    """Starts, runs, cancels and watches jobs; `run` is the loop that works through the queue."""

    def __init__(
        self, settings: LearnerSettings, store: JobStore, blobs: BlobStore, models: ModelList
    ) -> None:
        self._settings = settings
        self._store = store
        self._blobs = blobs
        self._models = models
        self._changed = asyncio.Condition()
        self._stopping = False
        self._running: tuple[str, WorkerProcess] | None = None

    async def start(self, job_id: str, spec: JobSpec) -> Job:
        """Raises JobExists, MissingDataset, UnknownModel. Idempotent by id and spec."""
        spec = self._named(spec)
        existing = self._store.find(job_id)
        if existing:
            if existing.spec != spec:
                raise JobExists("job_id: there is a job with this id and another spec")
            return existing
        self._check(spec)
        job = self._store.create(job_id, spec)
        await self._notify()
        return job

    def startable(self, spec: JobSpec) -> JobSpec:
        """The spec as it would be started; raises as `start` does."""
        spec = self._named(spec)
        self._check(spec)
        return spec

    def earlier_steps(self, base_model: str) -> list[StepMetrics]:
        """Metrics of the last steps of the newest job that trained this model."""
        for job in self._store.all():
            if job.spec.base_model == base_model and job.current_step:
                events = self._store.events(job.job_id, max(0, job.last_seq - _EARLIER_EVENTS))
                steps = [e.event.metrics for e in events if isinstance(e.event, StepDone)]
                if steps:
                    return steps
        return []

    def _named(self, spec: JobSpec) -> JobSpec:
        return spec.model_copy(update={"base_model": spec.base_model or self._models.default})

    def _check(self, spec: JobSpec) -> None:
        self._models.source(spec.base_model)
        for field, digest in spec.digests().items():
            if self._blobs.size_bytes(digest) is None:
                raise MissingDataset(f"{field}: put this blob first")

    @property
    def default_model(self) -> str:
        return self._models.default

    def get(self, job_id: str) -> Job:
        return self._store.get(job_id)

    def all(self) -> list[Job]:
        return self._store.all()

    async def cancel(self, job_id: str) -> Job:
        """Ends the job at once for everyone who looks; its worker saves, then stops."""
        self._store.get(job_id)
        await self._log(job_id, JobEnded(status=JobStatus.CANCELLED))
        if self._running and self._running[0] == job_id:
            self._running[1].stop()
        return self._store.get(job_id)

    async def watch(self, job_id: str, after_seq: int) -> AsyncIterator[LoggedEvent]:
        """Ends after the event that ends the job, or when the service stops."""
        self._store.get(job_id)
        while True:
            events = self._store.events(job_id, after_seq, _PAGE)
            for event in events:
                yield event
                after_seq = event.seq
            if events:
                if isinstance(events[-1].event, JobEnded):
                    return
                continue
            async with self._changed:
                job = self._store.get(job_id)
                if self._stopping or (job.status.ended and job.last_seq <= after_seq):
                    return
                if job.last_seq <= after_seq:
                    await self._changed.wait()

    async def run(self) -> None:
        """Works through the queue until `stop`."""
        while not self._stopping:
            queued = self._store.unfinished()
            if queued:
                await self._run_or_retry(queued[0])
                continue
            async with self._changed:
                if not self._stopping and not self._store.unfinished():
                    await self._changed.wait()

    async def stop(self) -> None:
        """Stops the worker with a checkpoint; its job goes on when the service is back."""
        self._stopping = True
        if self._running:
            self._running[1].stop()
        await self._notify()

    async def _run_or_retry(self, job: Job) -> None:
        """A fault of the service itself, such as a full disk, must not end the queue."""
        try:
            await self._run_job(job)
        except Exception:
            _log.exception("job %s: trying again in %d s", job.job_id, _PAUSE_SECONDS)
            await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            # Half a checkpoint is of no use, and its bytes may be what a full disk lacks.
            shutil.rmtree(self.folder(job.job_id).staging, ignore_errors=True)

    async def _run_job(self, job: Job) -> None:
        """Runs workers until the job has ended or too many were lost without progress."""
        folder = self._prepare(job)
        attempt, lost = 0, 0
        while not self._stopping and not self._store.get(job.job_id).status.ended:
            attempt += 1
            step_before = folder.checkpoints.find_last().step
            ended = await self._run_worker(job, folder, attempt)
            if self._stopping or self._store.get(job.job_id).status.ended:
                break
            progressed = folder.checkpoints.find_last().step > step_before
            lost = 1 if progressed else lost + 1
            await self._after_loss(job, ended, lost)
        if self._store.get(job.job_id).status.ended:
            await asyncio.to_thread(self._tidy, folder)

    async def _run_worker(self, job: Job, folder: JobFolder, attempt: int) -> WorkerExit:
        task = WorkerTask(
            job_id=job.job_id,
            folder_path=folder.path,
            blobs=self._blobs.root,
            model_source=self._models.source(job.spec.base_model),
            attempt=attempt,
            spec=job.spec,
            settings=self._settings,
        )
        worker = WorkerProcess(task, self._settings.worker_stop_seconds)
        self._running = (job.job_id, worker)
        try:
            return await worker.run(lambda event: self._log(job.job_id, event))
        finally:
            self._running = None

    async def _after_loss(self, job: Job, ended: WorkerExit, lost: int) -> None:
        _log.warning("job %s lost a worker: %s", job.job_id, ended.reason)
        final = ended.failure is not None and not ended.failure.retryable
        if final or lost >= self._settings.max_attempts:
            failed = JobEnded(status=JobStatus.FAILED, error_message=ended.reason)
            await self._log(job.job_id, failed)
        else:
            message = f"{ended.reason}; going on from the last checkpoint"
            await self._log(job.job_id, Notice(message=message))

    def _prepare(self, job: Job) -> JobFolder:
        """Makes the job's folder, with the checkpoint of an earlier job that it goes on from."""
        folder = self.folder(job.job_id)
        if folder.checkpoints.path.exists():
            return folder
        earlier = self._store.previous(job)
        if earlier and earlier.status in (JobStatus.CANCELLED, JobStatus.FAILED):
            of_earlier = self.folder(earlier.job_id)
            if checkpoint := of_earlier.checkpoints.find_last().path:
                folder.adopt(of_earlier, checkpoint)
                self._store.set_resumed_from(job.job_id, earlier.job_id)
        folder.checkpoints.path.mkdir(parents=True, exist_ok=True)
        return folder

    def _tidy(self, folder: JobFolder) -> None:
        """Removes every published adapter but the last, which stays for whoever wants to try it."""
        published = folder.adapters.digests()
        for digest in published[:-1]:
            self._blobs.delete(digest)
        for digest in published[-1:]:
            if self._blobs.size_bytes(digest) is not None:
                self._blobs.sync(self._blobs.path(digest))

    def folder(self, job_id: str) -> JobFolder:
        return JobFolder.of_job(self._settings.data_dir.resolve(), job_id)

    async def _log(self, job_id: str, event: Event) -> None:
        if await asyncio.to_thread(self._store.append, job_id, event):
            await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
