"""What the routes do with jobs: create, cancel, read."""

import asyncio
from collections.abc import Callable, Sequence
from weakref import WeakValueDictionary

from gateway.access.callers import Caller
from gateway.errors import Missing, Unprocessable
from gateway.ids import is_uuid
from gateway.jobs.base_models import BaseModels
from gateway.jobs.change_models import JobChanges
from gateway.jobs.choices import Choices
from gateway.jobs.followers import Followers, submission_time
from gateway.jobs.job_lists import Chosen, JobLists
from gateway.jobs.job_models import TRAINING, Job
from gateway.jobs.job_store import JobStore
from gateway.jobs.new_jobs import NewJobs
from gateway.jobs.preflight_models import Preflight
from gateway.jobs.starting_adapters import StartingAdapter, StartingAdapters, begin_with
from gateway.jobs.train_models import TrainRequest, stored_request
from gateway.learner_client import LearnerClient
from gateway.reward_client import RewardClient
from gateway.settings import GatewaySettings
from gateway.storage import Storage
from gateway.times import now
from gateway.uploads.file_store import FileStore
from tally.messages.languages import Language
from tally.messages.message import Message
from tally.messages.service_errors import quote_service
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
        lists: JobLists,
        followers: Followers,
        learner: LearnerClient,
        reward: RewardClient,
        adapters: StartingAdapters,
        models: BaseModels,
        wake: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._new_jobs = NewJobs(files, self.find)
        self._store = store
        self._lists = lists
        self._followers = followers
        self._learner = learner
        self._adapters = adapters
        self._models = models
        self.choices = Choices(settings, models, reward)
        self._wake = wake
        self._locks_by_key: WeakValueDictionary[tuple[str, str], asyncio.Lock] = (
            WeakValueDictionary()
        )

    async def create(self, request: TrainRequest, key: str | None, caller: Caller) -> Job:
        """Writes the job down, then submits it; the owner's earlier job where `key` names one.

        Raises Missing for an unknown file, Forbidden for another's, Unprocessable where the learner
        refuses the job at once or the key came with another body.
        """
        async with self._adapters.open(request, caller, self._models.default) as adapter:
            request = begin_with(request, adapter)
            if key is None:
                return await self._create(request, None, caller, adapter)
            # The second must not be told of a job that the learner refuses to the first.
            lock = self._locks_by_key.setdefault((caller.owner, key), asyncio.Lock())
            async with lock:
                return await self._create(request, key, caller, adapter)

    async def _create(
        self,
        request: TrainRequest,
        key: str | None,
        caller: Caller,
        adapter: StartingAdapter | None,
    ) -> Job:
        while True:
            earlier = await self._store.run(self._store.with_key, caller.owner, key)
            if earlier is None:
                await self.choices.check(request)
                job = await self._new_jobs.make(request, key, caller, adapter)
                if await self._write_down(job, adapter):
                    return await self.submit(job)
            elif stays := await self._after_submission(_check_same(earlier, request)):
                return stays

    async def _write_down(self, job: Job, adapter: StartingAdapter | None) -> bool:
        """As `JobStore.add`, with the adapter where the job's follower looks for it."""
        path, is_there = self._storage.adapter_path(job.job_id), False
        try:
            if adapter:
                await asyncio.to_thread(adapter.place, path)
            is_there = await self._store.run(self._store.add, job)
        finally:
            if not is_there:
                path.unlink(missing_ok=True)
        return is_there

    async def _after_submission(self, job: Job) -> Job | None:
        """The job once no other gateway is submitting it; None where the learner refused it."""
        until = job.created_at + submission_time(self._settings)
        current: Job | None = job
        while current and not (current.accepted or current.ended) and now() < until:
            await asyncio.sleep(_LOOK_SECONDS)
            current = await self.find(job.job_id)
        return current

    async def preflight(
        self, request: TrainRequest, caller: Caller, language: Language
    ) -> Preflight:
        """What the job would do; writes nothing. Raises as `create` does, and TallyError."""
        async with self._adapters.open(request, caller, self._models.default) as adapter:
            request = begin_with(request, adapter)
            await self.choices.check(request)
            job = await self._new_jobs.make(request, None, caller, adapter)
            digests = job.dataset_digest, job.evaluation_dataset_digest
            for digest in filter(None, digests):
                await self._learner.put(self._storage.dataset_path(digest), digest)
            if adapter:
                await self._learner.put(adapter.path, adapter.digest)
            found = await self._learner.preflight(job.spec, *digests, job.adapter_digest, language)
        return Preflight(**found)

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

    async def get_for(self, caller: Caller, job_id: str) -> Job:
        """The caller's job; raises Missing or Forbidden."""
        job = await self.get(job_id)
        caller.check_is_own(job.owner, "job_id")
        return job

    async def get_of_kind(
        self, caller: Caller, kind: str, job_id: str, *, field: str, missing: Message
    ) -> Job:
        """The caller's; raises Forbidden, or Missing, for a job of another kind too; `field` has
        its id."""
        job = await self.find(job_id)
        if job is None or job.kind != kind:
            raise Missing.at(field, missing)
        caller.check_is_own(job.owner, field)
        return job

    async def get(self, job_id: str) -> Job:
        job = await self.find(job_id)
        if job is None:
            raise Missing.at("job_id", Message("no_such_job"))
        return job

    async def find(self, job_id: str) -> Job | None:
        return await self._store.run(self._store.get, job_id) if is_uuid(job_id) else None

    async def newest_first(
        self,
        owner: str | None,
        chosen: Chosen = Chosen(),
        limit: int | None = None,
        offset: int = 0,
    ) -> tuple[Sequence[Job], int]:
        """Some of an owner's jobs, or of everybody's, and how many there are. Raises TallyError
        where a `model` is chosen, and only the learner knows the default one, and is away."""
        if chosen.model is not None:
            default, *_ = await self._models.names()
            chosen = chosen._replace(is_default=chosen.model == default)
        return await self._lists.run(self._lists.page, TRAINING, owner, chosen, limit, offset)

    async def change(self, job_id: str, changes: JobChanges) -> Job:
        """Raises Missing where it has gone meanwhile."""
        await self._store.run(self._store.change, job_id, changes)
        return await self.get(job_id)

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


def _check_same(earlier: Job, request: TrainRequest) -> Job:
    # What was added to the settings since then has its default in both.
    if stored_request(earlier.spec) != request:
        raise Unprocessable.at("Idempotency-Key", Message("key_used"))
    return earlier
