"""One job through its workers: from checkpoint to checkpoint, whatever happens in between."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import StoreUnavailable, UnknownJob
from learner_service.events import Event, JobEnded, JobStatus, Notice
from learner_service.job_folder.layout import JobFolder
from learner_service.job_folder.state import pack_state
from learner_service.job_folder.task import Launch, WorkerTask
from learner_service.models import ModelList
from learner_service.queue.earlier_jobs import EarlierJobs
from learner_service.queue.ended_jobs import EndedJobs
from learner_service.queue.hosts import Hosts
from learner_service.queue.job_processes import JobProcesses
from learner_service.queue.job_store import Job, JobStore
from learner_service.queue.placement import Placement
from learner_service.queue.worker_process import WorkerExit
from learner_service.settings import LearnerSettings
from tally.host.full_disk import is_full_disk
from tally.logs.fields import log_fields
from tally.rpc.digests import digest_of_file
from tally.rpc.errors import FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted

_log = logging.getLogger(__name__)
_PAUSE_SECONDS = 5
_REFUSALS = (NotFound, FailedPrecondition, InvalidArgument)


class JobRunner:
    """Runs one job at a time; `log` takes its events, and `stop` asks its worker to stop."""

    def __init__(
        self,
        settings: LearnerSettings,
        store: JobStore,
        blobs: BlobStore,
        models: ModelList,
        *,
        hosts: Hosts,
        log: Callable[[str, Event], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._store = store
        self._blobs = blobs
        self._models = models
        self._placement = Placement(settings, hosts)
        self._log_event = log
        self.earlier_jobs = EarlierJobs(store, self.folder)
        self.ended_jobs = EndedJobs(blobs, self.folder)
        self._faults: Counter[str] = Counter()
        self._stopping = False
        self._job_id: str | None = None
        self._has_ended = False
        self._running: JobProcesses | None = None

    async def run(self, job: Job) -> None:
        """Neither a bad job nor a fault of the service, such as a full disk, ends the queue."""
        self._job_id, self._has_ended = job.job_id, False
        try:
            with log_fields(job_id=job.job_id):
                await self._run_until_fault(job)
        finally:
            await asyncio.to_thread(self.folder(job.job_id).sweep)
            self._job_id = None

    async def _run_until_fault(self, job: Job) -> None:
        try:
            await self._run_workers(job)
        except UnknownJob:
            _log.info("the job was deleted before its turn")
        except _REFUSALS as error:
            await self._fail(job, str(error))
        except Exception as error:
            _log.exception("trying again in %d s", _PAUSE_SECONDS)
            await self._after_fault(job, error)
            await asyncio.sleep(_PAUSE_SECONDS)

    def note_end(self, job_id: str) -> None:
        """The job's end is written down."""
        if self._job_id == job_id:
            self._has_ended = True

    def has(self, job_id: str) -> bool:
        """Whether it is this job's turn, which lasts until its worker has stopped."""
        return self._job_id == job_id

    def stop_job(self, job_id: str) -> bool:
        """Asks the job's worker to stop, if it has one now; False where its turn has not come."""
        if self._job_id != job_id:
            return False
        if self._running:
            self._running.stop()
        return True

    def stop(self) -> None:
        """Stops the worker with a checkpoint, and starts no other."""
        self._stopping = True
        if self._running:
            self._running.stop()

    def folder(self, job_id: str) -> JobFolder:
        return JobFolder.of_job(self._settings.data_dir.resolve(), job_id)

    async def _run_workers(self, job: Job) -> None:
        """One after another, until the job has ended or too many were lost without progress."""
        # It may have ended before it was known here that this is the job whose end counts.
        if (await self._store.run(self._store.get, job.job_id)).status.ended:
            return
        folder = await asyncio.to_thread(self._prepare, job)
        lost = 0
        while not self._is_over:
            step_before = await _last_whole_step(folder)
            exited = await self._run_worker(job, folder, lost)
            if self._is_over:
                break
            if exited.failure and exited.failure.full_disk:
                raise ResourceExhausted(exited.reason)
            progressed = await _last_whole_step(folder) > step_before
            lost = 1 if progressed else lost + 1
            await self._after_loss(job, exited, lost)
        if self._has_ended:
            ended = await self._store.run(self._store.get, job.job_id)
            await asyncio.to_thread(self.ended_jobs.tidy, ended)

    @property
    def _is_over(self) -> bool:
        return self._stopping or self._has_ended

    async def _run_worker(self, job: Job, folder: JobFolder, lost: int) -> WorkerExit:
        launch, hosts = await self._placement.place(job.spec, lost, lambda: self._is_over)
        if self._is_over:  # which may have come while hosts were waited for
            return WorkerExit(code=0, failure=None)
        await self._say_if_fewer(job, launch)
        # In a thread: whoever writes at this moment is waited for.
        attempt = await asyncio.to_thread(folder.fence.advance)
        task = WorkerTask(
            job_id=job.job_id,
            folder_path=folder.path,
            blobs=self._blobs.root,
            model_source=self._models.source(job.spec.base_model),
            attempt=attempt,
            spec=job.spec,
            settings=self._settings,
            launch=launch,
        )
        async with self._packed_state(folder, wanted=bool(hosts)) as state_digest:
            worker = JobProcesses(task, self._settings.worker_stop_seconds, hosts, state_digest)
            self._running = worker
            try:
                with log_fields(attempt=attempt):
                    return await worker.run(lambda event: self._take(task, event))
            finally:
                self._running = None

    async def _take(self, task: WorkerTask, event: Event) -> None:
        """Logs what a worker says, unless a later attempt has begun; waits while the disk is full,
        and the worker with it."""
        while True:
            try:
                if task.attempt == task.folder.fence.newest:
                    await self._log_event(task.job_id, event)
                return
            except ResourceExhausted:
                if self._stopping:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _say_if_fewer(self, job: Job, launch: Launch) -> None:
        asked = self._placement.asked_processes(job.spec)
        if launch.processes < asked:
            message = f"running in {launch.processes} of {asked} processes, on {launch.hosts} host"
            await self._log_event(job.job_id, Notice(message=f"{message}{'s'[: launch.hosts - 1]}"))

    @asynccontextmanager
    async def _packed_state(self, folder: JobFolder, *, wanted: bool) -> AsyncIterator[str]:
        """The blob that further hosts go on from, while the context is open; empty for none."""
        # In a thread: hosts take a learner that is silent for lost.
        digest = await asyncio.to_thread(self._pack_state, folder) if wanted else ""
        try:
            yield digest
        finally:
            if digest:
                self._blobs.delete(digest)

    def _pack_state(self, folder: JobFolder) -> str:
        with self._blobs.stage() as staged:
            if not pack_state(folder, staged):
                return ""
            digest = digest_of_file(staged)
            self._blobs.keep(staged, digest)
        return digest

    async def _after_loss(self, job: Job, exited: WorkerExit, lost: int) -> None:
        _log.warning("the job lost a worker: %s", exited.reason)
        final = exited.failure is not None and not exited.failure.retryable
        if final or lost >= self._settings.max_attempts:
            await self._fail(job, exited.reason)
        else:
            message = f"{exited.reason}; going on from the last checkpoint"
            await self._log_event(job.job_id, Notice(message=message))

    async def _after_fault(self, job: Job, error: Exception) -> None:
        """A full disk may be emptied, and a database come back; another fault of the service, seen
        again and again, is the job's, and what stands behind it must not wait for ever."""
        if isinstance(error, ResourceExhausted | StoreUnavailable) or is_full_disk(error):
            return
        self._faults[job.job_id] += 1
        if self._faults[job.job_id] >= self._settings.max_attempts:
            what = f"the learner failed with {type(error).__name__}: {error}"
            await self._fail(job, f"{what}; its log says more")

    async def _fail(self, job: Job, message: str) -> None:
        failed = JobEnded(status=JobStatus.FAILED, error_message=message)
        try:
            await self._log_event(job.job_id, failed)
        except ResourceExhausted:
            _log.warning("no room to write down that the job failed")
            await asyncio.sleep(_PAUSE_SECONDS)

    def _prepare(self, job: Job) -> JobFolder:
        """Makes the job's folder, with the checkpoint of an earlier job that it goes on from."""
        folder = self.folder(job.job_id)
        if folder.is_prepared:
            return folder
        found = self.earlier_jobs.find(job)
        # Written down first: who is killed in between finds no folder, and does it again.
        self._store.set_resumed_from(job.job_id, found.job.job_id if found else "")
        if found:
            folder.prepare(self.folder(found.job.job_id), found.checkpoint)
        else:
            folder.prepare()
        return folder


async def _last_whole_step(folder: JobFolder) -> int:
    """Off the event loop: a checkpoint is read whole to be found whole."""
    return (await asyncio.to_thread(folder.checkpoints.find_last)).step
