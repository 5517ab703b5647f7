"""Ctrl-C and SIGTERM as something to ask about, so that the end comes in order."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class StopRequest:
    """How often the user has asked for the end.

    A plain number: a signal handler that takes a lock may wait for the code it interrupted.
    """

    def __init__(self) -> None:
        self.times = 0

    def ask(self) -> None:
        self.times += 1

    def ask_once(self) -> None:
        """As ask, but never a second time: that would mean hurry."""
        self.times = max(self.times, 1)

    def is_stopped(self) -> bool:
        return self.times > 0

    def is_hurried(self) -> bool:
        return self.times > 1


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Within it, SIGINT and SIGTERM ask for the end instead of breaking in."""
    request = StopRequest()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: request.ask()) for number in signals}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
