"""A job's phase as others are told it: short steps change it dozens of times a second."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from learner_service.events import JobPhase, PhaseChanged
from tally.rpc.errors import TallyError

_SECONDS = 0.5


class PhaseThrottle:
    """Tells the phase at once, and then at most every `seconds`, the last one in any case. For
    several threads."""

    def __init__(self, tell: Callable[[PhaseChanged], None], seconds: float = _SECONDS) -> None:
        self._tell = tell
        self._seconds = seconds
        self._lock = threading.Lock()
        self._phase = self._told = JobPhase.NONE
        self._told_at = -seconds
        self._timer: threading.Timer | None = None

    def enter(self, phase: JobPhase) -> None:
        """Raises as `tell` does."""
        with self._lock:
            self._phase = phase
            if self._timer:
                return
            if left := max(0.0, self._told_at + self._seconds - time.monotonic()):
                self._timer = threading.Timer(left, self._tell_later)
                self._timer.daemon = True
                self._timer.start()
            else:
                self._tell_now()

    def end(self) -> None:
        """Tells nothing any more."""
        with self._lock:
            self._told = self._phase
            if self._timer:
                self._timer.cancel()

    def _tell_later(self) -> None:
        with self._lock, suppress(TallyError):  # which whoever reports next hears as well
            self._timer = None
            self._tell_now()

    def _tell_now(self) -> None:
        if self._phase is not self._told:
            self._told, self._told_at = self._phase, time.monotonic()
            self._tell(PhaseChanged(phase=self._phase))
