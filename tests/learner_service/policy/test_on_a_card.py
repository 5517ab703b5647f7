"""The learner on a pretended card: nothing that it multiplies is left on the CPU."""

import pytest
import torch

from bench.exactness import draw_groups, lora_gradients, packed_logps, relative_difference
from learner_service.policy.policy import Policy
from tests.fakes.pretended_card import CARD, CPU, PretendedCard, WrongDevice, pretend_a_card


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> PretendedCard:
    return pretend_a_card(monkeypatch)


def test_forward_and_backward_are_on_the_card(small_policy: Policy, card: PretendedCard):
    small_policy.model.eval()
    groups, images = draw_groups(small_policy)
    small_policy.bar([300])
    expected = packed_logps(small_policy, groups, images)
    gradients = lora_gradients(small_policy.model, expected)
    small_policy.forget_features()
    card.take(small_policy.model)
    with card:
        small_policy.device = CARD
        small_policy.bar([300])
        logps = packed_logps(small_policy, groups, images)
        assert logps.device == CARD
        card_gradients = lora_gradients(small_policy.model, logps)
    assert torch.equal(logps, expected)
    assert relative_difference(card_gradients, gradients) < 1e-6


def test_the_pretended_card_refuses_what_a_card_does(card: PretendedCard):
    layer = torch.nn.Linear(3, 3)
    card.take(layer)
    with card:
        output = layer(torch.zeros(2, 3, device=CARD))
        for refused in (
            lambda: layer(torch.zeros(2, 3)),
            lambda: output + torch.ones(3),
            lambda: output.detach().numpy(),
            lambda: torch.arange(2)[torch.zeros(1, dtype=torch.long).to("cuda")],
        ):
            with pytest.raises(WrongDevice):
                refused()
        assert (output * torch.tensor(2.0)).T.device == CARD
        assert (output.cpu() + torch.ones(3)).device == CPU
