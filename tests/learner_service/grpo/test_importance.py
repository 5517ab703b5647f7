from pathlib import Path

import pytest
import torch

from learner_service.grpo.importance import importance_weights


def test_by_hand():
    # e^(-1 + 1.5) = 1.6487; e^(-1 + 3) = 7.389, cut off at 3; e^(-2 + 1) = 0.3679
    old, sampler = torch.tensor([[-1.0, -1.0, -2.0]]), torch.tensor([[-1.5, -3.0, -1.0]])
    importance = importance_weights(old, sampler, cap=3.0)
    assert importance.ratios[0].tolist() == pytest.approx([1.6487213, 7.3890561, 0.3678794])
    assert importance.weights[0].tolist() == pytest.approx([1.6487213, 3.0, 0.3678794])
    assert importance.truncated.tolist() == [[False, True, False]]


def test_nothing_is_learnt_through_the_weights():
    old = torch.tensor([[-1.0]], requires_grad=True)
    assert not importance_weights(old, torch.tensor([[-2.0]]), cap=3.0).weights.requires_grad


def test_equal_to_trls_own_ratio(random_policy_path: Path, tmp_path: Path):
    """TRL makes it where vLLM sampled; here the ids and log-probabilities are given instead."""
    from bench.scenes import examples
    from bench.trl_side import TrlSettings, TrlSide

    settings = TrlSettings(model_path=random_policy_path, num_generations=2, prompts_per_pass=2)
    scenes = examples(2, side_pixels=56)
    trainer = TrlSide(settings, scenes, tmp_path).trainer
    trainer.use_vllm = True
    trainer.vllm_importance_sampling_mode = "token_truncate"
    trainer.vllm_importance_sampling_clip_max = 1.5
    ids = [[40, 41, 42], [43], [44, 45], [46, 47, 48]]
    sampled = [[-12.0 * ((7 * token) % 10) / 10 for token in row] for row in ids]
    rows = [
        {"prompt": [{"role": "user", "content": s.question}], "image": s.image, "true_count": 1}
        for s in scenes
        for _ in range(2)
    ]
    batch = trainer.batch_of(rows, ids, sampled)
    mask = batch["completion_mask"].bool()
    ours = importance_weights(
        batch["old_per_token_logps"], batch["sampling_per_token_logps"], cap=1.5
    )
    assert torch.equal(ours.weights[mask], batch["importance_sampling_ratio"][mask])
    assert 0 < ours.truncated[mask].sum() < mask.sum()
