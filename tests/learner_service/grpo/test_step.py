"""A step without a trainer: passes add up, what is not learnt from is 0, and a bad loss is told."""

from dataclasses import replace

import pytest
import torch

from learner_service.errors import LossNotFinite
from learner_service.grpo.forward_pass import ForwardPass
from learner_service.grpo.losses.loss import LossScale
from learner_service.grpo.step import StepLearner
from learner_service.policy.packing import Group
from learner_service.policy.policy import Policy
from tally.job.choices import LossType
from tally.job.settings import TrainingConfig

SCALE = LossScale(step_tokens=6, forward_passes=1, max_new_tokens=4)


def learner_on(policy: Policy, **settings: object) -> StepLearner:
    no_image = torch.zeros(0, policy.hidden_size)
    training = TrainingConfig(temperature=1.0, **settings)
    return StepLearner(policy, lambda digests: [no_image for _ in digests], training)


def pass_of(*starts: int, scale: LossScale = SCALE, num_skipped: int = 0) -> ForwardPass:
    """A group of two completions, three tokens, for each start."""
    groups = [
        Group(
            prompt_ids=[start, start + 1],
            position_ids=torch.arange(2).expand(3, 2),
            completions=[[start + 2, start + 3], [start + 4]],
            sampler_logps=[[-5.0, -5.0], [-5.0]],
        )
        for start in starts
    ]
    return ForwardPass(
        groups=groups,
        image_digests=["a" * 64] * len(groups),
        advantages=torch.tensor([1.0, -0.5] * len(groups)),
        scale=scale,
        num_skipped=num_skipped,
    )


def gradients_of(learner: StepLearner) -> torch.Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in learner.parameters])


@pytest.mark.parametrize("loss_type", list(LossType))
def test_passes_add_up_to_their_step(policy: Policy, loss_type: LossType):
    learner = learner_on(policy, loss_type=loss_type)
    learner.learn(pass_of(5, 20))
    together, at_once = learner.finish(), gradients_of(learner)
    policy.model.zero_grad()
    halves = replace(SCALE, forward_passes=2)
    losses = [learner.learn(pass_of(start, scale=halves)) for start in (5, 20)]
    one_by_one = learner.finish()
    torch.testing.assert_close(one_by_one.loss, together.loss)
    torch.testing.assert_close(sum(losses), together.loss)
    torch.testing.assert_close(gradients_of(learner), at_once, rtol=1e-4, atol=1e-6)


def test_a_step_that_learns_nothing_has_gradients_of_0(policy: Policy):
    learner = learner_on(policy)
    learner.learn(pass_of(num_skipped=2))
    step = learner.finish()
    assert (step.loss.item(), step.skipped_groups) == (0.0, 2)
    assert not gradients_of(learner).any()
    assert not any(torch.isfinite(torch.tensor([*step.token_means.values()])))


def test_the_factor_of_the_step_scales_loss_and_gradients(policy: Policy):
    learner = learner_on(policy)
    learner.learn(pass_of(5))
    plain, gradients = learner.finish(), gradients_of(learner)
    policy.model.zero_grad()
    learner.learn(pass_of(5))
    torch.testing.assert_close(learner.finish(2.0).loss, 2 * plain.loss)
    torch.testing.assert_close(gradients_of(learner), 2 * gradients)


def test_a_loss_that_is_no_number_is_told(policy: Policy):
    learner = learner_on(policy)
    learner.learn(replace(pass_of(5), share=float("nan")))
    with pytest.raises(LossNotFinite, match="learning_rate"):
        learner.finish()
