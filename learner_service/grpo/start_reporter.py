"""Says where training begins, once transformers has read the checkpoint that it goes on from."""

from typing import Any

from transformers import TrainerCallback

from learner_service.events import Report, WorkerStarted
from learner_service.job_folder.fence import Attempt
from learner_service.job_folder.history import StepHistory


class StartReporter(TrainerCallback):
    """Reports the start of a worker, and forgets what was logged of steps that come again."""

    def __init__(self, report: Report, attempt: Attempt, history: StepHistory) -> None:
        self._report = report
        self._attempt = attempt
        self._history = history

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        with self._attempt.write():
            self._history.rewind(state.global_step)
        self._report(
            WorkerStarted(
                attempt=self._attempt.number,
                resumed_from_step=state.global_step,
                total_steps=state.max_steps,
            )
        )
