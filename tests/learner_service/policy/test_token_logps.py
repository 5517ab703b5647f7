"""Log-probabilities in chunks against the logits all at once."""

import pytest
import torch

from learner_service.policy import token_logps
from learner_service.policy.token_logps import choices, score

SOURCES = torch.tensor([7, 7, 2, 9, 7, 3])
TOKENS = torch.tensor([4, 1, 0, 5, 4, 2])
BARRED = torch.tensor([3, 6])


def plain(hidden: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    logits = (hidden[SOURCES] @ weight.T / 0.7).index_fill(-1, BARRED, -torch.inf)
    logps = logits.log_softmax(-1)
    entropies = -(logps.exp() * logps.nan_to_num(neginf=0.0)).sum(-1)
    return logps.gather(-1, TOKENS.unsqueeze(1)).squeeze(1), entropies


@pytest.mark.parametrize("logits_per_chunk", [1, 16, 1000])
def test_equal_to_plain_log_softmax(monkeypatch: pytest.MonkeyPatch, logits_per_chunk: int):
    monkeypatch.setattr(token_logps, "_LOGITS_PER_CHUNK", logits_per_chunk)
    torch.manual_seed(0)
    hidden, weight = torch.randn(10, 5, requires_grad=True), torch.randn(8, 5)
    chosen = choices(SOURCES, TOKENS)
    logps, entropies = score(
        hidden[SOURCES.unique()], weight, chosen, temperature=0.7, barred_ids=BARRED
    )
    expected_logps, expected_entropies = plain(hidden, weight)
    torch.testing.assert_close(logps, expected_logps)
    torch.testing.assert_close(entropies, expected_entropies)
    weights = torch.arange(1.0, 7.0)
    (gradient,) = torch.autograd.grad((logps * weights).sum(), hidden)
    (expected,) = torch.autograd.grad((expected_logps * weights).sum(), hidden)
    torch.testing.assert_close(gradient, expected)


def test_a_barred_token_is_impossible():
    hidden, weight = torch.randn(1, 5), torch.randn(8, 5)
    chosen = choices(torch.tensor([0]), torch.tensor([6]))
    logps, _ = score(hidden, weight, chosen, temperature=1.0, barred_ids=BARRED)
    assert logps.item() == -torch.inf
