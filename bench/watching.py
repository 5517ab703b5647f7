"""Looking at something again and again while something else goes on."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def watching(look: Callable[[], object], period_seconds: float) -> Iterator[None]:
    """Calls `look` in a thread of its own until the block ends, however it ends."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(period_seconds):
            look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
