"""The CPU time of a thread's work, that of processes which it started for it among it."""

import threading
import time


class _Processes(threading.local):
    seconds = 0.0


_PROCESSES = _Processes()


def thread_seconds() -> float:
    """CPU seconds of this thread until now, and of what it started."""
    return time.thread_time() + _PROCESSES.seconds


def add_seconds(seconds: float) -> None:
    """Adds what a process took that this thread started and has waited for."""
    _PROCESSES.seconds += seconds
