"""A job's settings reach transformers' optimizer."""

from pathlib import Path

import pytest
import torch

from learner_service.grpo.training_arguments import training_arguments
from tally.job.settings import TrainingConfig
from tests.learner_service.training import training


@pytest.mark.parametrize("decay", [0.0, 0.25])
def test_weight_decay_is_that_of_every_weight_of_the_adapter(
    random_policy_path: Path, tmp_path: Path, decay: float
):
    with training(random_policy_path, tmp_path, weight_decay=decay, max_steps=1) as running:
        running.trainer.train()
        groups = running.trainer.optimizer.param_groups
    assert {group["weight_decay"] for group in groups if group["params"]} == {decay}


def test_without_a_setting_nothing_decays(tmp_path: Path):
    arguments = training_arguments(TrainingConfig(), tmp_path, torch.device("cpu"))
    assert arguments.weight_decay == 0.0
