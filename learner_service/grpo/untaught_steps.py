"""Steps in a row that taught nothing: the job says so, and ends where it is asked to.

A step teaches nothing where all answers to each of its questions earned the same. They are counted
from the job's history, so that a worker that goes on counts on.
"""

from collections.abc import Mapping
from itertools import takewhile
from statistics import fmean
from typing import Any

from transformers import TrainerCallback

from learner_service.events import Notice, Report
from learner_service.job_folder.history import StepHistory
from tally.job.settings import TrainingConfig
from tally.messages.message import Message

SAID_AFTER = 10
_RATE = "zero_variance_group_rate"
_CEILING = 0.97
# How the job is to be seen by what is said of it.
_CODES = {"untaught_and_right": "nothing_left_to_learn", "untaught": "no_variety"}


class UntaughtSteps(TrainerCallback):
    """`said` is what the job says now, if it says anything."""

    def __init__(self, training: TrainingConfig, history: StepHistory, report: Report) -> None:
        self._training = training
        self._history = history
        self._report = report
        # Exact rates of the steps in a row.
        self._exact_rates: list[float] = []
        self.said: Message | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        entries = [e for e in self._history.entries(having=_RATE) if e["step"] <= state.global_step]
        last = list(takewhile(_taught_nothing, reversed(entries)))
        self._exact_rates = [entry["exact_rate"] for entry in reversed(last)]
        self.said = self._describe() if len(last) >= SAID_AFTER else None
        control.should_training_stop |= self.is_over

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if _RATE not in logs:  # which is no step's
            return
        if not _taught_nothing(logs):
            self._teach(state.global_step)
            return
        self._exact_rates.append(logs["exact_rate"])
        if len(self._exact_rates) == SAID_AFTER or self.is_over:
            self.said = self._describe()
            self._report(Notice.of(self.said, _CODES[self.said.code]))
        control.should_training_stop |= self.is_over

    @property
    def is_over(self) -> bool:
        """Whether the job is to end for it."""
        return 0 < self._training.zero_variance_patience <= len(self._exact_rates)

    def _teach(self, step: int) -> None:
        self._exact_rates = []
        if self.said:
            self.said = None
            self._report(Notice.of(Message("teaches_again", step=step), "teaches_again"))

    def _describe(self) -> Message:
        steps, right = len(self._exact_rates), fmean(self._exact_rates)
        if right >= _CEILING:
            return Message("untaught_and_right", steps=steps, right=right)
        return Message("untaught", steps=steps, temperature=self._training.temperature)


def _taught_nothing(entry: Mapping[str, float]) -> bool:
    """Where other questions were tried in place of those of the step, none of them did either."""
    alike, refilled = entry[_RATE] == 1, entry.get("refilled_group_rate", 0) > 0
    return alike and (not refilled or entry.get("skipped_group_rate") == 1)
