"""When vLLM begins with a request: it has places for so many completions, and takes who came first.

It tells nobody, short of counting at every token.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(kw_only=True, eq=False)
class _Turn:
    completions: int
    on_begin: Callable[[], None]
    has_begun: bool = False


class Turns:
    """Of `places` for completions, as long as vLLM has memory for them."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._line: list[_Turn] = []  # those that have begun first

    @contextmanager
    def take(self, completions: int, on_begin: Callable[[], None]) -> Iterator[None]:
        """A request's, while the context is open; calls `on_begin` once a place is free for it."""
        turn = _Turn(completions=completions, on_begin=on_begin)
        self._line.append(turn)
        self._begin()
        try:
            yield
        finally:
            self._line.remove(turn)
            self._begin()

    def _begin(self) -> None:
        ahead = 0
        for turn in self._line:
            if not turn.has_begun and ahead < self._places:
                turn.has_begun = True
                turn.on_begin()
            ahead += turn.completions
