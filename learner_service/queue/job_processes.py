"""All processes of one attempt at a job: this host's, and those of further hosts."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from learner_service.events import Event
from learner_service.job_folder.task import WorkerTask
from learner_service.queue.hosts import Host, StartRanks
from learner_service.queue.worker_process import WorkerExit, WorkerProcess


class JobProcesses:
    """Where those of one host end unexpectedly, the others are stopped: none goes on alone."""

    def __init__(
        self,
        task: WorkerTask,
        stop_seconds: float,
        hosts: Sequence[Host] = (),
        state_digest: str = "",
    ) -> None:
        """`state_digest`: what further hosts go on from, a packed JobState; empty for none."""
        self._task = task
        self._hosts = hosts
        self._state_digest = state_digest
        self._own = WorkerProcess(task, stop_seconds)

    async def run(self, on_event: Callable[[Event], Awaitable[None]]) -> WorkerExit:
        """Starts them, hands on the first one's events, and waits for the end of all.

        The failure is that of the processes which ended first of those that say one.
        """
        own = asyncio.ensure_future(self._own.run(on_event))
        running = {own, *(asyncio.ensure_future(run) for run in self._further_runs())}
        failure = None
        while running:
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            exits = [one.result() for one in sorted(done, key=lambda one: one is own)]
            failure = failure or next((e.failure for e in exits if e.failure), None)
            if own in done or any(exited.code for exited in exits):
                self.stop()
        return replace(own.result(), failure=failure)

    def stop(self) -> None:
        """Asks all of them to stop with a checkpoint."""
        self._own.stop()
        for host in self._hosts:
            host.stop()

    def _further_runs(self) -> list[Awaitable[WorkerExit]]:
        runs: list[Awaitable[WorkerExit]] = []
        for number, host in enumerate(self._hosts, start=1):
            launch = self._task.launch.model_copy(update={"host_number": number})
            task = self._task.model_copy(update={"launch": launch})
            order = StartRanks(task=task.model_dump_json(), state_digest=self._state_digest)
            runs.append(host.run(order))
        return runs
