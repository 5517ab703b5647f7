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

SAID_AFTER = 10
_RATE = "zero_variance_group_rate"
_CEILING = 0.97


class UntaughtSteps(TrainerCallback):
    """`warning` is what the job says now, if it says anything."""

    def __init__(self, training: TrainingConfig, history: StepHistory, report: Report) -> None:
        self._training = training
        self._history = history
        self._report = report
        # Exact rates of the steps in a row.
        self._exact_rates: list[float] = []
        self.warning: Notice | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        entries = [e for e in self._history.entries(having=_RATE) if e["step"] <= state.global_step]
        last = list(takewhile(_taught_nothing, reversed(entries)))
        self._exact_rates = [entry["exact_rate"] for entry in reversed(last)]
        self.warning = self._describe() if len(last) >= SAID_AFTER else None
        control.should_training_stop |= self.is_over

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if _RATE not in logs:  # which is no step's
            return
        if not _taught_nothing(logs):
            self._teach(state.global_step)
            return
        self._exact_rates.append(logs["exact_rate"])
        if len(self._exact_rates) == SAID_AFTER or self.is_over:
            self.warning = self._describe()
            self._report(self.warning)
        control.should_training_stop |= self.is_over

    @property
    def is_over(self) -> bool:
        """Whether the job is to end for it."""
        return 0 < self._training.zero_variance_patience <= len(self._exact_rates)

    def _teach(self, step: int) -> None:
        self._exact_rates = []
        if self.warning:
            self.warning = None
            self._report(Notice(code="teaches_again", message=f"step {step} taught again"))

    def _describe(self) -> Notice:
        steps, right = len(self._exact_rates), fmean(self._exact_rates)
        said = f"{steps} steps in a row taught nothing: all answers to a question earned the same"
        if right >= _CEILING:
            message = f"{said}; {right:.0%} of them were right, so nothing is left to learn here"
            return Notice(code="nothing_left_to_learn", message=message)
        temperature = f"temperature (now {self._training.temperature:g})"
        message = f"{said}; raise {temperature}, or set zero_variance_groups to refill"
        return Notice(code="no_variety", message=message)


def _taught_nothing(entry: Mapping[str, float]) -> bool:
    """Where other questions were tried in place of those of the step, none of them did either."""
    alike, refilled = entry[_RATE] == 1, entry.get("refilled_group_rate", 0) > 0
    return alike and (not refilled or entry.get("skipped_group_rate") == 1)
