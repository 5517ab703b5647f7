"""Jobs: written down, run in their turn, cancelled, watched."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial

from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import JobExists, MissingDataset, NotYet, StoreUnavailable
from learner_service.events import Event, JobEnded, JobStatus
from learner_service.job_folder.layout import JobFolder
from learner_service.models import ModelList
from learner_service.queue.blob_claims import claim_all, claim_given
from learner_service.queue.changes import Changes
from learner_service.queue.earlier_jobs import EarlierJobs
from learner_service.queue.ended_jobs import EndedJobs
from learner_service.queue.job_deletion import JobDeletion
from learner_service.queue.job_queue import JobQueue, Place
from learner_service.queue.job_store import Job, JobStore, LoggedEvent
from learner_service.queue.packed_adapters import PackedAdapter, PackedAdapters, Which
from learner_service.queue.placement import Placement
from learner_service.queue.process_check import check_processes
from learner_service.queue.runner_parts import MakeWay, RunnerParts
from learner_service.queue.unclaimed_blobs import UnclaimedBlobs
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec
from tally.host.disk_reserve import DiskReserve
from tally.job.metrics import StepMetrics
from tally.rpc.errors import InvalidArgument, ResourceExhausted
from tally.traces.spans import current_traceparent

_PAGE = 500
_PAUSE_SECONDS = 1.0
_MOST_SEQ = 2**63 - 1  # of the database


async def _accept(spec: JobSpec) -> None:
    pass


class Jobs:
    """Starts, cancels and watches jobs; `run` is the loop that works through the queue."""

    def __init__(
        self,
        settings: LearnerSettings,
        store: JobStore,
        blobs: BlobStore,
        models: ModelList,
        placement: Placement,
        *,
        check: Callable[[JobSpec], Awaitable[None]] = _accept,
        make_way: MakeWay = nullcontext,
    ) -> None:
        """`check` raises for a job that is not to be taken; `make_way` is open while one runs."""
        self._check_elsewhere, self._make_way = check, make_way
        self._settings, self._models = settings, models
        self._store, self._blobs = store, blobs
        self._changes, self._stopping = Changes(), False
        self._reserve = DiskReserve(settings.data_dir / "reserve")
        self._earlier_jobs = EarlierJobs(store, self.folder)
        self._ended_jobs = EndedJobs(blobs, self.folder)
        self._unclaimed = UnclaimedBlobs(settings, store, blobs)
        self._queue = self._make_queue(placement)
        is_busy = self._queue.running.__contains__
        self.adapters = PackedAdapters(blobs, self.folder, is_busy)
        self._deletion = JobDeletion(store, blobs, self.folder, is_busy)
        self._has_claimed = False

    def _make_queue(self, placement: Placement) -> JobQueue:
        parts = RunnerParts(
            settings=self._settings,
            store=self._store,
            blobs=self._blobs,
            models=self._models,
            earlier_jobs=self._earlier_jobs,
            ended_jobs=self._ended_jobs,
            folder=self.folder,
            log=self._log_patiently,
            make_way=self._make_way,
        )
        pause_seconds = self._unclaimed.pause_seconds
        return JobQueue(parts, placement, tidy=self._tidy, pause_seconds=pause_seconds)

    def _tidy(self, running_seconds: float) -> None:
        self._reserve.fill()
        self._unclaimed.sweep_if_due(running_seconds)

    async def start(self, job_id: str, spec: JobSpec) -> Job:
        """Idempotent by id and spec.

        Raises JobExists, MissingDataset, UnknownModel, NotResumable.
        """
        spec = self._name_model(spec)
        job = await self._store.run(self._store.find, job_id)
        if job is None:
            await self._check(spec)
            traceparent = current_traceparent()
            job = await self._store.run(self._store.create, job_id, spec, traceparent)
        if job.spec != spec:
            raise JobExists("job_id: there is a job with this id and another spec")
        # In a thread: who looks for blobs that nobody has claimed holds the claims meanwhile.
        await asyncio.to_thread(claim_given, job, self._blobs)
        self._queue.wake()
        return job

    async def check_startable(self, spec: JobSpec) -> JobSpec:
        """Returns the spec as it would be started; raises as `start` does."""
        spec = self._name_model(spec)
        await self._check(spec)
        return spec

    async def earlier_steps(self, base_model: str) -> list[StepMetrics]:
        """As `EarlierJobs.steps`."""
        return await self._store.run(self._earlier_jobs.steps, base_model)

    def _name_model(self, spec: JobSpec) -> JobSpec:
        return spec.model_copy(update={"base_model": spec.base_model or self._models.default})

    async def _check(self, spec: JobSpec) -> None:
        # In a thread: a checkpoint that is to be gone on from is read whole.
        await asyncio.to_thread(self._check_here, spec)
        await self._check_elsewhere(spec)

    def _check_here(self, spec: JobSpec) -> None:
        check_processes(spec, self._settings)
        self._models.source(spec.base_model)
        self._earlier_jobs.check(spec)
        for field, digest in spec.digests().items():
            if not self._blobs.touch(digest):
                raise MissingDataset(f"{field}: put this blob first")

    def claim_blobs(self) -> None:
        """Says for every job which blobs it needs, once the store has been swept; then sees to what
        this service did not live to: deletions, and ends of jobs."""
        claim_all(self._store, self._blobs, self.folder)
        self._deletion.finish_all()
        for job in self._store.all():
            if job.status.ended:
                self._ended_jobs.tidy(job)
        self._has_claimed = True

    @property
    def models(self) -> ModelList:
        """The base models that a job may name, the default first."""
        return self._models

    async def get(self, job_id: str) -> Job:
        """Raises UnknownJob."""
        return await self._store.run(self._store.get, job_id)

    async def all(self) -> list[Job]:
        return await self._store.run(self._store.all)

    async def cancel(self, job_id: str) -> Job:
        """Ends the job at once for everyone who looks; its worker saves, then stops."""
        await self._log(job_id, JobEnded(status=JobStatus.CANCELLED))
        job = await self.get(job_id)
        if not self._queue.running.stop_job(job_id):
            await asyncio.to_thread(self._ended_jobs.tidy, job)
        return job

    async def pack_adapter(self, job_id: str, which: Which) -> PackedAdapter:
        """As `PackedAdapters.pack`. Raises UnknownJob, NoAdapter, NotYet."""
        return await asyncio.to_thread(self.adapters.pack, await self.get(job_id), which)

    async def delete(self, job_id: str) -> bool:
        """Whether there was such a job. Raises JobInUse, NotYet."""
        if not self._has_claimed:
            raise NotYet("the learner is still starting; try again")
        delete = partial(self._deletion.delete, job_id)
        return await asyncio.to_thread(self._with_room, delete)

    async def watch(self, job_id: str, after_seq: int) -> AsyncIterator[LoggedEvent]:
        """Ends after the event that ends the job, or when the service stops."""
        await self.get(job_id)
        if after_seq > _MOST_SEQ:
            raise InvalidArgument(f"after_seq: expected at most {_MOST_SEQ}")
        while True:
            count = self._changes.count
            events = await self._store.run(self._store.events, job_id, after_seq, _PAGE)
            for event in events:
                yield event
                after_seq = event.seq
            if events and isinstance(events[-1].event, JobEnded):
                return
            if not events and (self._stopping or await self._has_ended(job_id, after_seq)):
                return
            if len(events) < _PAGE:
                await self._changes.wait(count, job_id)

    async def _has_ended(self, job_id: str, after_seq: int) -> bool:
        """Whether nothing will come after `after_seq`, which may be beyond the job's log."""
        job = await self.get(job_id)
        return job.status.ended and job.last_seq <= after_seq

    async def places(self) -> list[Place]:
        """The jobs that wait, in the order in which they start as things stand."""
        return await self._queue.places()

    async def run(self) -> None:
        """Works through the queue until `stop`."""
        await self._queue.run()

    async def stop(self) -> None:
        """Stops the workers with a checkpoint; their jobs go on when the service is back."""
        self._stopping = True
        self._queue.stop()
        await self._changes.stop()

    def folder(self, job_id: str) -> JobFolder:
        return JobFolder.of_job(self._settings.data_dir.resolve(), job_id)

    async def _log(
        self, job_id: str, event: Event, at: datetime | None = None, again: bool = False
    ) -> None:
        """Writes it down, as `JobStore.append`, and tells those who watch."""
        await self._store.run(self._append, job_id, event, at, again)
        if isinstance(event, JobEnded):
            self._queue.running.note_end(job_id)
        await self._changes.tell(job_id)

    async def _log_patiently(self, job_id: str, event: Event) -> None:
        """As `_log`; waits for a database that is away, unless this service is to stop."""
        at, again = datetime.now(UTC), False
        while True:
            try:
                return await self._log(job_id, event, at, again)
            except StoreUnavailable:
                if self._stopping:
                    raise
                again = True
                await asyncio.sleep(_PAUSE_SECONDS)

    def _append(self, job_id: str, event: Event, at: datetime | None, again: bool) -> None:
        append = partial(self._store.append, job_id, event, at=at, again=again)
        if isinstance(event, JobEnded):
            self._with_room(append)
        else:
            append()

    def _with_room(self, free_some: Callable[[], bool]) -> bool:
        """What frees room, as the end of a job does, has some on a full disk too."""
        try:
            return free_some()
        except ResourceExhausted:
            if not self._reserve.give_up():
                raise
            return free_some()
