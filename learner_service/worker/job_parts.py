"""What a job of either kind is run with."""

import threading
from dataclasses import dataclass

from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.background import BackgroundLoop
from learner_service.clients.rewards import RewardClient
from learner_service.clients.rollouts import RolloutClient
from learner_service.events import Report
from learner_service.job_folder.task import WorkerTask
from learner_service.phases import Phases
from learner_service.ranks import Ranks


@dataclass(frozen=True, kw_only=True)
class JobParts:
    """`loop` runs the clients; `stop` is set once the worker is asked to stop; `ranks` are the
    processes that run the job."""

    task: WorkerTask
    store: BlobStore
    loop: BackgroundLoop
    rollouts: RolloutClient
    rewards: RewardClient
    report: Report
    phases: Phases
    stop: threading.Event
    ranks: Ranks
