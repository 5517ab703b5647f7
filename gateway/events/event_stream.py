"""Server-sent events of a job, from the stored log."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import Busy
from gateway.events.wakeups import Wakeups
from gateway.jobs.job_models import JobEvent
from gateway.jobs.job_store import JobStore
from gateway.settings import GatewaySettings
from gateway.times import to_milliseconds


class EventStreams:
    """Writes streams; at most `max_event_streams` are sent at once."""

    def __init__(self, settings: GatewaySettings, store: JobStore, wakeups: Wakeups) -> None:
        self._settings = settings
        self._store = store
        self._wakeups = wakeups
        self.in_use = 0

    def check_room(self) -> None:
        """Raises Busy where every slot is taken."""
        if self.in_use >= self._settings.max_event_streams:
            raise Busy("too many event streams are open; try again", headers={"Retry-After": "2"})

    @contextmanager
    def slot(self) -> Iterator[None]:
        """What a stream takes while it is sent."""
        self.in_use += 1
        try:
            yield
        finally:
            self.in_use -= 1

    async def lines(
        self, job_id: str, after_seq: int, may_read: Callable[[], bool]
    ) -> AsyncIterator[str]:
        """Every event after `after_seq` as text, until the job's log is complete, or the reader may
        read no more."""
        with self._wakeups.listen(job_id) as waiter:
            yield "retry: 2000\n\n"
            while not self._wakeups.stopped and may_read():
                waiter.clear()
                events = await self._page(job_id, after_seq)
                for event in events:
                    yield format_event(event)
                    after_seq = event.seq
                if events and events[-1].kind != "ended":
                    continue
                if await self._is_over(job_id, after_seq):
                    return
                if not await self._wait_for_news(waiter):
                    yield ":\n\n"

    async def _page(self, job_id: str, after_seq: int) -> list[JobEvent]:
        try:
            return list(await self._store.run(self._store.events, job_id, after_seq))
        except SQLAlchemyError:  # a stream outlives a database that is away for a while
            await asyncio.sleep(self._settings.poll_seconds)
            return []

    async def _is_over(self, job_id: str, after_seq: int) -> bool:
        try:
            job = await self._store.run(self._store.get, job_id)
        except SQLAlchemyError:
            return False
        return job is None or (job.log_complete and after_seq >= job.last_seq)

    async def _wait_for_news(self, waiter: asyncio.Event) -> bool:
        """Waits for news; False where it is time for a comment first."""
        try:
            async with asyncio.timeout(self._settings.heartbeat_seconds):
                return await waiter.wait()
        except TimeoutError:
            return False


def format_event(event: JobEvent) -> str:
    data = {"seq": event.seq, "time": to_milliseconds(event.time), **event.payload}
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    return f"id: {event.seq}\nevent: {event.kind}\ndata: {text}\n\n"
