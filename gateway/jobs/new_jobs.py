"""Requests to train, as the rows that they are written down as."""

import uuid
from collections.abc import Awaitable, Callable

from gateway.access.callers import Caller
from gateway.jobs.job_models import Job
from gateway.jobs.starting_adapters import StartingAdapter
from gateway.jobs.tags import as_stored
from gateway.jobs.train_models import TrainRequest
from gateway.times import now
from gateway.uploads.file_models import DATA
from gateway.uploads.file_store import FileStore
from tally.traces.spans import current_traceparent


class NewJobs:
    def __init__(self, files: FileStore, find: Callable[[str], Awaitable[Job | None]]) -> None:
        """`find` gives a job by its id."""
        self._files = files
        self._find = find

    async def make(
        self,
        request: TrainRequest,
        key: str | None,
        caller: Caller,
        adapter: StartingAdapter | None,
    ) -> Job:
        """Raises Missing or Forbidden that names the field, Unprocessable for an adapter's ZIP in
        the place of data."""
        evaluation = request.evaluation_file_id
        caller.check_priority(request.priority)
        before = await self._find_resumed(request.resume_from_job_id, caller)
        return Job(
            job_id=str(uuid.uuid4()),
            job_name=request.job_name,
            stored_tags=as_stored(request.tags) or (before.stored_tags if before else ""),
            created_at=now(),
            spec=request.settings(),
            dataset_digest=await self._dataset_digest(caller, request.data_file_id, "data_file_id"),
            evaluation_dataset_digest=evaluation
            and await self._dataset_digest(caller, evaluation, "evaluation_file_id"),
            owner=caller.owner,
            idempotency_key=key,
            adapter_digest=adapter and adapter.digest,
            traceparent=current_traceparent(),
        )

    async def _dataset_digest(self, caller: Caller, file_id: str, field: str) -> str:
        file = await self._files.run(self._files.get_for, caller, file_id, field, DATA)
        return file.dataset_digest

    async def _find_resumed(self, job_id: str | None, caller: Caller) -> Job | None:
        """The job to go on from, one of the caller's own. The learner knows whether there is one,
        not whose it is."""
        job = await self._find(job_id) if job_id else None
        if job:
            caller.check_is_own(job.owner, "resume_from_job_id")
        return job
