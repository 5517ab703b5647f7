"""The loop of the queue: jobs that wait are started, in their order, as there is room for them."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from learner_service.errors import StoreUnavailable
from learner_service.events import JobPhase, PhaseChanged
from learner_service.queue.job_store import Job
from learner_service.queue.order import Waiting, choose_to_move, order
from learner_service.queue.pace import start_seconds
from learner_service.queue.placement import Placement
from learner_service.queue.runner_parts import RunnerParts
from learner_service.queue.running_jobs import RunningJobs
from tally.rpc.errors import ResourceExhausted

_log = logging.getLogger(__name__)
_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Place:
    """A job that waits, in the place that it has in the list of them; None where it can't be told
    when it starts."""

    job_id: str
    estimated_start: datetime | None


class JobQueue:
    """`tidy` is called, in a thread, whenever the queue is looked at, with the seconds since the
    oldest job that runs has begun; and after `pause_seconds` at the latest."""

    def __init__(
        self,
        parts: RunnerParts,
        placement: Placement,
        *,
        tidy: Callable[[float], None],
        pause_seconds: float,
    ) -> None:
        self._parts = parts
        self._store = parts.store
        self._placement = placement
        self._tidy = tidy
        self._pause_seconds = pause_seconds
        self._news = asyncio.Event()
        self._stopping = False
        self.running = RunningJobs(parts, on_free=self._news.set)

    def wake(self) -> None:
        """There is a job more."""
        self._news.set()

    async def run(self) -> None:
        """Starts jobs until `stop`; a database that is away, and a full disk, are waited for."""
        try:
            while not self._stopping:
                await self._go_round()
        finally:
            self.running.stop()
            await self.running.wait()

    async def _go_round(self) -> None:
        try:
            self._news.clear()
            self.running.raise_fault()
            await asyncio.to_thread(self._tidy, self.running.oldest_seconds)
            left = await self._start(await self._waiting())
            await self._make_room(left)
            await self._say_queued(left)
            await self._wait()
        except (StoreUnavailable, ResourceExhausted) as error:
            _log.warning("the queue waits: %s", error)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def places(self) -> list[Place]:
        """The jobs that wait, in their order, with an estimate of when each starts."""
        waiting = await self._waiting()
        left = [0.0 if one.is_leaving else one.pace.seconds_left for one in self.running]
        now, free = datetime.now(UTC), self._placement.most_jobs - len(self.running)
        seconds = start_seconds(len(waiting), left, max(0, free))
        return [
            Place(
                job_id=job.job_id,
                estimated_start=None if wait is None else now + timedelta(seconds=wait),
            )
            for job, wait in zip(waiting, seconds, strict=True)
        ]

    async def _waiting(self) -> list[Job]:
        """In their order."""
        unfinished = await self._store.run(self._store.unfinished)
        jobs = {job.job_id: job for job in unfinished if job.job_id not in self.running}
        running = [runner.as_running() for runner in self.running]
        ordered = order(map(_as_waiting, jobs.values()), running, await self._served_seconds())
        return [jobs[job.job_id] for job in ordered]

    async def _served_seconds(self) -> dict[str, float]:
        """By owner, with what runs now."""
        now = datetime.now(UTC)
        served = await self._store.run(self._store.served_times)
        seconds = {owner: time.at(now).seconds for owner, time in served.items()}
        for runner in self.running:
            owner = runner.job.spec.owner
            seconds[owner] = seconds.get(owner, 0.0) + runner.seconds
        return seconds

    async def _start(self, waiting: list[Job]) -> list[Job]:
        """Starts those that there is room for; returns the others."""
        for at, job in enumerate(waiting):
            room = None if self._stopping else self._placement.acquire(job.spec)
            if room is None:
                return waiting[at:]
            self.running.start(job, room)
        return []

    async def _make_room(self, waiting: list[Job]) -> None:
        """Asks jobs of lower priority to save and make room, as many as wait with a higher one."""
        for first in map(_as_waiting, waiting[self.running.leaving :]):
            running = [runner.as_running() for runner in self.running]
            chosen = choose_to_move(first, running)
            if chosen is None or self._stopping:
                return
            await self._store.run(self._store.count_move, chosen.job_id)
            self.running.move(chosen.job_id)

    async def _say_queued(self, waiting: list[Job]) -> None:
        """Of those that had their turn before."""
        for job in waiting:
            if job.phase is not JobPhase.QUEUED and not self._stopping:
                await self._parts.log(job.job_id, PhaseChanged(phase=JobPhase.QUEUED))

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pause_seconds):
                await self._news.wait()

    def stop(self) -> None:
        """Stops the workers with a checkpoint each, and starts no other job."""
        self._stopping = True
        self._news.set()
        self.running.stop()


def _as_waiting(job: Job) -> Waiting:
    return Waiting(
        job_id=job.job_id,
        owner=job.spec.owner,
        number=job.number,
        priority=job.spec.priority,
        has_begun=job.total_steps > 0,
    )
