"""Who has room for jobs, and starts their processes there: what the queue asks of a placement.

`local_placement.py` places jobs on this host, `learner_service/ray_cluster/` on the nodes of a Ray
cluster.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from learner_service.events import Event
from learner_service.job_folder.task import Launch, WorkerTask
from learner_service.queue.worker_process import WorkerExit
from learner_service.spec import JobSpec


class Processes(Protocol):
    """All processes of one attempt at a job."""

    async def run(self, on_event: Callable[[Event], Awaitable[None]]) -> WorkerExit:
        """Starts them, hands on the job's events in order, and waits for the end of all."""

    def stop(self) -> None:
        """Asks all of them to stop with a checkpoint; once they run, or before."""


class Room(Protocol):
    """Where one job runs, one attempt after another, until it is released."""

    async def plan(self, spec: JobSpec, lost: int, is_over: Callable[[], bool]) -> Launch:
        """The processes of the next attempt; gives up waiting for more room once `is_over()`.

        `lost`: workers lost in a row without progress, see `processes_of_attempt`.
        """

    def start(self, task: WorkerTask) -> AbstractAsyncContextManager[Processes]:
        """The processes of an attempt that was planned; what they need lies ready within."""

    def release(self) -> None:
        """Gives the room to the next job; no process of this one is left."""


class Placement(Protocol):
    """Gives rooms to jobs, of which the queue has the order."""

    @property
    def most_jobs(self) -> int:
        """How many may run at once."""

    def acquire(self, spec: JobSpec) -> Room | None:
        """Room for the job; None while there is none."""
