"""Packed groups in bfloat16, over 4-bit weights, with dropout and with gradient checkpointing."""

from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from peft import get_peft_model

from bench.exactness import draw_groups, lora_gradients, packed_logps, relative_difference
from learner_service.policy.lora import fuse
from learner_service.policy.policy import Policy, PolicySettings
from tally.job.settings import LoraConfig
from tally.weights.kept_bases import KeptBases


def policy(path: Path, dropout: float = 0.0, **changes: Any) -> Policy:
    fields = {
        "source": str(path),
        "device": "cpu",
        "dtype": torch.float32,
        "use_4bit": False,
        "seed": 3,
        "feature_cache_bytes": 10**8,
    }
    made = Policy(
        PolicySettings(**fields | changes), LoraConfig(r=4, lora_alpha=8, lora_dropout=dropout)
    )
    torch.manual_seed(6)
    for name, parameter in made.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return made


def figures(made: Policy) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities and LoRA gradients of a packed pass in training mode."""
    made.model.train()
    logps = packed_logps(made, *draw_groups(made))
    return logps.detach(), lora_gradients(made.model, logps)


def with_pefts_own_layers(made: Policy) -> Policy:
    for module in made.model.modules():
        module.__dict__.pop("forward", None) if hasattr(module, "lora_A") else None
    return made


def test_checkpointing_changes_no_number(small_model_path: Path):
    plain = figures(policy(small_model_path))
    checkpointed = figures(policy(small_model_path, gradient_checkpointing=True))
    assert torch.equal(plain[0], checkpointed[0])
    assert relative_difference(checkpointed[1], plain[1]) < 1e-6


def test_bfloat16_is_close_to_float32(small_model_path: Path):
    exact = figures(policy(small_model_path))
    rounded = figures(policy(small_model_path, dtype=torch.bfloat16))
    assert (rounded[0] - exact[0]).abs().mean() < 0.05
    assert relative_difference(rounded[1], exact[1]) < 0.1
    assert rounded[1].dtype == torch.float32


def test_a_base_that_was_kept_gives_every_bit_of_one_that_was_quantised(
    small_model_path: Path, tmp_path: Path
):
    kept = {"use_4bit": True, "kept_bases": KeptBases(tmp_path, 10**9)}
    quantised = figures(policy(small_model_path, use_4bit=True))
    for _ in range(2):
        again = figures(policy(small_model_path, **kept))
        assert torch.equal(again[0], quantised[0])
        assert torch.equal(again[1], quantised[1])
    assert len(list(tmp_path.glob("*.safetensors"))) == 1


@pytest.mark.parametrize("changes", [{}, {"use_4bit": True}], ids=["float32", "4-bit"])
def test_lora_in_fewer_passes_equals_pefts(small_model_path: Path, changes: dict[str, bool]):
    ours = figures(policy(small_model_path, **changes))
    pefts = figures(with_pefts_own_layers(policy(small_model_path, **changes)))
    assert (ours[0] - pefts[0]).abs().max() < 1e-4
    assert relative_difference(ours[1], pefts[1]) < 1e-3


def test_a_pass_of_the_reference_leaves_weights_in_4_bits_as_they_are(random_policy_path: Path):
    made = policy(random_policy_path, use_4bit=True)
    made.model.eval()
    drawn = draw_groups(made)
    with torch.no_grad():
        before = packed_logps(made, *drawn)
        with made.model.disable_adapter():
            reference = packed_logps(made, *drawn)
        assert torch.equal(packed_logps(made, *drawn), before)
    assert not torch.equal(reference, before)


def test_dropout_equals_pefts():
    torch.manual_seed(2)
    config = peft.LoraConfig(target_modules=["0"], r=2, lora_alpha=3, lora_dropout=0.5)
    model = get_peft_model(torch.nn.Sequential(torch.nn.Linear(6, 5)), config)
    layer = model.base_model.model[0]
    torch.nn.init.normal_(layer.lora_B["default"].weight)
    x, results = torch.randn(4, 6, requires_grad=True), []
    for _ in range(2):
        torch.manual_seed(9)
        output = layer(x)
        results.append((output, *torch.autograd.grad(output.square().sum(), [x, *lora_of(layer)])))
        fuse(layer)
    torch.testing.assert_close(results[0], results[1])


def lora_of(layer: torch.nn.Module) -> list[torch.Tensor]:
    return [layer.lora_A["default"].weight, layer.lora_B["default"].weight]
