"""How long one process of a job waits for the others once it was asked to stop."""

import math
import threading
import time
from typing import Any

from learner_service.errors import RankLost

# While torch itself waits, Python hears of no signal.
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1e-4, 5e-3


class Patience:
    """Ends `stop_seconds` after `stop` is set: those that are cut off never answer."""

    def __init__(self, stop: threading.Event, stop_seconds: float) -> None:
        self._stop = stop
        self._stop_seconds = stop_seconds

    def wait_for(self, work: Any) -> None:
        """As `wait` of torch's Work, which goes on behind RankLost."""
        pause_seconds, deadline = _FIRST_PAUSE_SECONDS, math.inf
        while not work.is_completed():
            if self._stop.is_set():
                deadline = min(deadline, time.monotonic() + self._stop_seconds)
            if time.monotonic() > deadline:
                raise RankLost(
                    "another process of the job did not answer within "
                    f"{self._stop_seconds:g} seconds of the request to stop"
                )
            time.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
        work.wait()
