"""Which requests a replica takes, and which it leaves to another."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rollout_service.errors import TooManyRequests
from rollout_service.settings import RolloutSettings


class Admission:
    """Room for a batch, and for what may wait: so many completions, or as many as take so long.

    How fast the engine is, a request tells whose completions had to wait. `in_progress` are
    completions that were let in, and `refused` requests that were not.
    """

    def __init__(self, settings: RolloutSettings) -> None:
        self._batch = settings.max_batch_completions
        self._least = settings.max_batch_completions + settings.max_waiting_completions
        self._waiting_seconds = settings.max_waiting_seconds
        self.in_progress = 0
        self.refused = 0
        self._per_second = 0.0
        self._times_full = 0

    @contextmanager
    def admit(self, completions: int) -> Iterator[Callable[[], bool]]:
        """Counts a request in; yields whether the replica has been full since.

        Raises TooManyRequests where there is no room; one request alone always has room.
        """
        if self.in_progress and not self._has_room(completions):
            self._times_full += 1
            self.refused += 1
            message = f"{self.in_progress} completions are in progress; try another replica"
            raise TooManyRequests(message)
        times_full, began = self._times_full, time.monotonic()
        self.in_progress += completions
        self._times_full += not self._has_room(completions)
        found = self.in_progress
        try:
            yield lambda: self._times_full > times_full
            if found > self._batch and (seconds := time.monotonic() - began):
                self._per_second = found / seconds
        finally:
            self.in_progress -= completions

    def _has_room(self, completions: int) -> bool:
        most = max(self._least, self._batch + self._per_second * self._waiting_seconds)
        return self.in_progress + completions <= most
