"""What the routes do with jobs: create, cancel, read."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from weakref import WeakValueDictionary

from gateway.access.callers import Caller
from gateway.errors import Conflict, Missing, Unprocessable
from gateway.ids import is_uuid
from gateway.jobs.followers import Followers, submission_time
from gateway.jobs.job_models import TRAINING, Job
from gateway.jobs.job_store import JobStore
from gateway.jobs.preflight_models import Preflight
from gateway.jobs.train_models import TrainRequest, stored_request
from gateway.learner_client import LearnerClient
from gateway.messages.message import Message
from gateway.messages.service_errors import quote_service
from gateway.reward_client import RewardClient
from gateway.settings import GatewaySettings
from gateway.storage import Storage
from gateway.times import now
from gateway.uploads.file_store import FileStore
from tally.rpc.errors import NotFound, TallyError

_LOOK_SECONDS = 0.1


class Jobs:
    def __init__(
        self,
        *,
        settings: GatewaySettings,
        storage: Storage,
        files: FileStore,
        store: JobStore,
        followers: Followers,
        learner: LearnerClient,
        reward: RewardClient,
        wake: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._files = files
        self._store = store
        self._followers = followers
        self._learner = learner
        self._reward = reward
        self._wake = wake
        self._locks_by_key: WeakValueDictionary[tuple[str, str], asyncio.Lock] = (
            WeakValueDictionary()
        )

    async def create(self, request: TrainRequest, key: str | None, caller: Caller) -> Job:
        """Writes the job down, then submits it; the owner's earlier job where `key` names one.

        Raises Missing for an unknown file, Forbidden for another's, Unprocessable where the learner
        refuses the job at once or the key came with another body.
        """
        if key is None:
            return await self._create(request, None, caller)
        # The second must not be told of a job that the learner refuses to the first.
        lock = self._locks_by_key.setdefault((caller.owner, key), asyncio.Lock())
        async with lock:
            return await self._create(request, key, caller)

    async def _create(self, request: TrainRequest, key: str | None, caller: Caller) -> Job:
        while True:
            earlier = await self._store.run(self._store.with_key, caller.owner, key)
            if earlier is None:
                await self.check_choices(request)
                job = await self._new_job(request, key, caller)
                if await self._store.run(self._store.add, job):
                    return await self.submit(job)
            elif stays := await self._after_submission(_check_same(earlier, request)):
                return stays

    async def _after_submission(self, job: Job) -> Job | None:
        """The job once no other gateway is submitting it; None where the learner refused it."""
        until = job.created_at + submission_time(self._settings)
        current: Job | None = job
        while current and not (current.accepted or current.ended) and now() < until:
            await asyncio.sleep(_LOOK_SECONDS)
            current = await self.find(job.job_id)
        return current

    async def preflight(self, request: TrainRequest, caller: Caller) -> Preflight:
        """What the job would do; writes nothing. Raises as `create` does, and TallyError."""
        await self.check_choices(request)
        job = await self._new_job(request, None, caller)
        digests = job.dataset_digest, job.evaluation_dataset_digest
        for digest in filter(None, digests):
            await self._learner.put(self._storage.dataset_path(digest), digest)
        return Preflight(**await self._learner.preflight(job.spec, *digests))

    async def submit(self, job: Job) -> Job:
        """Hands a job that is written down to the learner; raises Unprocessable if it refuses."""
        follower = self._followers.start(job.job_id)
        wait_seconds = self._settings.submit_wait_seconds
        refusal = await self._followers.wait_for_submission(follower, wait_seconds)
        if refusal is not None:
            await self._store.run(self._store.forget, job.job_id)
            message = quote_service(refusal, f"the learner refuses it: {refusal}")
            raise Unprocessable.at("job", message)
        return await self.get(job.job_id)

    async def check_choices(self, request: TrainRequest) -> None:
        """Raises Unprocessable for a model or a reward that there is not."""
        self.check_model(request.model)
        names = [reward.name for reward in request.rewards]
        if len(set(names)) < len(names):
            raise Unprocessable.at("rewards", Message("reward_twice"))
        if names:
            await self._check_rewards(names)

    def check_model(self, name: str | None) -> None:
        """Raises Unprocessable for one that is not on this server's list; None is the first."""
        models = self._settings.models
        if models and name is not None and name not in models:
            message = Message("model_unlisted", models=", ".join(models))
            raise Unprocessable.at("model", message)

    async def _check_rewards(self, names: list[str]) -> None:
        try:
            known = await self._reward.reward_names()
        except TallyError:
            return  # the learner asks the same service, and waits for it
        for name in names:
            if name not in known:
                message = Message("reward_unknown", name=name, known=", ".join(sorted(known)))
                raise Unprocessable.at("rewards", message)

    async def _new_job(self, request: TrainRequest, key: str | None, caller: Caller) -> Job:
        evaluation = request.evaluation_file_id
        await self._check_resumes_own(request.resume_from_job_id, caller)
        return Job(
            job_id=str(uuid.uuid4()),
            job_name=request.job_name,
            created_at=now(),
            spec=request.settings(),
            dataset_digest=await self._dataset_digest(caller, request.data_file_id, "data_file_id"),
            evaluation_dataset_digest=evaluation
            and await self._dataset_digest(caller, evaluation, "evaluation_file_id"),
            owner=caller.owner,
            idempotency_key=key,
        )

    async def _dataset_digest(self, caller: Caller, file_id: str, field: str) -> str:
        file = await self._files.run(self._files.get_for, caller, file_id, field)
        return file.dataset_digest

    async def _check_resumes_own(self, job_id: str | None, caller: Caller) -> None:
        """The learner knows whether there is such a job to go on from, not whose it is."""
        if job_id and (job := await self.find(job_id)):
            caller.check_is_own(job.owner, "resume_from_job_id")

    async def get_for(self, caller: Caller, job_id: str) -> Job:
        """The caller's job; raises Missing or Forbidden."""
        job = await self.get(job_id)
        caller.check_is_own(job.owner, "job_id")
        return job

    async def get(self, job_id: str) -> Job:
        job = await self.find(job_id)
        if job is None:
            raise Missing.at("job_id", Message("no_such_job"))
        return job

    async def find(self, job_id: str) -> Job | None:
        return await self._store.run(self._store.get, job_id) if is_uuid(job_id) else None

    async def newest_first(
        self, owner: str | None, limit: int | None, offset: int
    ) -> tuple[Sequence[Job], int]:
        """Some of an owner's jobs, or of everybody's, and how many there are."""
        return await self._store.run(self._store.page, TRAINING, owner, limit, offset)

    async def log(self, job_id: str, max_lines: int) -> str:
        """The last lines of its workers' log; empty where the learner has none. Raises TallyError
        while the learner is away."""
        try:
            return await self._learner.log(job_id, max_lines)
        except NotFound:
            return ""

    async def cancel(self, job_id: str) -> Job:
        """Ends the job, or keeps the intent for the follower where the learner is away."""
        return await self._storage.with_room(lambda: self._cancel(job_id))

    async def _cancel(self, job_id: str) -> Job:
        job = await self._store.run(self._store.request_cancel, job_id)
        if job is None or job.ended:
            return await self.get(job_id)
        if not job.start_attempted:
            await self._store.run(self._store.end, job_id, "cancelled")
            self._wake(job_id)
            return await self.get(job_id)
        try:
            state = await self._learner.cancel(job_id, self._settings.cancel_wait_seconds)
            await self._store.run(self._store.apply_state, job_id, state)
        except TallyError:
            await self._followers.restart(job_id)
        return await self.get(job_id)


def check_completed(job: Job) -> None:
    """Raises Conflict where the job has no result."""
    if job.status == "training":
        raise Conflict(Message("job_unfinished"))
    if job.status != "completed":
        raise Conflict(Message("job_without_result", status=job.status))


def _check_same(earlier: Job, request: TrainRequest) -> Job:
    # What was added to the settings since then has its default in both.
    if stored_request(earlier.spec) != request:
        raise Unprocessable.at("Idempotency-Key", Message("key_used"))
    return earlier
