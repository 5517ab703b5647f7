"""One job's way through the learner: submitted, watched, its events stored, its result fetched."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from gateway.convert import LearnerEvent
from gateway.errors import Conflict
from gateway.jobs.batching import batches
from gateway.jobs.job_changes import end_payload
from gateway.jobs.job_models import ENDED, PREDICTION, Job
from gateway.jobs.job_store import JobStore
from gateway.jobs.train_models import stored_request
from gateway.learner_client import LearnerClient
from gateway.results.results import Results
from gateway.settings import GatewaySettings
from gateway.storage import Storage
from tally.logs.fields import add_log_fields
from tally.messages.message import Message
from tally.messages.service_errors import quote_service
from tally.rpc.errors import (
    AlreadyExists,
    DataLoss,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    OutOfRange,
    TallyError,
    Unavailable,
)
from tally.traces.spans import add_span, in_trace, now_ns

_log = logging.getLogger(__name__)
_REFUSALS = (InvalidArgument, FailedPrecondition, AlreadyExists, OutOfRange)


class Follower:
    """Follows a job until its log is complete, through failures of the learner and the database.

    While a POST /train waits for `submission`, a refusal goes there; later it ends the job.
    """

    def __init__(
        self,
        job_id: str,
        *,
        settings: GatewaySettings,
        store: JobStore,
        storage: Storage,
        learner: LearnerClient,
        results: Results,
        wake: Callable[[str], None],
    ) -> None:
        self._job_id = job_id
        self._settings = settings
        self._store = store
        self._storage = storage
        self._learner = learner
        self._results = results
        self._wake = wake
        self.submission: asyncio.Future[TallyError | None] = asyncio.Future()
        self.attended = False

    async def run(self) -> None:
        add_log_fields(job_id=self._job_id)
        wait_seconds = self._settings.retry_seconds
        try:
            while True:
                try:
                    if await self._advance():
                        self._storage.forget_brought(self._job_id)
                        return
                    wait_seconds = self._settings.retry_seconds
                except (TallyError, SQLAlchemyError, OSError) as error:
                    self._settle(None)
                    _log.warning("%s; tried again", type(error).__name__)
                    _log.debug("it failed with", exc_info=error)
                    await asyncio.sleep(wait_seconds)
                    wait_seconds = min(2 * wait_seconds, self._settings.max_retry_seconds)
        finally:
            self._settle(None)

    async def _advance(self) -> bool:
        """Takes the job one stage on; returns whether nothing is left to do."""
        job = await self._store.run(self._store.get, self._job_id)
        if job is None or job.log_complete:
            return True
        with in_trace(job.traceparent):
            return await self._go_on(job)

    async def _go_on(self, job: Job) -> bool:
        if not job.accepted:
            return await self._submit(job)
        self._settle(None)
        if job.cancel_requested and not job.ended:
            await self._cancel(job)
        await self._watch(job)
        return False

    def _settle(self, refusal: TallyError | None) -> None:
        if not self.submission.done():
            self.submission.set_result(refusal)

    async def _submit(self, job: Job) -> bool:
        if job.cancel_requested:
            await self._cancel(job)
            return False
        try:
            settings = job.spec if job.kind == PREDICTION else stored_request(job.spec).settings()
        except Conflict as error:
            await self._end("failed", error.message)
            return True
        missing = await self._put_blobs(job)
        if missing:
            await self._end("failed", Message("upload_gone"))
            return True
        if not await self._store.run(self._store.mark_attempted, job.job_id):
            return False
        try:
            state = await self._learner.start(
                job.job_id,
                settings,
                job.dataset_digest,
                job.evaluation_dataset_digest,
                job.adapter_digest,
                owner=job.owner,
                kind=job.kind,
            )
        except _REFUSALS as refusal:
            if not await self._learner.has(self._blobs_of(job)):
                # They went with another job that had the same ones and ended in between.
                raise Unavailable("the learner has let the job's data go; put again") from refusal
            return await self._handle_refusal(refusal)
        await self._store.run(self._store.accept, job.job_id, state)
        self._settle(None)
        return False

    async def _handle_refusal(self, refusal: TallyError) -> bool:
        """Whoever still waits for the answer is told, and nothing is left of the job."""
        if self.attended and not self.submission.done():
            self._settle(refusal)
            return True
        await self._end("failed", quote_service(refusal))
        return True

    async def _put_blobs(self, job: Job) -> bool:
        """Brings what the job names to the learner; returns whether some of it is missing here."""
        for digest, path in self._blobs_of(job).items():
            if not path.exists():
                return True
            await self._learner.put(path, digest)
        return False

    def _blobs_of(self, job: Job) -> dict[str, Path]:
        """Where they lie here, by their digests."""
        digests = filter(None, (job.dataset_digest, job.evaluation_dataset_digest))
        blobs = {digest: self._storage.dataset_path(digest) for digest in digests}
        if job.kind == PREDICTION:
            blobs[job.dataset_digest] = self._storage.batch_path(job.job_id)
        if job.adapter_digest:
            blobs[job.adapter_digest] = self._storage.adapter_path(job.job_id)
        return blobs

    async def _cancel(self, job: Job) -> None:
        """Delivers the intent; a job that the learner never had ends here."""
        if not job.start_attempted:
            await self._end("cancelled")
            return
        try:
            state = await self._learner.cancel(job.job_id, self._settings.cancel_wait_seconds)
        except NotFound:
            await self._end("cancelled")
            return
        await self._store.run(self._store.accept, job.job_id, state)

    async def _watch(self, job: Job) -> None:
        try:
            await self._refresh()
            after_seq = job.last_seq - job.seq_offset
            async for batch in batches(self._learner.watch(job.job_id, after_seq)):
                await self._take(batch, job.seq_offset)
                if batch[-1].kind == ENDED:
                    return
        except NotFound:
            await self._resubmit()
            return
        raise Unavailable("the stream of events ended before the job did")

    async def _refresh(self) -> None:
        state = await self._learner.get(self._job_id)
        await self._store.run(self._store.apply_state, self._job_id, state)

    async def _take(self, batch: list[LearnerEvent], seq_offset: int) -> None:
        for event in batch:
            if event.kind == "evaluation" and event.payload["report_digest"]:
                await self._bring_report(event.payload["report_digest"])
        if batch[-1].kind == ENDED:
            await self._append(batch[:-1], seq_offset)
            batch = [await self._with_result(batch[-1])]
        await self._append(batch, seq_offset)
        if any(event.kind == "worker" for event in batch):
            await self._refresh()

    async def _append(self, events: list[LearnerEvent], seq_offset: int) -> None:
        if not events:
            return
        began_ns = now_ns()
        last_seq = await self._store.run(self._store.append, self._job_id, events)
        self._wake(self._job_id)
        for traceparent in filter(None, (event.traceparent for event in events)):
            add_span("store step", began_ns, now_ns(), traceparent)
        if last_seq < events[-1].seq + seq_offset:
            raise DataLoss("an event is missing in the learner's stream")

    async def _bring_report(self, digest: str) -> None:
        """A report that the learner no longer has costs its details, not the job."""
        try:
            await self._results.report(digest)
        except (NotFound, InvalidArgument):
            _log.warning("the learner lost the report of its evaluation")

    async def _with_result(self, ended: LearnerEvent) -> LearnerEvent:
        """The event as it is once the result lies here; a result that is gone fails the job."""
        if ended.payload["status"] != "completed":
            return ended
        try:
            await self._results.adapter(self._job_id, ended.payload["result_digest"])
        except (NotFound, InvalidArgument):
            return ended._replace(payload=end_payload("failed", Message("result_lost")))
        return ended

    async def _resubmit(self) -> None:
        """The learner does not know the job: it is told again, unless the job has ended."""
        job = await self._store.run(self._store.get, self._job_id)
        if job is not None and (job.ended or job.cancel_requested):
            await self._end("cancelled")
        elif job is not None:
            _log.warning("the learner has lost the job; submitted again")
            await self._store.run(self._store.lose, self._job_id)

    async def _end(self, status: str, error: Message | None = None) -> None:
        await self._store.run(self._store.end, self._job_id, status, error)
        self._wake(self._job_id)
