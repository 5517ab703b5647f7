"""How long a service that is away is waited for."""

import logging
import time

from tally.rpc.errors import TallyError, Unavailable

_log = logging.getLogger(__name__)


class ConnectionPatience:
    """Counts from the first failure after the service was there."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lost_at: float | None = None

    def renew(self) -> None:
        """It is there."""
        self._lost_at = None

    def check(self, error: TallyError) -> None:
        """Raises Unavailable where there has been no connection for too long."""
        now = time.monotonic()
        if self._lost_at is None:
            self._lost_at = now
            _log.warning("no connection to the service, trying again: %s", error)
        if now - self._lost_at > self._seconds:
            raise Unavailable(f"the learner has been away for {self._seconds:g} seconds")
