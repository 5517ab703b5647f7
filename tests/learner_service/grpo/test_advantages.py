import pytest
import torch

from learner_service.grpo.advantages import group_advantages
from tally.job.choices import AdvantageScale

REWARDS = torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.85, 0.85, 0.85, 0.85]])


def test_group_scale_by_hand():
    # Mean 0.5, unbiased standard deviation sqrt(4 * 0.25 / 3) = 0.57735.
    expected = 0.5 / (0.5773503 + 1e-4)
    advantages = group_advantages(REWARDS, AdvantageScale.GROUP)
    assert advantages[0].tolist() == pytest.approx([expected, -expected] * 2, abs=1e-6)


def test_a_group_of_equal_rewards_gets_nothing():
    # The mean of three of these is not quite one of them.
    rewards = torch.tensor([[0.1, 0.2, 0.7], [0.7, 0.7, 0.7], [0.85, 0.85, 0.85]])
    for scale in AdvantageScale:
        assert group_advantages(rewards, scale)[1:].abs().max() == 0


def test_no_scale_only_centres():
    assert group_advantages(REWARDS, AdvantageScale.NONE)[0].tolist() == [0.5, -0.5, 0.5, -0.5]


def test_batch_scale_divides_by_the_spread_of_all_rewards():
    spread = REWARDS.std().item()
    advantages = group_advantages(REWARDS, AdvantageScale.BATCH)
    assert advantages[0, 0].item() == pytest.approx(0.5 / (spread + 1e-4))
