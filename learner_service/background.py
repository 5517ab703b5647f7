"""Asynchronous clients for a synchronous training loop."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from learner_service.errors import StopRequested

T = TypeVar("T")
_POLL_SECONDS = 0.1


class BackgroundLoop:
    """An event loop in a thread of its own; waiting for it ends as soon as `stop` is set."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="clients", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Returns what `work` returns; raises StopRequested, with the work cancelled, on a stop."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        while True:
            try:
                return future.result(timeout=_POLL_SECONDS)
            except concurrent.futures.TimeoutError:
                if future.done():
                    raise
                if self._stop.is_set():
                    future.cancel()
                    raise StopRequested from None

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
