"""A trace of each step of a job."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

from learner_service.ranks import Ranks
from tally.traces.spans import begin_span, current_traceparent, in_trace

if TYPE_CHECKING:
    from tally.traces.recorder import OpenSpan


class StepTraces:
    """Each begins when its step's groups are asked for, and ends when the next step begins. It is
    linked to the job's, and no part of it. Steps count from 0, those before it.

    Of several processes the first one begins the traces. The others are told of them, and have a
    span of their own in each.
    """

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._job = current_traceparent()
        self._spans: dict[int, OpenSpan] = {}
        self._entered = ExitStack()

    def begin(self, steps: Iterable[int]) -> dict[int, str]:
        """The traceparents of these steps, of which all are to be told; none where nothing is
        traced, or another process begins them."""
        if not self._ranks.is_first:
            return {}
        begun = {step: self._open("step", step, parent="", link=self._job) for step in steps}
        return {step: traceparent for step, traceparent in begun.items() if traceparent}

    def join(self, begun: Mapping[int, str]) -> None:
        """`begun` is what the first process told."""
        if self._ranks.is_first:
            return
        for step, traceparent in begun.items():
            self._open("step of a process", step, parent=traceparent)

    def _open(self, name: str, step: int, *, parent: str, link: str = "") -> str:
        about = {"tally.step": step + 1}
        span = begin_span(name, parent=parent, link=link, attributes=about)
        if span is None:
            return ""
        self._spans[step] = span
        return span.traceparent

    def within(self, step: int) -> AbstractContextManager[Any]:
        """While it is open, what is done is a part of this step."""
        span = self._spans.get(step)
        return in_trace(span.traceparent if span else "")

    def enter(self, step: int) -> None:
        """What this thread does from here on is a part of this step; those before it have ended."""
        self._entered.close()
        for earlier in [number for number in self._spans if number < step]:
            self._spans.pop(earlier).end()
        self._entered.enter_context(self.within(step))

    def close(self) -> None:
        """Ends what has begun: nothing more comes of it."""
        self._entered.close()
        while self._spans:
            self._spans.popitem()[1].end()
