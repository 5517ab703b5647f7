"""Where jobs that wait stand in the learner's queue, which moves."""

import logging
from collections.abc import Mapping, Sequence

from gateway.convert import QueuePlace
from gateway.jobs.job_models import Job
from gateway.jobs.job_public import JobPublic, to_public
from gateway.learner_client import LearnerClient
from gateway.recent import Recent
from tally.messages.languages import Language
from tally.rpc.errors import TallyError

_log = logging.getLogger(__name__)
_QUEUED = "queued"
_FRESH_SECONDS = 1.0
_TIMEOUT_SECONDS = 1.0


class QueuePlaces:
    """The learner is asked at most once a second, whoever looks at jobs."""

    def __init__(self, learner: LearnerClient) -> None:
        self._learner = learner
        self._places = Recent(self._ask, _FRESH_SECONDS)

    async def show(self, jobs: Sequence[Job], language: Language) -> list[JobPublic]:
        """The jobs as they are answered; without places while the learner is away."""
        waits = any(job.phase == _QUEUED and not job.ended for job in jobs)
        places = await self._places.get() if waits else {}
        return [to_public(job, language, places.get(job.job_id)) for job in jobs]

    async def _ask(self) -> Mapping[str, QueuePlace]:
        try:
            return await self._learner.queue(_TIMEOUT_SECONDS)
        except TallyError as error:
            _log.debug("the learner does not tell its queue: %s", error)
            return {}
