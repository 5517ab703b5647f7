"""One job through its workers: from checkpoint to checkpoint, whatever happens in between."""

import asyncio
import logging
import time

from learner_service.errors import StoreUnavailable, UnknownJob
from learner_service.events import Event, JobEnded, Notice
from learner_service.job_folder.layout import JobFolder
from learner_service.job_folder.task import Launch, WorkerTask
from learner_service.queue.job_store import Job
from learner_service.queue.order import Running
from learner_service.queue.pace import Pace
from learner_service.queue.placement import Processes, Room
from learner_service.queue.process_check import asked_processes
from learner_service.queue.runner_parts import RunnerParts
from learner_service.queue.worker_process import WorkerExit
from learner_service.spec import Training
from tally.host.full_disk import is_full_disk
from tally.logs.fields import log_fields
from tally.messages.message import Message
from tally.messages.service_errors import quote_service
from tally.rpc.errors import FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted
from tally.traces.spans import current_traceparent, fail_span, in_trace, span

_log = logging.getLogger(__name__)
_PAUSE_SECONDS = 5
_REFUSALS = (NotFound, FailedPrecondition, InvalidArgument)


class JobRunner:
    """Runs one job in the room that it has."""

    def __init__(self, parts: RunnerParts, job: Job, room: Room) -> None:
        self.job = job
        self.began_at = time.time()
        self._parts = parts
        self._room = room
        self.pace = Pace()
        self._stopping = False
        self._has_ended = False
        self._makes_room = False
        self._processes: Processes | None = None

    async def run(self) -> None:
        """Until the job has ended, or `stop`; neither a bad job nor a fault of the service, such as
        a full disk, ends the queue."""
        try:
            with log_fields(job_id=self.job.job_id), in_trace(self.job.traceparent):
                await self._run_until_fault()
        finally:
            await asyncio.to_thread(self._folder.sweep)

    async def _run_until_fault(self) -> None:
        try:
            await self._run_workers()
        except UnknownJob:
            _log.info("the job was deleted before its turn")
        except _REFUSALS as error:
            await self._fail(quote_service(error))
        except Exception as error:
            _log.exception("trying again in %d s", _PAUSE_SECONDS)
            await self._after_fault(error)
            await asyncio.sleep(_PAUSE_SECONDS)

    def as_running(self) -> Running:
        """What trains makes room for others, unless it did so often enough, or has no step left:
        then it is done as soon as it would have saved and loaded again."""
        job, most_moves = self.job, self._parts.settings.moves_per_job
        trains = isinstance(job.spec.work, Training) and self.pace.has_steps_left
        return Running(
            job_id=job.job_id,
            owner=job.spec.owner,
            number=job.number,
            priority=job.spec.priority,
            may_move=trains and job.moves < most_moves and not self.is_leaving,
        )

    @property
    def seconds(self) -> float:
        """Since it has its room."""
        return time.time() - self.began_at

    @property
    def is_leaving(self) -> bool:
        """Whether its room is free once its worker has stopped."""
        return self._is_over

    def note_end(self) -> None:
        """The job's end is written down."""
        self._has_ended = True

    def make_room(self) -> None:
        """As `stop`: the job waits for its next turn."""
        self._makes_room = True
        self.stop()

    def stop_worker(self) -> None:
        """Asks the job's worker to stop, if it has one now."""
        if self._processes:
            self._processes.stop()

    def stop(self) -> None:
        """Stops the worker with a checkpoint, and starts no other."""
        self._stopping = True
        self.stop_worker()

    @property
    def _folder(self) -> JobFolder:
        return self._parts.folder(self.job.job_id)

    async def _run_workers(self) -> None:
        """One after another, until the job has ended or too many were lost without progress."""
        # It may have ended before it was known here that this is the job whose end counts.
        if (await self._stored_job()).status.ended:
            return
        folder = await asyncio.to_thread(self._prepare)
        lost = 0
        while not self._is_over:
            with span("attempt"):
                lost = await self._attempt(folder, lost)
        if self._makes_room and not self._has_ended:
            step = await _last_whole_step(folder)
            await self._say(Message("made_room", step=step))
        if self._has_ended:
            await asyncio.to_thread(self._parts.ended_jobs.tidy, await self._stored_job())

    async def _stored_job(self) -> Job:
        store = self._parts.store
        return await store.run(store.get, self.job.job_id)

    async def _attempt(self, folder: JobFolder, lost: int) -> int:
        """Runs one worker; how many were lost in a row without progress then."""
        step_before = await _last_whole_step(folder)
        exited = await self._run_worker(folder, lost)
        if self._is_over:
            return lost
        if exited.failure and exited.failure.full_disk:
            raise ResourceExhausted(str(exited.reason))
        lost = 1 if await _last_whole_step(folder) > step_before else lost + 1
        await self._after_loss(exited, lost)
        return lost

    @property
    def _is_over(self) -> bool:
        return self._stopping or self._has_ended

    async def _run_worker(self, folder: JobFolder, lost: int) -> WorkerExit:
        launch = await self._room.plan(self.job.spec, lost, lambda: self._is_over)
        if self._is_over:  # which may have come while hosts were waited for
            return WorkerExit(code=0, failure=None)
        await self._say_if_fewer(launch)
        # In a thread: whoever writes at this moment is waited for.
        attempt = await asyncio.to_thread(folder.fence.advance)
        task = WorkerTask(
            job_id=self.job.job_id,
            folder_path=folder.path,
            blobs=self._parts.blobs.root,
            model_source=self._parts.models.source(self.job.spec.base_model),
            attempt=attempt,
            spec=self.job.spec,
            settings=self._parts.settings,
            launch=launch,
            traceparent=current_traceparent(),
        )
        async with self._parts.make_way(), self._room.start(task) as processes:
            self._processes = processes
            if self._is_over:  # which may have come while they were made ready
                processes.stop()
            try:
                with log_fields(attempt=attempt):
                    return await processes.run(lambda event: self._take(task, event))
            finally:
                self._processes = None

    async def _take(self, task: WorkerTask, event: Event) -> None:
        """Logs what a worker says, unless a later attempt has begun; waits while the disk is full,
        and the worker with it."""
        while True:
            try:
                if task.attempt == task.folder.fence.newest:
                    await self._parts.log(task.job_id, event)
                    self.pace.take(event)
                return
            except ResourceExhausted:
                if self._stopping:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _say_if_fewer(self, launch: Launch) -> None:
        asked = asked_processes(self.job.spec, self._parts.settings)
        if launch.processes < asked:
            count, hosts = launch.processes, launch.hosts
            one = Message("steps_on_one_host", processes=count, asked=asked)
            several = Message("steps_on_fewer", processes=count, asked=asked, hosts=hosts)
            await self._say(several if hosts > 1 else one)

    async def _say(self, message: Message) -> None:
        await self._parts.log(self.job.job_id, Notice.of(message))

    async def _after_loss(self, exited: WorkerExit, lost: int) -> None:
        _log.warning("the job lost a worker: %s", exited.reason)
        fail_span(str(exited.reason))
        final = exited.failure is not None and not exited.failure.retryable
        if final or lost >= self._parts.settings.max_attempts:
            await self._fail(exited.reason)
        else:
            await self._say(Message("goes_on", reason=exited.reason))

    async def _after_fault(self, error: Exception) -> None:
        """A full disk may be emptied, and a database come back; another fault of the service, seen
        again and again, is the job's, and what stands behind it must not wait for ever."""
        if isinstance(error, ResourceExhausted | StoreUnavailable) or is_full_disk(error):
            return
        faults = self._parts.faults
        faults[self.job.job_id] += 1
        if faults[self.job.job_id] >= self._parts.settings.max_attempts:
            name = type(error).__name__
            await self._fail(Message("learner_failed", error=name, explanation=str(error)))

    async def _fail(self, message: Message) -> None:
        try:
            await self._parts.log(self.job.job_id, JobEnded.of_failure(message))
        except ResourceExhausted:
            _log.warning("no room to write down that the job failed")
            await asyncio.sleep(_PAUSE_SECONDS)

    def _prepare(self) -> JobFolder:
        """Makes the job's folder, with the checkpoint of an earlier job that it goes on from."""
        folder, store = self._folder, self._parts.store
        if folder.is_prepared:
            return folder
        found = self._parts.earlier_jobs.find(self.job)
        # Written down first: who is killed in between finds no folder, and does it again.
        store.set_resumed_from(self.job.job_id, found.job.job_id if found else "")
        if found:
            folder.prepare(self._parts.folder(found.job.job_id), found.checkpoint)
        else:
            folder.prepare()
        return folder


async def _last_whole_step(folder: JobFolder) -> int:
    """Off the event loop: a checkpoint is read whole to be found whole."""
    return (await asyncio.to_thread(folder.checkpoints.find_last)).step
