"""What one optimizer step measures of itself while it runs: time and tokens."""

import time

from transformers import TrainerState

from learner_service.events import StepDone
from learner_service.grpo.metrics import group_metrics
from learner_service.grpo.passes import WholeStep
from learner_service.grpo.step import LearntStep
from tally.job.metrics import Measured, StepMetrics
from tally.traces.spans import current_traceparent


class StepMeter:
    """Made when a step begins; `metrics` are those of StepMetrics but for transformers' own."""

    def __init__(self) -> None:
        self._started = self._learning_started = time.monotonic()

    def begin_learning(self) -> None:
        self._learning_started = time.monotonic()

    def metrics(self, whole: WholeStep, learnt: LearntStep, step: int) -> dict[str, Measured]:
        """`step` is the number of optimizer steps before it."""
        now = time.monotonic()
        seconds = now - self._started
        groups = whole.groups
        completions = sum(g.sampled_completions for g in groups)
        return {
            **group_metrics(groups, whole.weights, step),
            **learnt.token_means,
            **learnt.set_means,
            "skipped_group_rate": learnt.skipped_groups / len(groups),
            "waiting_seconds": whole.waited_seconds,
            "learning_seconds": now - self._learning_started - whole.waited_seconds,
            "step_seconds": seconds,
            "sampled_completions": float(completions),
            "samples_per_second": completions / seconds,
            "tokens_per_second": sum(g.sampled_tokens for g in groups) / seconds,
        }


def describe_step(
    state: TrainerState, metrics: StepMetrics, whole: WholeStep, learnt: LearntStep
) -> StepDone:
    """The step that `state` has just counted."""
    return StepDone(
        step=state.global_step,
        total_steps=state.max_steps,
        metrics=metrics,
        groups=len(whole.groups),
        skipped_groups=learnt.skipped_groups,
        traceparent=current_traceparent(),
    )
