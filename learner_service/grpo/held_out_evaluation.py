"""Every few steps, and after the last one, what is held out is answered by the adapter of then.

It draws no random number and touches no weight: a job learns bit for bit the same without it.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from transformers import TrainerCallback

from learner_service.clients.rewards import Score
from learner_service.data.dataset import Row
from learner_service.evaluation.evaluator import Evaluator
from learner_service.evaluation.row_scores import SCORES, figures, row_scores
from learner_service.evaluation.score_intervals import rate_intervals
from learner_service.events import HeldOutScored
from learner_service.job_folder.held_out_curve import PREFIX, HeldOutCurve
from learner_service.job_folder.history import StepHistory
from learner_service.ranks import Ranks
from tally.job.comparison import IntervalScores
from tally.job.settings import TrainingConfig


class HeldOutEvaluation(TrainerCallback):
    """Of a job that evaluates every evaluation_steps; never where that is 0, or without rows.

    Each process asks for its share of the rows, and all know the curve.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        rows: Sequence[Row],
        training: TrainingConfig,
        history: StepHistory,
        ranks: Ranks,
    ) -> None:
        self._evaluator = evaluator
        self._rows = rows
        self._every_steps = training.evaluation_steps if rows else 0
        self._patience = training.evaluation_patience
        self._history = history
        self._ranks = ranks
        self.curve = HeldOutCurve()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.curve = HeldOutCurve.read(self._history, state.global_step)
        control.should_training_stop |= self.has_stalled

    @property
    def has_stalled(self) -> bool:
        """Whether the job is to end, since none of the last evaluations was better."""
        return 0 < self._patience <= self.curve.since_best

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_evaluate = self.is_missing(state.global_step, state.max_steps)

    def is_missing(self, step: int, last_step: int) -> bool:
        """Whether the adapter after `step` is to be scored and was not yet: a worker that was
        stopped meanwhile has saved the step without."""
        is_due = step and self._every_steps and (step % self._every_steps == 0 or step == last_step)
        return bool(is_due) and step not in self.curve

    def score(self, step: int, adapter_digest: str) -> HeldOutScored:
        """Raises what sampling raises, or StopRequested."""
        own = self._evaluator.answer(self._ranks.share(self._rows), adapter_digest)
        scored = self._ranks.whole([answered.score for answered in own])
        scores = _with_intervals(scored, images=len({row.image_digest for row in self._rows}))
        is_best = self.curve.add(step, scores.exact_rate or 0.0)
        return HeldOutScored(step=step, num_samples=len(scored), scores=scores, is_best=is_best)


def _with_intervals(scored: Sequence[Score], images: int) -> IntervalScores:
    """No interval of what is no rate."""
    scores = row_scores(scored)
    intervals = dict.fromkeys(SCORES) | rate_intervals(scores, trials=images)
    return IntervalScores(**figures(scores.values()), intervals=intervals)


def history_figures(scored: HeldOutScored) -> dict[str, float]:
    """The finite ones as transformers' own evaluation would log them, ends of intervals too."""
    found = {k: v for k, v in asdict(scored.scores).items() if k != "intervals" and v is not None}
    for name, ends in scored.scores.intervals.items():
        if ends is not None:
            found |= {f"{name}_low": ends[0], f"{name}_high": ends[1]}
    return {f"{PREFIX}{name}": figure for name, figure in found.items()}
