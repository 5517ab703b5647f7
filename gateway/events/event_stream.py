"""Server-sent events of a job, from the stored log."""

import asyncio
import json
from collections.abc import AsyncIterator

from fastapi.responses import StreamingResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Receive, Scope, Send

from gateway.errors import Busy
from gateway.events.wakeups import Wakeups
from gateway.jobs.job_models import JobEvent
from gateway.jobs.job_store import JobStore
from gateway.settings import Settings
from gateway.times import to_milliseconds

_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class EventStreams:
    """Opens streams, at most `max_event_streams` at once."""

    def __init__(self, settings: Settings, store: JobStore, wakeups: Wakeups) -> None:
        self._settings = settings
        self._store = store
        self._wakeups = wakeups
        self.in_use = 0

    def open(self, job_id: str, after_seq: int) -> "EventStreamResponse":
        """Raises Busy where every slot is taken."""
        if self.in_use >= self._settings.max_event_streams:
            raise Busy("too many event streams are open; try again", headers={"Retry-After": "2"})
        return EventStreamResponse(self, self._lines(job_id, after_seq))

    async def _lines(self, job_id: str, after_seq: int) -> AsyncIterator[str]:
        with self._wakeups.listen(job_id) as waiter:
            yield "retry: 2000\n\n"
            while not self._wakeups.stopped:
                waiter.clear()
                events = await self._page(job_id, after_seq)
                for event in events:
                    yield format_event(event)
                    after_seq = event.seq
                if events and events[-1].kind != "ended":
                    continue
                if await self._is_over(job_id, after_seq):
                    return
                if not await self._woken(waiter):
                    yield ":\n\n"

    async def _page(self, job_id: str, after_seq: int) -> list[JobEvent]:
        try:
            return list(await asyncio.to_thread(self._store.events, job_id, after_seq))
        except SQLAlchemyError:  # a stream outlives a database that is away for a while
            await asyncio.sleep(self._settings.poll_seconds)
            return []

    async def _is_over(self, job_id: str, after_seq: int) -> bool:
        try:
            job = await asyncio.to_thread(self._store.get, job_id)
        except SQLAlchemyError:
            return False
        return job is None or (job.log_complete and after_seq >= job.last_seq)

    async def _woken(self, waiter: asyncio.Event) -> bool:
        """Waits for news; False where it is time for a comment first."""
        try:
            async with asyncio.timeout(self._settings.heartbeat_seconds):
                return await waiter.wait()
        except TimeoutError:
            return False


class EventStreamResponse(StreamingResponse):
    """Holds a slot while it is sent, and frees it however that ends."""

    def __init__(self, streams: EventStreams, lines: AsyncIterator[str]) -> None:
        super().__init__(lines, media_type="text/event-stream", headers=_HEADERS)
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._streams.in_use += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.in_use -= 1


def format_event(event: JobEvent) -> str:
    data = {"seq": event.seq, "time": to_milliseconds(event.time), **event.payload}
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    return f"id: {event.seq}\nevent: {event.kind}\ndata: {text}\n\n"
