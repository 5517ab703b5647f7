"""What a job is watched for while it trains, and why it ends before its last step."""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import TrainerCallback, TrainerState

from learner_service.events import EndReason
from learner_service.grpo.held_out_evaluation import HeldOutEvaluation
from learner_service.grpo.untaught_steps import UntaughtSteps


@dataclass(frozen=True, kw_only=True)
class RunEnd:
    """Either asks transformers to stop."""

    evaluation: HeldOutEvaluation
    untaught: UntaughtSteps

    @property
    def callbacks(self) -> Sequence[TrainerCallback]:
        return self.evaluation, self.untaught

    def reason(self, state: TrainerState) -> EndReason:
        """Of a training that has ended."""
        if state.global_step >= state.max_steps:
            return EndReason.NONE
        stalled = self.evaluation.has_stalled
        return EndReason.NO_IMPROVEMENT if stalled else EndReason.NOTHING_TAUGHT
