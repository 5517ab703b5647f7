"""The loss by hand, and against TRL's own code on the same tensors."""

from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from learner_service.grpo.importance import importance_weights
from learner_service.grpo.losses.loss import LossScale
from learner_service.grpo.losses.loss_types import LOSSES
from learner_service.grpo.losses.policy_loss import k3_divergence, policy_loss
from tally.job.choices import LossType

MAX_NEW_TOKENS = 6


def tensors(seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([6, 1, 4, 3])
    return {
        "logps": -torch.rand(4, 6, generator=generator),
        "old_logps": -torch.rand(4, 6, generator=generator),
        "reference_logps": -torch.rand(4, 6, generator=generator),
        "sampler_logps": -3 * torch.rand(4, 6, generator=generator),
        "advantages": torch.randn(4, generator=generator),
        "mask": torch.arange(6) < lengths.unsqueeze(1),
    }


def ours(
    data: dict[str, Tensor], loss_type: LossType, beta: float, corrected: bool = False
) -> Tensor:
    tokens = int(data["mask"].sum())
    scale = LossScale(step_tokens=tokens * 2, forward_passes=2, max_new_tokens=MAX_NEW_TOKENS)
    return policy_loss(
        data["logps"],
        data["old_logps"],
        data["advantages"],
        data["mask"],
        loss=LOSSES[loss_type],
        scale=scale,
        epsilon_low=0.1,
        epsilon_high=0.3,
        beta=beta,
        reference_logps=data["reference_logps"],
        importance_weights=weights(data) if corrected else None,
    ).loss


def weights(data: dict[str, Tensor]) -> Tensor:
    return importance_weights(data["old_logps"], data["sampler_logps"], cap=1.5).weights


def trls(
    data: dict[str, Tensor], loss_type: LossType, beta: float, corrected: bool = False
) -> Tensor:
    """TRL's GRPOTrainer._compute_loss itself; only the model's forward pass is given."""
    from trl.trainer.grpo_trainer import GRPOTrainer

    mask = data["mask"].int()
    trainer = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *a, **k: (
            data["logps"],
            torch.zeros_like(data["logps"]),
            None,
        ),
        accelerator=SimpleNamespace(
            num_processes=1,
            reduce=lambda x, reduction: x,
            gather=lambda x: x,
            gather_for_metrics=lambda x: x,
        ),
        args=SimpleNamespace(delta=None, use_bias_correction_kl=True, steps_per_generation=2),
        model=SimpleNamespace(training=True),
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level="sequence" if loss_type is LossType.GSPO else "token",
        loss_type="grpo" if loss_type is LossType.GSPO else loss_type.value,
        epsilon_low=0.1,
        epsilon_high=0.3,
        beta=beta,
        use_vllm=corrected,
        vllm_importance_sampling_correction=corrected,
        current_gradient_accumulation_steps=2,
        max_completion_length=MAX_NEW_TOKENS,
        _entropy_bonus_enabled=False,
        _metrics={"train": defaultdict(list)},
    )
    inputs = {
        "prompt_ids": torch.zeros(4, 1, dtype=torch.long),
        "prompt_mask": torch.ones(4, 1, dtype=torch.long),
        "completion_ids": torch.zeros(4, 6, dtype=torch.long),
        "completion_mask": mask,
        "advantages": data["advantages"],
        "old_per_token_logps": data["old_logps"],
        "ref_per_token_logps": data["reference_logps"],
        "num_items_in_batch": mask.sum() * 2,
        # As TRL 1.16 makes it where it samples with vLLM, in the mode token_truncate.
        "importance_sampling_ratio": torch.clamp(
            torch.exp((data["old_logps"] - data["sampler_logps"]) * mask), max=1.5
        ),
    }
    return GRPOTrainer._compute_loss(trainer, None, inputs)


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("beta", [0.0, 0.04])
@pytest.mark.parametrize("loss_type", list(LossType))
def test_equal_to_trl(loss_type: LossType, beta: float, corrected: bool):
    for seed in range(5):
        data = tensors(seed)
        data["logps"].requires_grad_()
        mine = ours(data, loss_type, beta, corrected)
        (my_gradient,) = torch.autograd.grad(mine, data["logps"])
        theirs = trls(data, loss_type, beta, corrected)
        (their_gradient,) = torch.autograd.grad(theirs, data["logps"])
        assert mine.item() == pytest.approx(theirs.item(), abs=1e-5)
        assert torch.allclose(my_gradient, their_gradient, atol=1e-6)


def test_one_token_by_hand():
    # ratio = e^0.5 = 1.6487 is clipped to 1.2; the advantage is 2, so the loss is -2.4.
    scale = LossScale(step_tokens=1, forward_passes=1, max_new_tokens=1)
    parts = policy_loss(
        torch.tensor([[-0.5]]),
        torch.tensor([[-1.0]]),
        torch.tensor([2.0]),
        torch.tensor([[True]]),
        loss=LOSSES[LossType.DAPO],
        scale=scale,
        epsilon_low=0.2,
        epsilon_high=0.2,
    )
    assert parts.loss.item() == pytest.approx(-2.4)
    assert (parts.clip_high_rate.item(), parts.clip_low_rate.item()) == (1.0, 0.0)


def test_k3_by_hand():
    # difference 0.5: e^0.5 - 0.5 - 1 = 0.1487
    assert k3_divergence(torch.tensor(-1.0), torch.tensor(-0.5)).item() == pytest.approx(0.1487213)


def test_beta_without_a_reference_is_refused():
    data = tensors(0) | {"reference_logps": None}
    with pytest.raises(ValueError, match="reference_logps"):
        ours(data, LossType.GRPO, beta=0.1)
