"""Where jobs that wait stand in the learner's queue: asked for each time, since the queue moves."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence

from gateway.convert import QueuePlace
from gateway.jobs.job_models import Job
from gateway.jobs.job_public import JobPublic, to_public
from gateway.learner_client import LearnerClient
from tally.rpc.errors import TallyError

_log = logging.getLogger(__name__)
_QUEUED = "queued"
_FRESH_SECONDS = 1.0
_TIMEOUT_SECONDS = 1.0


class QueuePlaces:
    """The learner is asked at most once a second, whoever looks at jobs."""

    def __init__(self, learner: LearnerClient) -> None:
        self._learner = learner
        self._lock = asyncio.Lock()
        self._known: Mapping[str, QueuePlace] = {}
        self._asked_at = -_FRESH_SECONDS

    async def show(self, jobs: Sequence[Job]) -> list[JobPublic]:
        """The jobs as they are answered; without places while the learner is away."""
        waits = any(job.phase == _QUEUED and not job.ended for job in jobs)
        places = await self._places() if waits else {}
        return [to_public(job, places.get(job.job_id)) for job in jobs]

    async def _places(self) -> Mapping[str, QueuePlace]:
        async with self._lock:
            if time.monotonic() - self._asked_at >= _FRESH_SECONDS:
                self._known = await self._ask()
                self._asked_at = time.monotonic()
        return self._known

    async def _ask(self) -> Mapping[str, QueuePlace]:
        try:
            return await self._learner.queue(_TIMEOUT_SECONDS)
        except TallyError as error:
            _log.debug("the learner does not tell its queue: %s", error)
            return {}
