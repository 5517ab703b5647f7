"""Jobs on the nodes of a Ray cluster, which finds the room for each attempt."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ray.exceptions import RayError

from learner_service.errors import ClusterUnavailable
from learner_service.job_folder.task import Launch, WorkerTask
from learner_service.queue.local_placement import spread_over
from learner_service.queue.process_check import processes_of_attempt
from learner_service.queue.worker_links import WorkerLinks
from learner_service.ray_cluster.connection import RayConnection
from learner_service.ray_cluster.ray_processes import RayProcesses
from learner_service.ray_cluster.reservation import Reservation
from learner_service.rendezvous_settings import RendezvousSettings
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec

_log = logging.getLogger(__name__)
_PAUSE_SECONDS = 5.0


class RayPlacement:
    """The placement `ray`: as many jobs at once as the settings say; Ray has room for each attempt
    or finds it, as by adding nodes."""

    def __init__(self, settings: LearnerSettings, links: WorkerLinks) -> None:
        self._settings = settings
        self._links = links
        self._connection = RayConnection(settings.ray.address)
        self._taken = 0

    @property
    def most_jobs(self) -> int:
        return self._settings.jobs_at_once

    def acquire(self, spec: JobSpec) -> "RayRoom | None":
        if self._taken == self.most_jobs:
            return None
        self._taken += 1
        return RayRoom(self._settings, self._links, self._connection, self._release)

    def _release(self) -> None:
        self._taken -= 1


class RayRoom:
    """A job's turn; Ray is asked anew for each attempt, since a node may have been lost."""

    def __init__(
        self,
        settings: LearnerSettings,
        links: WorkerLinks,
        connection: RayConnection,
        release: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._links = links
        self._connection = connection
        self._on_release = release
        self._reservation: Reservation | None = None

    async def plan(self, spec: JobSpec, lost: int, is_over: Callable[[], bool]) -> Launch:
        """Waits for room, and for a cluster that does not answer."""
        settings = self._settings
        processes = processes_of_attempt(spec, settings, lost)
        further = [settings.gpus_per_job] * (settings.nodes_per_job - 1)
        spread = spread_over(processes, settings.gpus_per_job, further)
        while not is_over():
            try:
                if place := await self._reserve(spread, is_over):
                    threads = settings.ray.cpus_per_process
                    return Launch(processes_by_host=spread, rendezvous=place, threads=threads)
            except (RayError, ConnectionError, ClusterUnavailable) as error:
                _log.warning("trying again in %g s: %s", _PAUSE_SECONDS, error)
                await asyncio.sleep(_PAUSE_SECONDS)
        return Launch(processes_by_host=spread)

    async def _reserve(
        self, spread: tuple[int, ...], is_over: Callable[[], bool]
    ) -> RendezvousSettings | None:
        """Where the processes meet, once there is room for all of them; None once it is over."""
        reservation = Reservation([self._bundle(processes) for processes in spread])
        try:
            await asyncio.to_thread(self._connection.ensure)
            _log.info("asking Ray for room: %s processes", " + ".join(map(str, spread)))
            if await asyncio.to_thread(reservation.wait, is_over):
                node = await asyncio.to_thread(reservation.start_hosts)
                self._reservation = reservation
                return RendezvousSettings(address=node.address, port=node.port)
        finally:
            if self._reservation is not reservation:
                await asyncio.to_thread(reservation.free)
        return None

    def release(self) -> None:
        if self._reservation:  # of an attempt that was planned, and then not wanted any more
            asyncio.get_running_loop().run_in_executor(None, self._reservation.free)
        self._on_release()

    def _bundle(self, processes: int) -> dict[str, float]:
        bundle = {"CPU": float(processes * self._settings.ray.cpus_per_process)}
        return bundle if self._settings.device == "cpu" else bundle | {"GPU": float(processes)}

    @asynccontextmanager
    async def start(self, task: WorkerTask) -> AsyncIterator[RayProcesses]:
        reservation, self._reservation = self._reservation, None
        assert reservation, "an attempt is planned before it is started"
        try:
            link = self._links.make(task)
            yield RayProcesses(self._settings, self._links, link, reservation.hosts)
        finally:
            await asyncio.to_thread(reservation.free)
