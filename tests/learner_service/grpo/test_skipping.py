"""Groups without variance: left out of the forward pass, and the gradient is the same."""

from pathlib import Path

import pytest
import torch

from tally.job.choices import LossType
from tests.learner_service.training import Training, training

LEARN = {"zero_variance_groups": "learn"}


def learn_a_step(running: Training) -> tuple[torch.Tensor, int]:
    """Everything up to the optimizer: the gradients, and how many groups were skipped."""
    trainer, learner = running.trainer, running.learner
    trainer.state.max_steps = 1
    passes, _ = trainer.get_batch_samples(iter(()), 2, torch.device("cpu"))
    for inputs in passes:
        learner.learn(inputs["forward_pass"])
    skipped_groups = learner.finish(passes.whole_step().gradient_factor).skipped_groups
    return torch.cat([p.grad.flatten() for p in learner.parameters]), skipped_groups


@pytest.mark.parametrize("loss_type", list(LossType))
def test_the_gradient_is_that_of_all_groups(
    random_policy_path: Path, tmp_path: Path, loss_type: LossType
):
    with training(random_policy_path, tmp_path, loss_type=loss_type) as running:
        skipped, number = learn_a_step(running)
        assert number == 1
    with training(random_policy_path, tmp_path, loss_type=loss_type, **LEARN) as running:
        whole, number = learn_a_step(running)
        assert number == 0
    assert (skipped - whole).norm() / whole.norm() < 1e-5


def test_with_a_kl_penalty_no_group_is_skipped(random_policy_path: Path, tmp_path: Path):
    changes = {"beta": 0.1, "same_answers": lambda seed: True, "max_steps": 1}
    with training(random_policy_path, tmp_path, **changes) as running:
        for name, parameter in running.learner.policy.model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.1)
        gradients, skipped_groups = learn_a_step(running)
        assert gradients.norm() > 0
        assert skipped_groups == 0


def adapter_after_a_step_without_variance(path: Path, folder: Path, **changes) -> torch.Tensor:
    """Of two steps, the second."""
    answers = []

    def same_answers(seed: int) -> bool:
        answers.append(seed)
        return len(answers) > 4

    with training(path, folder, same_answers=same_answers, max_steps=2, **changes) as running:
        running.trainer.train()
        return torch.cat([p.detach().flatten() for p in running.learner.parameters])


def test_a_step_without_variance_moves_the_adapter_as_a_gradient_of_0_does(
    random_policy_path: Path, tmp_path: Path
):
    skipped = adapter_after_a_step_without_variance(random_policy_path, tmp_path / "skipped")
    whole = adapter_after_a_step_without_variance(random_policy_path, tmp_path / "whole", **LEARN)
    assert torch.allclose(skipped, whole, atol=1e-6)
