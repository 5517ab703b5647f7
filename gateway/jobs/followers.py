"""The followers of this gateway: one task for each job whose log is not complete."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from contextvars import Context
from datetime import timedelta
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from gateway.jobs.follower import Follower
from gateway.jobs.job_store import JobStore
from gateway.learner_client import LearnerClient
from gateway.results.results import Results
from gateway.settings import GatewaySettings
from gateway.storage import Storage
from gateway.times import now
from tally.rpc.errors import TallyError

_log = logging.getLogger(__name__)
_ADOPT_SECONDS = 5.0
_MARGIN_SECONDS = 1.0


def submission_time(settings: GatewaySettings) -> timedelta:
    """How long after it was written down a job may wait for who wrote it to submit it."""
    return timedelta(seconds=settings.submit_wait_seconds + _MARGIN_SECONDS)


class Followers:
    def __init__(
        self,
        *,
        settings: GatewaySettings,
        store: JobStore,
        storage: Storage,
        learner: LearnerClient,
        results: Results,
        wake: Callable[[str], None],
    ) -> None:
        """`wake` is told of each job that has new events."""
        self._new_follower = partial(
            Follower,
            settings=settings,
            store=store,
            storage=storage,
            learner=learner,
            results=results,
            wake=wake,
        )
        self._settings = settings
        self._store = store
        self._tasks: dict[str, tuple[Follower, asyncio.Task[None]]] = {}
        self._closed = False

    def start(self, job_id: str) -> Follower:
        """Follows the job; once, however often it is called."""
        if job_id in self._tasks:
            return self._tasks[job_id][0]
        follower = self._new_follower(job_id)
        # Of a context of its own: the request that began it ends long before it does.
        task = asyncio.create_task(follower.run(), name=f"follow {job_id}", context=Context())
        self._tasks[job_id] = (follower, task)
        task.add_done_callback(lambda done: self._drop(job_id, done))
        return follower

    def _drop(self, job_id: str, task: asyncio.Task[None]) -> None:
        if job_id in self._tasks and self._tasks[job_id][1] is task:
            del self._tasks[job_id]
        if not task.cancelled() and task.exception() is not None:
            _log.error("job %s: its follower broke", job_id, exc_info=task.exception())

    async def wait_for_submission(
        self, follower: Follower, wait_seconds: float
    ) -> TallyError | None:
        """Waits until the learner has the job, or refuses it, or cannot be asked yet."""
        follower.attended = True
        try:
            async with asyncio.timeout(wait_seconds):
                return await asyncio.shield(follower.submission)
        except TimeoutError:
            return None
        finally:
            follower.attended = False

    async def restart(self, job_id: str) -> None:
        """Makes the follower look at the job anew, such as at an intent to cancel it."""
        _, task = self._tasks.pop(job_id, (None, None))
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        if not self._closed:
            self.start(job_id)

    async def adopt(self) -> None:
        """Runs on: follows what is unfinished at start, then what a lost gateway left.

        A job that another gateway is just submitting is left to it: a refusal is for its caller.
        """
        while True:
            handed_over_by = now() - submission_time(self._settings)
            try:
                for job_id in await self._store.run(self._store.ids_to_follow, handed_over_by):
                    self.start(job_id)
            except SQLAlchemyError as error:
                _log.warning("cannot look for unfinished jobs: %s", type(error).__name__)
            await asyncio.sleep(_ADOPT_SECONDS)

    async def close(self) -> None:
        self._closed = True
        tasks = [task for _, task in self._tasks.values()]
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
