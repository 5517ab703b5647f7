"""Spans of a request at the engine: until its turn has come, and from then on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tally.traces.spans import add_span, is_traced, now_ns


@contextmanager
def trace_turn(on_begin: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """While it is open, the engine has the request; what is yielded says that its turn has come,
    from whatever thread, and calls `on_begin`."""
    if not is_traced():
        yield on_begin
        return
    asked_ns = now_ns()
    turn_ns: list[int] = []

    def begin() -> None:
        turn_ns.append(now_ns())
        on_begin()

    try:
        yield begin
    finally:
        ended_ns = now_ns()
        begun_ns = min(turn_ns, default=ended_ns)
        add_span("wait for turn", asked_ns, begun_ns)
        if turn_ns:
            add_span("generate", begun_ns, ended_ns)
