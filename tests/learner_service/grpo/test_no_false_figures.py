"""What a step did not measure is not a number, never 0."""

import math

import pytest
import torch

from learner_service.clients.rewards import Score
from learner_service.grpo.losses.dapo import Dapo
from learner_service.grpo.losses.loss import LossScale
from learner_service.grpo.losses.policy_loss import policy_loss
from learner_service.grpo.metrics import count_metrics


def scored(count: int | None, true: int = 3) -> Score:
    difference = None if count is None else abs(count - true)
    return Score(count=count, difference=difference, reward=0.0)


def test_where_no_answer_holds_a_count_there_is_no_error():
    metrics = count_metrics([scored(None)] * 4, [0.25] * 4)
    errors = {name for name in metrics if name.endswith("_error")}
    assert len(errors) == 2
    assert all(math.isnan(metrics[name]) for name in errors)
    assert (metrics["parse_failure_rate"], metrics["exact_rate"]) == (1.0, 0.0)


def test_one_absurd_answer_leaves_the_median():
    metrics = count_metrics([*[scored(4)] * 7, scored(11_111_118)], [0.125] * 8)
    assert metrics["median_absolute_count_error"] == 1.0
    assert metrics["far_off_rate"] == 0.125
    assert metrics["mean_absolute_count_error"] > 1_000_000


@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_kl_is_measured_where_it_is_weighed(beta: float):
    logps = torch.tensor([[-0.5, -1.0]])
    parts = policy_loss(
        logps,
        logps,
        torch.ones(1),
        torch.ones(1, 2, dtype=torch.bool),
        loss=Dapo(),
        scale=LossScale(step_tokens=2, forward_passes=1, max_new_tokens=2),
        epsilon_low=0.2,
        epsilon_high=0.2,
        beta=beta,
        reference_logps=logps - 1 if beta else None,
    )
    assert math.isfinite(parts.loss.item())
    assert math.isfinite(parts.kl_mean.item()) == (beta > 0)
