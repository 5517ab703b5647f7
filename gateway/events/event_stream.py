"""Server-sent events of a job, from the stored log."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import Busy
from gateway.events.shared_reads import SharedReads
from gateway.events.wakeups import Wakeups
from gateway.jobs.job_models import ENDED, NOTICE, JobEvent
from gateway.jobs.job_store import PAGE, JobStore
from gateway.settings import GatewaySettings
from gateway.times import to_milliseconds
from tally.host.bounded_cache import BoundedCache
from tally.messages.languages import Language
from tally.messages.message import Message, known_message

_BLOCK_CHARACTERS = 16 * 1024
_MOST_KEPT_CHARACTERS = 16 * 1024**2


class EventStreams:
    """Writes streams; at most `max_event_streams` are sent at once."""

    def __init__(self, settings: GatewaySettings, store: JobStore, wakeups: Wakeups) -> None:
        self._settings = settings
        self._store = store
        self._wakeups = wakeups
        self._reads: SharedReads[_Page] = SharedReads()
        # Full pages, by job, where they begin, and language: nothing comes between their events
        # any more.
        self._kept = BoundedCache[tuple[str, int, Language], _Page](
            _MOST_KEPT_CHARACTERS, lambda page: sum(map(len, page.blocks))
        )
        self.in_use = 0

    def check_room(self) -> None:
        """Raises Busy where every slot is taken."""
        if self.in_use >= self._settings.max_event_streams:
            raise Busy(Message("too_many_streams"))

    @contextmanager
    def slot(self) -> Iterator[None]:
        """What a stream takes while it is sent."""
        self.in_use += 1
        try:
            yield
        finally:
            self.in_use -= 1

    async def lines(
        self, job_id: str, after_seq: int, language: Language, may_read: Callable[[], bool]
    ) -> AsyncIterator[str]:
        """Every event after `after_seq` as text, until the job's log is complete, or the reader may
        read no more."""
        with self._wakeups.listen(job_id) as waiter:
            yield "retry: 2000\n\n"
            while not self._wakeups.stopped and may_read():
                waiter.clear()
                page = await self._look(job_id, after_seq, language)
                for block in page.blocks:
                    yield block
                after_seq = page.last_seq
                if page.is_last:
                    return
                if not page.is_full and not await self._wait_for_news(waiter):
                    yield ":\n\n"

    async def _look(self, job_id: str, after_seq: int, language: Language) -> "_Page":
        """Shared by the streams that look for the same. What began before the last wake-up is not:
        it may lack what they were woken for."""
        if kept := self._kept.get((job_id, after_seq, language)):
            return kept
        key = self._wakeups.woken, job_id, after_seq, language
        try:
            page = await self._reads.read(
                key, lambda: self._store.run(self._read, job_id, after_seq, language)
            )
        except SQLAlchemyError:  # a stream outlives a database that is away for a while
            await asyncio.sleep(self._settings.poll_seconds)
            return _Page([], after_seq)
        if page.is_full:
            self._kept[job_id, after_seq, language] = page
        return page

    def _read(self, job_id: str, after_seq: int, language: Language) -> "_Page":
        events = self._store.events(job_id, after_seq)
        if not events:
            job = self._store.get(job_id)
            # Its last event may have come since the events were looked for.
            is_last = job is None or (job.log_complete and job.last_seq <= after_seq)
            return _Page([], after_seq, is_last=is_last)
        return _Page(
            list(_join(format_event(event, language) for event in events)),
            events[-1].seq,
            is_full=len(events) == PAGE,
            is_last=events[-1].kind == ENDED,
        )

    async def _wait_for_news(self, waiter: asyncio.Event) -> bool:
        """Waits for news; False where it is time for a comment first."""
        try:
            async with asyncio.timeout(self._settings.heartbeat_seconds):
                return await waiter.wait()
        except TimeoutError:
            return False


@dataclass(frozen=True)
class _Page:
    """Text of events in blocks, up to `last_seq`; after a full page there may be more at once, and
    after the last one there will be none."""

    blocks: list[str]
    last_seq: int
    is_full: bool = False
    is_last: bool = False


def _join(texts: Iterable[str]) -> Iterator[str]:
    """Each block costs a write, and lies in memory while its reader is slow."""
    block = ""
    for text in texts:
        block += text
        if len(block) >= _BLOCK_CHARACTERS:
            yield block
            block = ""
    if block:
        yield block


def format_event(event: JobEvent, language: Language) -> str:
    about = {"seq": event.seq, "time": to_milliseconds(event.time)}
    data = about | say_payload(event.kind, event.payload, language)
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    return f"id: {event.seq}\nevent: {event.kind}\ndata: {text}\n\n"


# Where an event has a sentence.
_SENTENCES = {NOTICE: "message", ENDED: "error_message"}


def say_payload(kind: str, payload: dict[str, Any], language: Language) -> dict[str, Any]:
    """As it is shown in `language`."""
    if kind not in _SENTENCES:
        return payload
    place = _SENTENCES[kind]
    shown = {name: value for name, value in payload.items() if name != "said"}
    if shown[place] is None:
        return shown
    said = known_message(payload.get("said"), shown[place]).say(language)
    return shown | {place: said}
