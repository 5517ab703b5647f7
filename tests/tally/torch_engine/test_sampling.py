"""Where in a distribution a token is taken from; numbers are reckoned by hand."""

import math

import pytest
import torch

from tally.torch_engine.sampling import Sampler, chances


def taken(weights: list[float], chance: float, temperature: float = 1.0) -> tuple[int, float]:
    logits = torch.tensor([weights]).log()
    sampler = Sampler(temperature, torch.zeros(len(weights)))
    token, logp = sampler.sample(
        logits, torch.tensor([chance], dtype=torch.float64), torch.tensor([0])
    )
    return int(token), float(logp)


@pytest.mark.parametrize(
    ("chance", "token"), [(0.0, 0), (0.19, 0), (0.21, 2), (0.49, 2), (0.51, 3), (1 - 2**-53, 3)]
)
def test_a_chance_takes_the_token_whose_share_it_falls_into(chance, token):
    shares = [0.2, 0.0, 0.3, 0.5, 0.0]
    assert taken(shares, chance) == (token, pytest.approx(math.log(shares[token])))


def test_a_temperature_sharpens_the_shares():
    # Squares of 1 and 3 at half the temperature: shares of 0.1 and 0.9.
    assert taken([1.0, 3.0], 0.09, 0.5) == (0, pytest.approx(math.log(0.1)))
    assert taken([1.0, 3.0], 0.11, 0.5) == (1, pytest.approx(math.log(0.9)))


def test_temperature_zero_takes_the_likeliest_whatever_the_chance():
    assert {taken([0.3, 0.7], chance, 0.0)[0] for chance in (0.0, 0.1, 0.9)} == {1}


def test_tokens_are_taken_from_the_distribution_at_their_place():
    logits = torch.tensor([[0.9, 0.1], [0.2, 0.8]]).log()
    chance = torch.tensor([0.5, 0.5, 0.1], dtype=torch.float64)
    sampler = Sampler(1.0, torch.zeros(2))
    tokens, logps = sampler.sample(logits, chance, torch.tensor([1, 0, 1]))
    assert tokens.tolist() == [1, 0, 0]
    assert logps.exp().tolist() == pytest.approx([0.8, 0.9, 0.2])


# Blocks of 75 tokens; and of 512, the last of which is padded, as no size divides a prime.
@pytest.mark.parametrize("size", [1500, 1511])
def test_a_large_vocabulary_is_sampled_evenly(size):
    logits = torch.zeros(size, size)
    middle = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    tokens, logps = Sampler(1.0, torch.zeros(size)).sample(logits, middle, torch.arange(size))
    assert tokens.tolist() == list(range(size))
    assert logps.tolist() == pytest.approx([-math.log(size)] * size)


@pytest.mark.parametrize("size", [1500, 1511])
def test_a_barred_token_is_taken_at_no_chance(size):
    edges = {0, 74, 75, 511, 512, 1023, size - 1}
    barred = torch.zeros(size)
    barred[list(edges)] = -torch.inf
    chance = torch.cat((torch.linspace(0, 1, 4000, dtype=torch.float64), chances(1, 1, 4000)[0]))
    same = torch.zeros(len(chance), dtype=torch.long)
    tokens, _ = Sampler(1.0, barred).sample(torch.zeros(1, size), chance, same)
    assert set(tokens.tolist()) == set(range(size)) - edges


def test_a_seed_gives_the_same_chances():
    assert torch.equal(chances(5, 3, 4), chances(5, 3, 4))
    assert not torch.equal(chances(5, 3, 4), chances(6, 3, 4))
    assert not torch.equal(chances(None, 3, 4), chances(None, 3, 4))
