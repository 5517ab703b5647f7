import pytest
import torch

from learner_service.importance import importance_weights


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
