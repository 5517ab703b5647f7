"""Jobs on this host, and on those that are lent to it: as many at once as there are slots."""

import logging
import math
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from learner_service.job_folder.task import Launch, WorkerTask
from learner_service.queue.hosts import Host, Hosts
from learner_service.queue.job_processes import JobProcesses
from learner_service.queue.own_gpus import own_gpus
from learner_service.queue.process_check import processes_of_attempt
from learner_service.queue.slots import Slot, slots_of
from learner_service.queue.worker_links import WorkerLinks
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec

_log = logging.getLogger(__name__)


class LocalPlacement:
    """The placement `local`. Slots are taken in their order."""

    def __init__(self, settings: LearnerSettings, hosts: Hosts, links: WorkerLinks) -> None:
        cores = len(os.sched_getaffinity(0))
        self._slots = slots_of(settings, own_gpus(settings.device), cores)
        self._taken: set[int] = set()
        self._settings = settings
        self._hosts = hosts
        self._links = links
        _log.info("jobs at once: %d", self.most_jobs)

    @property
    def most_jobs(self) -> int:
        return len(self._slots)

    def acquire(self, spec: JobSpec) -> "LocalRoom | None":
        """Every slot is as good for any job as another."""
        for number, slot in enumerate(self._slots):
            if number not in self._taken:
                self._taken.add(number)
                release = partial(self._taken.discard, number)
                return LocalRoom(slot, self._settings, self._hosts, self._links, release)
        return None


class LocalRoom:
    """A slot of this host, and those of the lent hosts that an attempt was planned with."""

    def __init__(
        self,
        slot: Slot,
        settings: LearnerSettings,
        hosts: Hosts,
        links: WorkerLinks,
        release: Callable[[], None],
    ) -> None:
        self._slot = slot
        self._settings = settings
        self._hosts = hosts
        self._links = links
        self._further: list[Host] = []
        self.release = release

    async def plan(self, spec: JobSpec, lost: int, is_over: Callable[[], bool]) -> Launch:
        settings = self._settings
        processes = processes_of_attempt(spec, settings, lost)
        further = math.ceil(processes / settings.gpus_per_job) - 1
        hosts = await self._hosts.wait_for(further, settings.host_wait_seconds, is_over)
        spread = spread_over(processes, settings.gpus_per_job, [host.processes for host in hosts])
        launch = Launch(
            processes_by_host=spread,
            rendezvous=settings.rendezvous,
            gpus=self._slot.gpus,
            threads=self._slot.threads_of_each(spread[0]),
        )
        self._further = hosts[: launch.hosts - 1]
        return launch

    @asynccontextmanager
    async def start(self, task: WorkerTask) -> AsyncIterator[JobProcesses]:
        seconds = self._settings.worker_stop_seconds
        yield JobProcesses(task, seconds, self._links, self._further)


def spread_over(processes: int, most_per_host: int, offered: Sequence[int]) -> tuple[int, ...]:
    """How many on this host, and on each of the further ones that offer room for some.

    Example:
        >>> spread_over(5, 2, [1, 4])
        (2, 1, 2)
        >>> spread_over(5, 4, [])
        (4,)
    """
    spread = []
    for room in [most_per_host, *offered]:
        spread.append(min(processes, most_per_host, room))
        processes -= spread[-1]
    return tuple(number for number in spread if number)
