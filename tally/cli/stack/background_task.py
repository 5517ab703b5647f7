"""Something done in a thread beside the supervisor, with its result or its exception."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class BackgroundTask(Generic[Result]):
    """Runs `do` in a thread that ends with the program."""

    def __init__(self, do: Callable[[], Result]) -> None:
        self._do = do
        self._result: list[Result] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def done(self) -> bool:
        return not self._thread.is_alive()

    def join(self, timeout_seconds: float) -> None:
        self._thread.join(timeout_seconds)

    def result(self) -> Result:
        """Of a task that is done. Raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._result[0]

    def _run(self) -> None:
        try:
            self._result.append(self._do())
        except BaseException as error:
            self._error = error
