"""What the runners of all jobs share."""

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field

from learner_service.blobs.blob_store import BlobStore
from learner_service.events import Event
from learner_service.job_folder.layout import JobFolder
from learner_service.models import ModelList
from learner_service.queue.earlier_jobs import EarlierJobs
from learner_service.queue.ended_jobs import EndedJobs
from learner_service.queue.job_store import JobStore
from learner_service.settings import LearnerSettings

MakeWay = Callable[[], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, kw_only=True)
class RunnerParts:
    """`log` takes a job's events, `folder` gives its folder; `faults` counts those of the service
    itself, by the jobs that met them. `make_way` is open while a worker runs."""

    settings: LearnerSettings
    store: JobStore
    blobs: BlobStore
    models: ModelList
    earlier_jobs: EarlierJobs
    ended_jobs: EndedJobs
    folder: Callable[[str], JobFolder]
    log: Callable[[str, Event], Awaitable[None]]
    make_way: MakeWay = nullcontext
    faults: Counter[str] = field(default_factory=Counter)
