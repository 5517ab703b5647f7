"""Logits → sampled tokens and their log-probabilities."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from rollout_service.errors import BadAdapter
from rpc.errors import Internal

# Below this the likeliest token has every chance that float32 can tell; dividing by less overflows.
_LEAST_TEMPERATURE = 1e-6
_LEAST_NOISE = 1e-30


class Sampler:
    """Samples for the rows of several requests at one temperature; each draws from its own seed.

    `barred_V` is 0 at tokens that may be sampled and -inf at the others.
    """

    def __init__(
        self,
        temperature: float,
        rows_per_request: Sequence[int],
        seeds: Sequence[int | None],
        barred_V: Tensor,
    ) -> None:
        self._greedy = temperature == 0
        self._temperature = 1.0 if self._greedy else max(temperature, _LEAST_TEMPERATURE)
        self._barred_V = barred_V
        self._rows_per_request = list(rows_per_request)
        self._generators = [_generator(seed, barred_V.device) for seed in seeds]

    def sample(self, logits_R_V: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens [R] and their natural log-probabilities [R], over what may be sampled."""
        logps_R_V = torch.log_softmax(
            (logits_R_V.float() + self._barred_V) / self._temperature, dim=-1
        )
        scores = logps_R_V if self._greedy else logps_R_V - self._noise(logps_R_V)
        tokens_R = scores.argmax(dim=-1)
        return tokens_R, logps_R_V.gather(1, tokens_R.unsqueeze(1)).squeeze(1)

    def _noise(self, like: Tensor) -> Tensor:
        """The log of exponential noise: the largest logp - log(noise) is a sample (Gumbel-max).

        Unlike torch.multinomial it can't end the process on a GPU where an adapter makes NaN.
        """
        noise = torch.empty_like(like)
        parts = noise.split(self._rows_per_request)
        for part, generator in zip(parts, self._generators, strict=True):
            part.exponential_(generator=generator)
        return noise.clamp_min_(_LEAST_NOISE).log_()


def check_finite(logps_T: Sequence[float], adapter_digest: str) -> None:
    """Raises BadAdapter, or Internal for the base model, where the model has overflowed."""
    if all(map(math.isfinite, logps_T)):
        return
    if adapter_digest:
        raise BadAdapter("adapter: its weights make the model overflow")
    raise Internal("the model overflows on this prompt")


def _generator(seed: int | None, device: torch.device) -> torch.Generator:
    generator = torch.Generator(device)
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return generator
