"""Says where training begins, once transformers has read the checkpoint that it goes on from."""

from typing import Any

from transformers import TrainerCallback

from learner_service.events import Report, WorkerStarted
from learner_service.job_folder.history import StepHistory
from learner_service.job_folder.keeper import Keeper


class StartReporter(TrainerCallback):
    """Reports the start of a worker, and forgets what was logged of steps that come again."""

    def __init__(self, report: Report, keeper: Keeper, history: StepHistory) -> None:
        self._report = report
        self._attempt = keeper.attempt
        self._history = history

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._history.rewind(state.global_step)
        self._report(
            WorkerStarted(
                attempt=self._attempt,
                resumed_from_step=state.global_step,
                total_steps=state.max_steps,
            )
        )
