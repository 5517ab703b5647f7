"""Asynchronous clients for a synchronous training loop."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
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

    def start(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Lets it run while the caller does something else; cancel the future to end it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def wait(self, future: concurrent.futures.Future[T]) -> T:
        """Returns its result; on a stop it is cancelled, and StopRequested raised."""
        while True:
            try:
                return future.result(timeout=_POLL_SECONDS)
            except concurrent.futures.TimeoutError:
                if future.done():
                    raise
                if self._stop.is_set():
                    future.cancel()
                    raise StopRequested from None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Starts the coroutine and waits for it."""
        return self.wait(self.start(coroutine))

    def call_soon(self, call: Callable[[], object]) -> None:
        """Has it called on the loop; for what takes no time."""
        self._loop.call_soon_threadsafe(call)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
