"""All processes of one attempt at a job, in shares that Ray has placed."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ray.exceptions import RayError

from learner_service.events import WorkerFailed
from learner_service.queue.job_processes import wait_for_all
from learner_service.queue.worker_links import TakeEvent, WorkerLink, WorkerLinks
from learner_service.queue.worker_process import WorkerExit
from learner_service.settings import LearnerSettings
from tally.messages.message import Message

_log = logging.getLogger(__name__)
# What a share that was asked to stop may take beyond its processes.
_GRACE_SECONDS = 30.0


class RayProcesses:
    """`hosts` are the actors of the shares, in their order; whoever has made them ends them."""

    def __init__(
        self, settings: LearnerSettings, links: WorkerLinks, link: WorkerLink, hosts: Sequence[Any]
    ) -> None:
        self._settings = settings
        self._links = links
        self._link = link
        self._hosts = hosts
        self._stop_asked = False
        self._given_up = asyncio.Event()

    async def run(self, on_event: TakeEvent) -> WorkerExit:
        """Starts them, hands on the job's events in order, and waits for the end of all."""
        with self._links.open(self._link):
            runs = [asyncio.ensure_future(self._run(number)) for number in range(len(self._hosts))]
            running = asyncio.ensure_future(wait_for_all(runs[0], runs[1:], self.stop))
            running.add_done_callback(lambda _: self._link.end())
            try:
                await self._link.hand_on(on_event)
                exited = await running
            finally:
                for task in (running, *runs):
                    task.cancel()
        return replace(exited, failure=exited.failure or self._link.failure)

    async def _run(self, number: int) -> WorkerExit:
        """Of one share."""
        start, learner = self._hosts[number].run.remote, self._settings.ray.learner
        try:
            called = await asyncio.to_thread(start, learner, self._link.access.token, number)
            return await self._unless_given_up(asyncio.wrap_future(called.future()))
        except (RayError, ConnectionError) as error:
            _log.warning("Ray has lost a share of the job: %s", error)
            return _exit_of_lost(Message("ray_node_lost"))

    async def _unless_given_up(self, ended: asyncio.Future[WorkerExit]) -> WorkerExit:
        giving_up = asyncio.ensure_future(self._given_up.wait())
        either: set[asyncio.Future[Any]] = {ended, giving_up}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        giving_up.cancel()
        return ended.result() if ended.done() else _exit_of_lost(Message("share_unstopped"))

    def stop(self) -> None:
        """Asks all of them to stop with a checkpoint; once they run, or before."""
        if self._stop_asked:
            return
        self._stop_asked = True
        self._link.ask_to_stop()
        loop = asyncio.get_running_loop()
        for host in self._hosts:
            loop.run_in_executor(None, host.stop.remote)
        loop.call_later(self._settings.worker_stop_seconds + _GRACE_SECONDS, self._given_up.set)


def _exit_of_lost(message: Message) -> WorkerExit:
    return WorkerExit(code=1, failure=WorkerFailed.of(message, retryable=True))
