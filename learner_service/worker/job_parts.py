"""What a job of either kind is run with."""

import threading
from dataclasses import dataclass

from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.background import BackgroundLoop
from learner_service.clients.rewards import RewardClient
from learner_service.clients.rollouts import Rollouts
from learner_service.events import Report
from learner_service.job_folder.keeper import Keeper
from learner_service.job_folder.task import WorkerTask
from learner_service.phases import Phases
from learner_service.ranks import Ranks


@dataclass(frozen=True, kw_only=True)
class JobParts:
    """`loop` runs the clients; `keeper` keeps what is to last; `stop` is set once the worker is
    asked to stop; `ranks` are the processes that run the job; `damaged` are checkpoints that were
    passed over."""

    task: WorkerTask
    store: BlobStore
    loop: BackgroundLoop
    rollouts: Rollouts
    rewards: RewardClient
    report: Report
    keeper: Keeper
    phases: Phases
    stop: threading.Event
    ranks: Ranks
    damaged: tuple[str, ...]
