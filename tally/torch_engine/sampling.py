"""Logits → sampled tokens and their log-probabilities."""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

# Below this the likeliest token has every chance that float32 can tell; dividing by less overflows.
_LEAST_TEMPERATURE = 1e-6
# A block of about the square root of the vocabulary; of a size that divides it nothing is padded.
_PADDED_BLOCK = 512
_BLOCKS = range(64, 2049)
_MOST_CHANCE = 1 - 1e-12


class Sampler:
    """Samples rows at one temperature; `barred_V` is -inf at tokens never to sample, else 0."""

    def __init__(self, temperature: float, barred_V: Tensor) -> None:
        self._greedy = temperature == 0
        self._temperature = 1.0 if self._greedy else max(temperature, _LEAST_TEMPERATURE)
        self._barred_V = barred_V

    def sample(
        self, logits_N_V: Tensor, chance_R: Tensor, place_R: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens [R] and their natural log-probabilities [R], over what may be sampled.

        `place_R` in 0…N-1: which distribution each is from. `chance_R` in [0, 1): where in it.
        """
        logps_N_V = torch.log_softmax(
            (logits_N_V.float() + self._barred_V) / self._temperature, dim=-1
        )
        if self._greedy:
            tokens_R = logps_N_V.argmax(-1)[place_R]
        else:
            tokens_R = _draw(logps_N_V.exp(), chance_R, place_R)
        return tokens_R, logps_N_V[place_R, tokens_R]


def chances(seed: int | None, tokens: int, rows: int) -> Tensor:
    """[tokens, rows] uniform in [0, 1): the same for the same seed, whatever else is sampled."""
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return torch.rand((tokens, rows), generator=generator, dtype=torch.float64)


def _draw(probabilities_N_V: Tensor, chance_R: Tensor, place_R: Tensor) -> Tensor:
    """The inverse of the distribution function: first a block of the vocabulary, then a token.

    A noise for every token, or a sum over a large vocabulary in one go, takes many times longer.
    Unlike torch.multinomial it can't end the process on a GPU where an adapter makes NaN.
    """
    vocabulary = probabilities_N_V.shape[1]
    block = _block_of(vocabulary)
    padding = -vocabulary % block
    padded = functional.pad(probabilities_N_V, (0, padding)) if padding else probabilities_N_V
    blocks = padded.unflatten(1, (-1, block))
    block_R, rest_R = _find_crossing(blocks.sum(-1, dtype=torch.float64)[place_R], chance_R)
    within_R, _ = _find_crossing(blocks[place_R, block_R].double(), rest_R)
    return (block_R * block + within_R).clamp_(max=vocabulary - 1)


@cache
def _block_of(vocabulary: int) -> int:
    divisors = [size for size in _BLOCKS if vocabulary % size == 0]
    return min(divisors, key=lambda size: abs(size - vocabulary**0.5), default=_PADDED_BLOCK)


def _find_crossing(weights_R_N: Tensor, chance_R: Tensor) -> tuple[Tensor, Tensor]:
    """Where each row's running sum passes `chance_R` of its total, and how far within that item.

    An item of weight 0 is never it.
    """
    sums = weights_R_N.cumsum(-1)
    target = (chance_R.clamp(max=_MOST_CHANCE) * sums[:, -1]).unsqueeze(1)
    index = torch.searchsorted(sums, target, right=True).clamp_(max=sums.shape[1] - 1)
    weight = weights_R_N.gather(1, index)
    rest = (target - (sums.gather(1, index) - weight)) / weight
    return index.squeeze(1), rest.squeeze(1).clamp_(min=0)
