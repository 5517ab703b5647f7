"""The base in parts: what each process holds of it, and that no number changes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.exactness import (
    draw_groups,
    load_policy,
    lora_gradients,
    packed_logps,
    relative_difference,
)
from learner_service.policy.policy import Policy
from learner_service.ranks import Ranks
from tally.families.registry import FAMILIES
from tally.samples.small_models import save_small_model
from tests.learner_service.rank_process import RankProcesses

CASES: dict[str, dict[str, Any]] = {family: {"family": family} for family in FAMILIES}
CASES["checkpointed"] = {"family": "qwen3_vl", "gradient_checkpointing": True}
CASES["bfloat16"] = {"family": "qwen2_5_vl", "dtype": torch.bfloat16}


def figures(policy: Policy, ranks: Ranks) -> tuple[Tensor, Tensor]:
    """Log-probabilities and LoRA gradients of this process's group, and of none the second time
    if it is the last."""
    policy.model.train()
    groups, images = draw_groups(policy)
    logps, gradients = [], []
    for turn in range(2):
        if turn and ranks.rank == ranks.count - 1:
            policy.join(forward_passes=1)
            continue
        own = slice(ranks.rank, ranks.rank + 1)
        of_turn = packed_logps(policy, groups[own], images[own])
        logps.append(of_turn.detach())
        gradients.append(lora_gradients(policy.model, of_turn))
    return torch.cat(logps), torch.cat(gradients)


def layer_weights(policy: Policy) -> list[Tensor]:
    """The frozen ones of the decoder layers."""
    layers = policy.family.language_model(policy.base).layers
    return [parameter for parameter in layers.parameters() if not parameter.requires_grad]


def run(ranks: Ranks, folder: Path, models: str) -> dict[str, Any]:
    torch.set_num_threads(1)
    return {name: compare(ranks, Path(models), **case) for name, case in CASES.items()}


def compare(ranks: Ranks, models: Path, family: str, **changes: Any) -> dict[str, float]:
    whole = load_policy(models / family, **changes)
    sharded = load_policy(models / family, sharded_over=ranks, **changes)
    logps, gradients = figures(sharded, ranks)
    expected_logps, expected_gradients = figures(whole, ranks)
    return {
        "logps": (logps - expected_logps).abs().max().item(),
        "gradients": relative_difference(gradients, expected_gradients),
        "part": sum(one.to_local().untyped_storage().nbytes() for one in layer_weights(sharded))
        / sum(weight.nbytes for weight in layer_weights(whole)),
    }


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model of each family."""
    folder = tmp_path_factory.mktemp("models")
    for family in FAMILIES:
        save_small_model(family, folder / family)
    return folder


@pytest.fixture(scope="module", params=[2, 3])
def compared(
    request: pytest.FixtureRequest, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, list[dict[str, Any]]]:
    """How many processes there are, and what each has found."""
    folder = tmp_path_factory.mktemp("sharding")
    processes = RankProcesses(request.param, run, folder, models=str(models))
    said = processes.results()
    assert all("result" in one for one in said), said
    return request.param, [one["result"] for one in said]


@pytest.mark.parametrize("case", CASES)
def test_no_number_changes(compared: tuple[int, list[dict[str, Any]]], case: str):
    for found in compared[1]:
        assert found[case]["logps"] < 1e-6
        assert found[case]["gradients"] < 1e-6


@pytest.mark.parametrize("case", CASES)
def test_a_process_holds_its_part_of_the_layers(
    compared: tuple[int, list[dict[str, Any]]], case: str
):
    """Rounded up to whole rows, or experts, of which a small model has few."""
    count, found = compared
    for one in found:
        assert 1 / count <= one[case]["part"] < 1.1 / count


def test_a_base_in_4_bits_is_not_held_in_parts(random_policy_path: Path):
    with pytest.raises(ValueError, match="4 bits"):
        load_policy(random_policy_path, sharded_over=Ranks.alone(), use_4bit=True)
