"""Keys and values as the language model's layers write and read them (`Cache.update`)."""

from collections.abc import Sequence

import torch
from torch import Tensor

_ROOM_TOKENS = 32


class PromptCache:
    """Keys and values of one prompt, [1, heads, prompt tokens, head size] for each layer."""

    def __init__(self) -> None:
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []

    @property
    def length(self) -> int:
        return self.keys[0].shape[2]

    def update(self, keys: Tensor, values: Tensor, _layer: int) -> tuple[Tensor, Tensor]:
        self.keys.append(keys)
        self.values.append(values)
        return keys, values


class GroupCache:
    """Every row starts with a copy of its prompt; prompts end at the same place.

    Buffers are [rows, heads, capacity, head size], `length` of it in use: a token is written in
    place, where joining tensors would copy every prompt for every token.
    """

    def __init__(self, prompts: Sequence[PromptCache], rows_per_prompt: Sequence[int]) -> None:
        lengths = [prompt.length for prompt in prompts]
        self.length = max(lengths)
        layers = range(len(prompts[0].keys))
        self._keys = [self._joined([p.keys[i] for p in prompts], rows_per_prompt) for i in layers]
        self._values = [
            self._joined([p.values[i] for p in prompts], rows_per_prompt) for i in layers
        ]
        self._mask = self._padding_mask(lengths, rows_per_prompt)

    def mask(self) -> Tensor | None:
        """[rows, 1, 1, length + 1] for the next token, False at padding; None without padding."""
        if self._mask is None:
            return None
        if self._mask.shape[-1] <= self.length:
            self._mask = torch.nn.functional.pad(self._mask, (0, self.length), value=True)
        return self._mask[..., : self.length + 1]

    def update(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """Writes one token of every row, [rows, heads, 1, head size]; returns all there is."""
        end = self.length + 1
        if end > self._keys[layer].shape[2]:
            self._keys[layer] = _with_room(self._keys[layer], self.length)
            self._values[layer] = _with_room(self._values[layer], self.length)
        self._keys[layer][:, :, self.length : end] = keys
        self._values[layer][:, :, self.length : end] = values
        return self._keys[layer][:, :, :end], self._values[layer][:, :, :end]

    def _joined(self, tensors: Sequence[Tensor], rows_per_prompt: Sequence[int]) -> Tensor:
        _, heads, _, head_size = tensors[0].shape
        shape = (sum(rows_per_prompt), heads, self.length + _ROOM_TOKENS, head_size)
        joined = tensors[0].new_zeros(shape)
        first = 0
        for tensor, rows in zip(tensors, rows_per_prompt, strict=True):
            joined[first : first + rows, :, self.length - tensor.shape[2] : self.length] = tensor
            first += rows
        return joined

    def _padding_mask(
        self, lengths: Sequence[int], rows_per_prompt: Sequence[int]
    ) -> Tensor | None:
        if min(lengths) == max(lengths):
            return None
        device = self._keys[0].device
        padding = torch.tensor(
            [self.length - length for length in lengths], device=device
        ).repeat_interleave(torch.tensor(rows_per_prompt, device=device))
        columns = torch.arange(self.length + _ROOM_TOKENS, device=device)
        return (columns >= padding.unsqueeze(1))[:, None, None, :]


def _with_room(buffer: Tensor, tokens: int) -> Tensor:
    return torch.nn.functional.pad(buffer, (0, 0, 0, tokens))
