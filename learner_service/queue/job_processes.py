"""All processes of one attempt at a job: this host's, and those of further hosts."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from learner_service.job_folder.task import WorkerTask
from learner_service.queue.hosts import Host, StartRanks
from learner_service.queue.worker_links import TakeEvent, WorkerLinks
from learner_service.queue.worker_process import WorkerExit, WorkerProcess


class JobProcesses:
    """Where those of one host end unexpectedly, the others are stopped: none goes on alone."""

    def __init__(
        self,
        task: WorkerTask,
        stop_seconds: float,
        links: WorkerLinks,
        hosts: Sequence[Host] = (),
    ) -> None:
        self._hosts = hosts
        self._links = links
        self._link = links.make(task)
        self._own = WorkerProcess(task, stop_seconds, self._link)

    async def run(self, on_event: TakeEvent) -> WorkerExit:
        """Starts them, hands on the first one's events, and waits for the end of all.

        The failure is that of the processes which ended first of those that say one.
        """
        with self._links.open(self._link):
            exited = await self._run(on_event)
        return replace(exited, failure=exited.failure or self._link.failure)

    async def _run(self, on_event: TakeEvent) -> WorkerExit:
        further = [asyncio.ensure_future(run) for run in self._further_runs()]
        return await wait_for_all(
            asyncio.ensure_future(self._own.run(on_event)), further, self.stop
        )

    def stop(self) -> None:
        """Asks all of them to stop with a checkpoint."""
        self._own.stop()
        for host in self._hosts:
            host.stop()

    def _further_runs(self) -> list[Awaitable[WorkerExit]]:
        token = self._link.access.token
        return [
            host.run(StartRanks(host_number=number, token=token))
            for number, host in enumerate(self._hosts, start=1)
        ]


async def wait_for_all(
    first: asyncio.Future[WorkerExit],
    further: Sequence[asyncio.Future[WorkerExit]],
    stop: Callable[[], None],
) -> WorkerExit:
    """How the first ended, once all have, with the failure of those that said one first. Calls
    `stop` where the first ends, or another one unexpectedly."""
    running: set[asyncio.Future[WorkerExit]] = {first, *further}
    failure = None
    while running:
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        exits = [one.result() for one in sorted(done, key=lambda one: one is first)]
        failure = failure or next((e.failure for e in exits if e.failure), None)
        if first in done or any(exited.code for exited in exits):
            stop()
    return replace(first.result(), failure=failure)
