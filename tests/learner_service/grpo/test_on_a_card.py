"""A step of every loss on a pretended card: nothing that it multiplies is left on the CPU."""

from pathlib import Path

import pytest
import torch

from bench.scenes import examples
from bench.tally_side import TallySettings, TallySide
from learner_service.grpo.step import LearntStep
from tally.job.choices import LossType
from tests.fakes.pretended_card import CARD, pretend_a_card


@pytest.mark.parametrize("loss_type", list(LossType))
def test_a_step_on_the_card_is_the_step_on_the_cpu(
    random_policy_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss_type: LossType
):
    settings = TallySettings(model_path=random_policy_path, loss_type=loss_type, beta=0.04)
    side = TallySide(settings, tmp_path)
    card = pretend_a_card(monkeypatch)
    expected = learn(side)
    side.policy.forget_features()
    side.policy.model.zero_grad()
    card.take(side.policy.model)
    with card:
        side.policy.device = CARD
        side.policy.bar([])
        assert learn(side) == expected


def learn(side: TallySide) -> LearntStep:
    learner = side.learner_with()
    completions_P_G = [[[30, 31, 32], [30, 40], [50], [51, 52]]]
    advantages_P_G = torch.tensor([[1.0, -1.0, 0.5, -0.5]])
    learner.learn(side.forward_pass(examples(1, 112), completions_P_G, advantages_P_G))
    return learner.finish()
