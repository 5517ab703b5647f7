"""Lends the host again and again, and runs what the learner orders."""

import asyncio
import logging

from pydantic import ValidationError

from learner_service.host.host_client import HostClient, HostLoan
from learner_service.host.settings import HostSettings
from learner_service.host.share import exit_of_unstarted, place_of, prepare_share, run_share
from learner_service.queue.hosts import StartRanks
from learner_service.queue.worker_links import FarLink
from learner_service.queue.worker_process import WorkerProcess
from learner_service.worker_access import WorkerAccess
from tally.logs.fields import add_log_fields
from tally.rpc.errors import TallyError

_log = logging.getLogger(__name__)
_PAUSE_SECONDS = 2.0


class HostAgent:
    """Runs at most one share of a job at a time; `run` goes on until it is cancelled."""

    def __init__(self, settings: HostSettings, client: HostClient) -> None:
        self._settings = settings
        self._client = client
        self._process: WorkerProcess | None = None
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """What runs for a learner that is lost is killed: without it nothing comes of it."""
        refusal = ""
        while True:
            try:
                await self._lend()
                _log.info("the learner let this host go")
            except TallyError as error:
                if str(error) != refusal:  # and not again every two seconds
                    _log.warning("not lent, trying again: %s", error)
                refusal = str(error)
            finally:
                await self._kill()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _lend(self) -> None:
        name = self._settings.host_name
        async with self._client.lend(name, self._settings.processes) as (loan, orders):
            async for order in orders:
                if isinstance(order, StartRanks):
                    await self._kill()
                    self._running = asyncio.create_task(self._run_share(order, loan))
                else:
                    self._stop()

    async def _run_share(self, order: StartRanks, loan: HostLoan) -> None:
        try:
            access, place = self._access(order.token), place_of(self._settings, order.host_number)
            task = await asyncio.to_thread(prepare_share, access, place)
            add_log_fields(job_id=task.job_id, attempt=task.attempt)
            _log.info("a share of a job begins: %s", task.launch)
            stop_seconds = task.settings.worker_stop_seconds
            self._process = WorkerProcess(task, stop_seconds, FarLink(access, place))
            exited = await run_share(self._process, task, access)
        except (TallyError, OSError, ValidationError) as error:
            _log.exception("a share of a job could not be started")
            exited = exit_of_unstarted(f"host {self._settings.host_name}", error)
        finally:
            self._process = None
        loan.end(exited)

    def _access(self, token: str) -> WorkerAccess:
        settings = self._settings
        return WorkerAccess(learner=settings.learner, token=token, secret=settings.secret)

    def _stop(self) -> None:
        """What is not started yet has nothing to save."""
        if self._process:
            self._process.stop()
        elif self._running:
            self._running.cancel()

    async def _kill(self) -> None:
        if self._running:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None
