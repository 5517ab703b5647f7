"""A job's progress: a live bar on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskProgressColumn
from rich.text import Text

from tally.cli.show.job_state import JobState
from tally.cli.show.output import console, say
from tally.text.sinks import to_line

_LINE_EVERY_SECONDS = 10.0


class JobDisplay(Protocol):
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def update(self, state: JobState) -> None: ...
    def remark(self, text: str) -> None: ...


class _BarAndFigures(Progress):
    """A bar, and below it a line that may be as wide as the terminal."""

    figures = "queued"

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        yield Text(to_line(self.figures))


class LiveDisplay:
    """One bar with the last step's figures below it; remarks stay above it."""

    def __init__(self, shown_on: Console = console) -> None:
        columns = (BarColumn(bar_width=None), TaskProgressColumn())
        self._progress = _BarAndFigures(*columns, console=shown_on, expand=True)
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, state: JobState) -> None:
        done, total = state.step, state.total_steps
        if state.phase == "evaluating" and state.answers:
            done, total = state.answered, state.answers
        self._progress.figures = state.describe()
        self._progress.update(self._task, completed=done, total=total or None)

    def remark(self, text: str) -> None:
        say(text, self._progress.console)


class PlainDisplay:
    """A line every ten seconds at most, and one for the last step and the last answer."""

    def __init__(
        self, shown_on: Console = console, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = shown_on
        self._clock = clock
        self._said_at = -_LINE_EVERY_SECONDS
        self._line = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, state: JobState) -> None:
        line = state.describe()
        due = self._clock() - self._said_at >= _LINE_EVERY_SECONDS
        if line != self._line and (due or _is_complete(state)):
            self.remark(line)
            self._line, self._said_at = line, self._clock()

    def remark(self, text: str) -> None:
        say(text, self._console)


def _is_complete(state: JobState) -> bool:
    """Whether the last step, or the last held-out answer, is done."""
    if state.phase == "evaluating":
        return state.answered == state.answers > 0
    return state.step == state.total_steps > 0


def job_display(shown_on: Console = console) -> JobDisplay:
    return LiveDisplay(shown_on) if shown_on.is_terminal else PlainDisplay(shown_on)
