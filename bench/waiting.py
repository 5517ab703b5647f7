"""Waiting for what another process does."""

import math
import time
from collections.abc import Callable
from typing import TypeVar

_PAUSE_SECONDS = 0.02
T = TypeVar("T")


def wait_for(condition: Callable[[], T], seconds: float = math.inf) -> T:
    """What `condition()` gives once that is true; its last answer where it is not in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
    return value
