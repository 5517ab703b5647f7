"""How long a job would take. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from learner_service.preflight.base_sample import BaseSample
from learner_service.preflight.findings import StepPlan
from tally.job.metrics import StepMetrics
from tally.messages.message import Message


@dataclass(frozen=True, kw_only=True)
class TimeEstimate:
    seconds_per_step: float
    seconds: float
    basis: Message


def estimate_time(
    plan: StepPlan, base: BaseSample | None, earlier: Sequence[StepMetrics]
) -> TimeEstimate | None:
    """From the steps of an earlier job, by completions; else from the sample's answers alone."""
    completions = plan.completions_per_step * (base.sampled_share if base else 1.0)
    per_completion = [1 / step.samples_per_second for step in earlier if step.samples_per_second]
    if per_completion:
        per_step = median(per_completion) * completions
        basis = Message("time_of_earlier_job")
    elif base is not None:
        per_step = base.seconds * completions / base.completions
        basis = Message("time_of_sample")
    else:
        return None
    return TimeEstimate(seconds_per_step=per_step, seconds=per_step * plan.total_steps, basis=basis)
