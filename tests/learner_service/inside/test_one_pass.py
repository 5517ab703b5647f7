"""A job whose prompts go through the policy once, beside one of two passes."""

import pytest
import torch

from tests.learner_service.inside.conftest import STEPS, Asked

ONE_PASS_A_STEP = {"batch_size": 4, "gradient_accumulation_steps": 1}
FIRST = {"first_completions": 2, "num_generations": 6, "max_steps": 3}


def test_a_job_learns_the_same_in_one_pass_and_repeats_over_a_kill(once: Asked, inside: Asked):
    ours, theirs = (asked.train(**ONE_PASS_A_STEP) for asked in (once, inside))
    learnt = [step for step in ours.steps if step.metrics.skipped_group_rate < 1]
    assert learnt
    assert all(step.metrics.log_probability_gap < 1e-4 for step in learnt)
    for one, other in zip(ours.steps, theirs.steps, strict=True):
        assert one.metrics.reward_mean == other.metrics.reward_mean
        assert one.metrics.loss == pytest.approx(other.metrics.loss, abs=1e-4)
    for name, weight in theirs.adapter.items():
        torch.testing.assert_close(ours.adapter[name], weight, rtol=1e-4, atol=1e-5)
    # Sums are made in another order.
    assert any(not torch.equal(ours.adapter[name], w) for name, w in theirs.adapter.items())
    killed = once.train(**ONE_PASS_A_STEP, kill_after=3)
    assert [step.step for step in killed.steps] == list(range(1, STEPS + 1))
    for name, weight in ours.adapter.items():
        assert torch.equal(killed.adapter[name], weight)


def test_a_prompt_that_was_read_once_is_gone_on_from_twice(once: Asked, inside: Asked):
    ours, theirs = (asked.train(**ONE_PASS_A_STEP, **FIRST) for asked in (once, inside))
    numbers = [step.metrics.sampled_completions for step in ours.steps]
    assert 8 * 3 < sum(numbers) < 24 * 3
    assert numbers == [step.metrics.sampled_completions for step in theirs.steps]
    for one, other in zip(ours.steps, theirs.steps, strict=True):
        assert one.metrics.reward_mean == other.metrics.reward_mean
        assert one.metrics.loss == pytest.approx(other.metrics.loss, abs=1e-4)
    for name, weight in theirs.adapter.items():
        # A tenth of what Adam moves a weight by in a step.
        torch.testing.assert_close(ours.adapter[name], weight, rtol=0, atol=1e-4)
