"""The positions of a prompt's tokens, for the rotations of their queries and keys."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

# Prompts of one data set differ little in where their image stands and in its size.
_KEPT = 256


class PromptPositions(Protocol):
    """A prompt's token ids, and the patches of its image, to positions."""

    def __call__(self, prompt_ids: Sequence[int], patches: tuple[int, int, int] | None) -> Tensor:
        """[axes, prompt tokens], not to be changed; `patches` are those of the prompt's image."""


class TextPositions:
    """The places of all tokens, those of an image among them: one axis."""

    def __call__(self, prompt_ids: Sequence[int], patches: tuple[int, int, int] | None) -> Tensor:
        return torch.arange(len(prompt_ids)).unsqueeze(0)


class AxesPositions:
    """Time, height and width of every token: M-RoPE (Qwen2-VL, arXiv 2409.12191).

    `rope_index` is a Qwen model's own function.
    """

    def __init__(self, rope_index: Callable[..., tuple[Tensor, Tensor]], image_token_id: int):
        self._rope_index = rope_index
        self._image_token_id = image_token_id
        self._kept = lru_cache(_KEPT)(self._compute)

    def __call__(self, prompt_ids: Sequence[int], patches: tuple[int, int, int] | None) -> Tensor:
        is_image = tuple(token_id == self._image_token_id for token_id in prompt_ids)
        return self._kept(is_image, patches)

    def _compute(self, is_image: tuple[bool, ...], patches: tuple[int, int, int] | None) -> Tensor:
        types = torch.tensor([is_image]).int()
        positions, _ = self._rope_index(
            torch.zeros_like(types, dtype=torch.long),
            mm_token_type_ids=types,
            image_grid_thw=None if patches is None else torch.tensor([patches]),
        )
        return positions[:, 0]
