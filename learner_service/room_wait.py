"""What a worker can't do without and a full disk hinders: done again once there is room."""

import threading
from collections.abc import Callable
from typing import TypeVar

from learner_service.errors import StopRequested
from learner_service.events import Notice, Report
from tally.host.full_disk import is_full_disk
from tally.messages.message import Message
from tally.rpc.errors import ResourceExhausted

T = TypeVar("T")
_PAUSE_SECONDS = 2.0


class RoomWait:
    """Waits for room on the disk until `stop` is set, and says once that it does."""

    def __init__(self, report: Report, stop: threading.Event) -> None:
        self._report = report
        self._stop = stop

    def run(self, do: Callable[[], T]) -> T:
        """What `do` returns; raises StopRequested, and what else `do` raises."""
        waiting = False
        while True:
            try:
                return do()
            except Exception as error:
                if not (isinstance(error, ResourceExhausted) or is_full_disk(error)):
                    raise
            if not waiting:
                self._report(Notice.of(Message("waiting_for_disk")))
            waiting = True
            if self._stop.wait(_PAUSE_SECONDS):
                raise StopRequested
