"""The jobs whose turn it is: a runner each, as a task that gives its room back when it is done."""

import asyncio
import logging
from collections.abc import Callable, Iterator

from learner_service.errors import StoreUnavailable
from learner_service.queue.job_runner import JobRunner
from learner_service.queue.job_store import Job
from learner_service.queue.placement import Room
from learner_service.queue.runner_parts import RunnerParts
from tally.rpc.errors import ResourceExhausted

_log = logging.getLogger(__name__)


class RunningJobs:
    """`on_free` is called when one is done, by its end or because it was stopped."""

    def __init__(self, parts: RunnerParts, on_free: Callable[[], None]) -> None:
        self._parts = parts
        self._on_free = on_free
        self._runners: dict[str, JobRunner] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._noting = asyncio.Lock()
        self._faults: list[BaseException] = []

    def start(self, job: Job, room: Room) -> None:
        runner = self._runners[job.job_id] = JobRunner(self._parts, job, room)
        self._tasks[job.job_id] = asyncio.create_task(self._run(runner, room))

    async def _run(self, runner: JobRunner, room: Room) -> None:
        try:
            await runner.run()
            await self._note_service(runner)
        except (StoreUnavailable, ResourceExhausted) as error:
            _log.warning("job %s: %s", runner.job.job_id, error)
        except Exception as error:
            self._faults.append(error)
        finally:
            del self._runners[runner.job.job_id], self._tasks[runner.job.job_id]
            room.release()
            self._on_free()

    async def _note_service(self, runner: JobRunner) -> None:
        store, owner = self._parts.store, runner.job.spec.owner
        async with self._noting:  # two jobs of an owner may be done at once
            await store.run(store.add_served_time, owner, runner.seconds)

    def __contains__(self, job_id: str) -> bool:
        """Whether it is this job's turn, which lasts until its worker has stopped."""
        return job_id in self._runners

    def __len__(self) -> int:
        return len(self._runners)

    def __iter__(self) -> Iterator[JobRunner]:
        return iter(list(self._runners.values()))

    @property
    def oldest_seconds(self) -> float:
        """Since the first of those that run has begun; 0 where none does."""
        return max((runner.seconds for runner in self), default=0.0)

    @property
    def leaving(self) -> int:
        """How many of them leave their room as soon as their worker has stopped."""
        return sum(runner.is_leaving for runner in self)

    def move(self, job_id: str) -> None:
        """Asks the job's worker to save, and the job to make room for another; it waits again."""
        if runner := self._runners.get(job_id):
            runner.make_room()

    def raise_fault(self) -> None:
        """What a runner did not expect, which is then the queue's."""
        if self._faults:
            raise self._faults.pop()

    def note_end(self, job_id: str) -> None:
        """The job's end is written down."""
        if runner := self._runners.get(job_id):
            runner.note_end()

    def stop_job(self, job_id: str) -> bool:
        """Asks the job's worker to stop, if it has one now; False where its turn has not come."""
        runner = self._runners.get(job_id)
        if runner:
            runner.stop_worker()
        return runner is not None

    def stop(self) -> None:
        """Stops every worker with a checkpoint, and starts no other."""
        for runner in self._runners.values():
            runner.stop()

    async def wait(self) -> None:
        """Until all are done."""
        await asyncio.gather(*self._tasks.values())
