"""The service's end of one attempt, as its worker meets it, for tests that have no event loop."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.background import BackgroundLoop
from learner_service.events import Event
from learner_service.job_folder.task import WorkerTask
from learner_service.queue.worker_links import WorkerLink, WorkerLinks
from learner_service.worker_servicer import serve_workers


class ServedLink:
    """`events` are those that were taken; `variables` what a worker's environment has of it."""

    def __init__(self, task: WorkerTask) -> None:
        self.events: list[Event] = []
        self._running = AsyncExitStack()
        self._loop = BackgroundLoop(threading.Event())
        self.link = self._loop.run(self._open(task))

    @property
    def variables(self) -> dict[str, str]:
        return self.link.access.variables

    async def _open(self, task: WorkerTask) -> WorkerLink:
        links = WorkerLinks()
        await self._running.enter_async_context(serve_workers(links, BlobStore(task.blobs)))
        link = links.make(task)
        self._running.enter_context(links.open(link))
        self._taking = asyncio.create_task(link.hand_on(self._take))
        return link

    async def _take(self, event: Event) -> None:
        self.events.append(event)

    async def _close(self) -> None:
        self.link.end()
        await self._taking
        await self._running.aclose()

    def close(self) -> None:
        self._loop.run(self._close())
        self._loop.close()


@contextmanager
def served_link(task: WorkerTask) -> Iterator[ServedLink]:
    served = ServedLink(task)
    try:
        yield served
    finally:
        served.close()
