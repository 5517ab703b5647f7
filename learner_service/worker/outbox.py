"""What a worker has reported and its service has not acknowledged yet; it may be sent again."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from tally.rpc.errors import TallyError

_MOST_BYTES = 16 * 1024**2


@dataclass(frozen=True, kw_only=True)
class Message:
    """An event or an entry of the history, as JSON; the other one is empty."""

    event: str = ""
    history_entry: str = ""

    def fields(self) -> dict[str, str]:
        return {name: text for name, text in vars(self).items() if text}

    @property
    def size(self) -> int:
        return len(self.event) + len(self.history_entry)


class Outbox:
    """Messages by their numbers, the first is 1. For several threads; `on_put` must not block.

    Who reports more than is acknowledged waits, beyond `most_bytes`.
    """

    def __init__(self, on_put: Callable[[], None], most_bytes: int = _MOST_BYTES) -> None:
        self._on_put = on_put
        self._most_bytes = most_bytes
        self._changed = threading.Condition()
        self._waiting: deque[tuple[int, Message]] = deque()
        self._bytes = 0
        self._last = 0
        self._error: TallyError | None = None

    def put(self, message: Message) -> None:
        """Raises what the outbox was ended with, as `settle` does."""
        with self._changed:
            self._changed.wait_for(lambda: self._error or self._bytes < self._most_bytes)
            self._raise_error()
            self._last += 1
            self._waiting.append((self._last, message))
            self._bytes += message.size
        self._on_put()

    def after(self, number: int) -> list[tuple[int, Message]]:
        """What is to be sent where everything up to `number` was."""
        with self._changed:
            return [one for one in self._waiting if one[0] > number]

    def acknowledge(self, number: int) -> None:
        with self._changed:
            while self._waiting and self._waiting[0][0] <= number:
                self._bytes -= self._waiting.popleft()[1].size
            self._changed.notify_all()

    def settle(self) -> None:
        """Returns once everything that was put is acknowledged."""
        with self._changed:
            last = self._last
            self._changed.wait_for(lambda: self._error or self._is_acknowledged(last))
            if not self._is_acknowledged(last):
                self._raise_error()

    def end(self, error: TallyError) -> None:
        """Nothing will be acknowledged any more; the first error stands."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def _is_acknowledged(self, number: int) -> bool:
        return not self._waiting or self._waiting[0][0] > number

    def _raise_error(self) -> None:
        if self._error:
            raise self._error
