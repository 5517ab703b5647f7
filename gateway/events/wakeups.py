"""Who waits for a job's next event, and how they learn of it."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from gateway.jobs.job_store import JobStore

_log = logging.getLogger(__name__)


class Wakeups:
    """Wakes the streams of a job: at once for this gateway's events, by polling for others'.

    `woken` counts how often that was.
    """

    def __init__(self, store: JobStore, poll_seconds: float) -> None:
        self._store = store
        self._poll_seconds = poll_seconds
        self._waiters: dict[str, set[asyncio.Event]] = {}
        self.stopped = False
        self.woken = 0

    @contextmanager
    def listen(self, job_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the job may have new events."""
        waiter = asyncio.Event()
        self._waiters.setdefault(job_id, set()).add(waiter)
        try:
            yield waiter
        finally:
            self._waiters[job_id].discard(waiter)
            if not self._waiters[job_id]:
                del self._waiters[job_id]

    def wake(self, job_id: str) -> None:
        self.woken += 1
        for waiter in self._waiters.get(job_id, ()):
            waiter.set()

    def stop(self) -> None:
        """Ends every stream, so that none delays a shutdown."""
        self.stopped = True
        for job_id in self._waiters:
            self.wake(job_id)

    async def poll(self) -> None:
        """Runs until it is cancelled."""
        seen: dict[str, int] = {}
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                seen = await self._look(seen)
            except SQLAlchemyError as error:
                _log.warning("cannot look for new events: %s", type(error).__name__)

    async def _look(self, seen: dict[str, int]) -> dict[str, int]:
        if not self._waiters:
            return {}
        found = await self._store.run(self._store.last_seqs, list(self._waiters))
        for job_id, last_seq in found.items():
            if last_seq > seen.get(job_id, 0):
                self.wake(job_id)
        return found
