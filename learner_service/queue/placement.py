"""On which hosts a job's processes run, and how many on each."""

import math
from collections.abc import Callable, Sequence

from learner_service.job_folder.task import Launch
from learner_service.queue.hosts import Host, Hosts
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec, Training


class Placement:
    """Places one attempt after another on the hosts that are there."""

    def __init__(self, settings: LearnerSettings, hosts: Hosts) -> None:
        self._settings = settings
        self._hosts = hosts

    def asked_processes(self, spec: JobSpec) -> int:
        """How many the job is to have; what trains nothing has one."""
        if not isinstance(spec.work, Training):
            return 1
        return self._settings.processes_of(spec.work.config)

    async def place(
        self, spec: JobSpec, lost: int, is_over: Callable[[], bool]
    ) -> tuple[Launch, list[Host]]:
        """The launch as this host is to know it, and the further hosts that take part.

        `lost`: workers lost in a row without progress. The first may have been chance; from the
        second on there is one process fewer each time.
        """
        settings = self._settings
        processes = max(1, self.asked_processes(spec) - max(0, lost - 1))
        further = math.ceil(processes / settings.gpus_per_job) - 1
        hosts = await self._hosts.wait_for(further, settings.host_wait_seconds, is_over)
        spread = spread_over(processes, settings.gpus_per_job, [host.processes for host in hosts])
        launch = Launch(processes_by_host=spread, rendezvous=settings.rendezvous)
        return launch, hosts[: launch.hosts - 1]


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
