"""What a job's first process writes down and tells of its steps."""

from collections.abc import Mapping
from dataclasses import replace

from transformers import TrainerState

from learner_service.events import Report
from learner_service.grpo.passes import WholeStep
from learner_service.grpo.step import LearntStep
from learner_service.grpo.step_meter import describe_step
from learner_service.job_folder.history import StepHistory
from learner_service.job_folder.keeper import Keeper
from learner_service.room_wait import RoomWait
from tally.job.metrics import Measured, StepMetrics


class StepRecord:
    """`history` has what transformers would keep in memory."""

    def __init__(
        self, history: StepHistory, keeper: Keeper, room: RoomWait, report: Report
    ) -> None:
        self._history = history
        self._keeper = keeper
        self._room = room
        self._report = report

    def write(self, entry: dict[str, float]) -> None:
        """What transformers has logged; waits for room on the disk."""

        def append() -> None:
            self._history.append(entry)
            self._keeper.log_history(entry)

        self._room.run(append)

    def report_step(
        self,
        state: TrainerState,
        measured: Mapping[str, Measured],
        entry: Mapping[str, float],
        whole: WholeStep,
        learnt: LearntStep,
    ) -> None:
        """`entry` has what transformers itself logs of a step."""
        own = {name: float(entry[name]) for name in ("epoch", "loss", "learning_rate")}
        gradient_norm = {"gradient_norm": float(entry.get("grad_norm", 0.0))}
        metrics = StepMetrics.of({**measured, **own, **gradient_norm})
        self._report(describe_step(state, metrics, whole, learnt))

    def with_history(self, state: TrainerState) -> TrainerState:
        return replace(state, log_history=self._history.entries())
