"""Keys and values: a prompt's are held once, each row of its group has only its own tokens'."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_ROOM_TOKENS = 32


class PromptCache:
    """Keys and values of one prompt, [key heads, prompt tokens, head size] for each layer."""

    def __init__(self) -> None:
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []

    def append(self, keys: Tensor, values: Tensor) -> None:
        self.keys.append(keys)
        self.values.append(values)

    @property
    def length(self) -> int:
        return self.keys[0].shape[1]


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadPrompt:
    """A prompt after its one pass: keys and values, the `hidden` state [H] of its last token, and
    the position of the next."""

    cache: PromptCache
    hidden: Tensor
    next_position: int


class GroupCache:
    """P prompts, padded on the right to one length, and G rows of own tokens for each; 1 at first.

    Attention of a row goes over its prompt and its own tokens. All is in float32: where a model
    computes in bfloat16, scores rounded to it would be off by a hundredth.
    """

    def __init__(self, prompts: Sequence[PromptCache]) -> None:
        self.prompts = len(prompts)
        self.group = 1
        self.length = 0  # own tokens, the same for every row
        lengths = [prompt.length for prompt in prompts]
        layers = range(len(prompts[0].keys))
        self._prompt_keys = [_pad([p.keys[i] for p in prompts]) for i in layers]
        self._prompt_values = [_pad([p.values[i] for p in prompts]) for i in layers]
        self._mask = _padding_mask(lengths, self._prompt_keys[0])
        key_heads, _, size = prompts[0].keys[0].shape
        shape = (self.prompts, key_heads, self.group, _ROOM_TOKENS, size)
        self._own_keys = [self._prompt_keys[0].new_zeros(shape) for _ in layers]
        self._own_values = [self._prompt_keys[0].new_zeros(shape) for _ in layers]

    def attend(self, layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Takes in one token of every row, [P, G, heads, size] → what it attends to, [P * G, H]."""
        own_keys = self._append(self._own_keys, layer, keys)
        own_values = self._append(self._own_values, layer, values)
        prompt_keys, prompt_values = self._prompt_keys[layer], self._prompt_values[layer]
        key_heads, size = keys.shape[2:]
        # Heads that share a key head are rows of one product, as are the rows of a group.
        shared = (self.prompts, self.group, key_heads, -1, size)
        queries = queries.reshape(shared).transpose(1, 2).float() * size**-0.5
        flat = queries.flatten(2, 3).flatten(0, 1)  # [P * key heads, G * shared heads, size]
        over_prompt = _product(flat, prompt_keys.flatten(0, 1).mT, self._mask)
        over_own = torch.bmm(queries.flatten(0, 2), own_keys.flatten(0, 2).mT)
        weights = torch.cat((over_prompt, over_own.view(*flat.shape[:2], -1)), dim=-1).softmax(-1)
        length = over_prompt.shape[-1]
        attended = torch.bmm(weights[..., :length], prompt_values.flatten(0, 1))
        own_weights = weights[..., length:].unflatten(1, (self.group, -1)).flatten(0, 1)
        attended = attended.view_as(queries) + torch.bmm(
            own_weights, own_values.flatten(0, 2)
        ).view_as(queries)
        return attended.transpose(1, 2).reshape(self.prompts * self.group, -1)

    def keep(self, prompts_P: Tensor, rows_P_G: Tensor) -> None:
        """Keeps these prompts, each once, and of each these rows of its group, some maybe twice."""
        if len(prompts_P) < self.prompts:
            self._keep_prompts(prompts_P)
        self.prompts, self.group = rows_P_G.shape
        for buffers in (self._own_keys, self._own_values):
            buffers[:] = [self._rows(buffer, prompts_P, rows_P_G) for buffer in buffers]

    def _keep_prompts(self, prompts_P: Tensor) -> None:
        if self._mask is not None:
            self._mask = self._mask.unflatten(0, (-1, self._own_keys[0].shape[1]))
            self._mask = self._mask[prompts_P].flatten(0, 1)
        for buffers in (self._prompt_keys, self._prompt_values):
            buffers[:] = [buffer[prompts_P] for buffer in buffers]

    def _rows(self, buffer: Tensor, prompts_P: Tensor, rows_P_G: Tensor) -> Tensor:
        _, key_heads, _, room, size = buffer.shape
        kept = buffer.new_empty((self.prompts, key_heads, self.group, room, size))
        # Indices on both sides of a slice come first: [P, G, key heads, …].
        rows = buffer[:, :, :, : self.length][prompts_P.unsqueeze(1), :, rows_P_G]
        kept[:, :, :, : self.length] = rows.transpose(1, 2)
        return kept

    def _append(self, buffers: list[Tensor], layer: int, token: Tensor) -> Tensor:
        """Writes [P, G, key heads, size] in place; returns all own tokens of the layer."""
        if self.length == buffers[layer].shape[3]:
            buffers[layer] = functional.pad(buffers[layer], (0, 0, 0, self.length))
        buffers[layer][:, :, :, self.length] = token.transpose(1, 2)
        return buffers[layer][:, :, :, : self.length + 1]


def _product(queries: Tensor, keys: Tensor, mask: Tensor | None) -> Tensor:
    return torch.bmm(queries, keys) if mask is None else torch.baddbmm(mask, queries, keys)


def _pad(tensors: Sequence[Tensor]) -> Tensor:
    """[P, key heads, longest prompt, size]."""
    longest = max(tensor.shape[1] for tensor in tensors)
    key_heads, _, size = tensors[0].shape
    padded = tensors[0].new_zeros((len(tensors), key_heads, longest, size), dtype=torch.float32)
    for row, tensor in zip(padded, tensors, strict=True):
        row[:, : tensor.shape[1]] = tensor
    return padded


def _padding_mask(lengths: Sequence[int], keys: Tensor) -> Tensor | None:
    """[P * key heads, 1, longest prompt], -inf at padding; None without padding."""
    if min(lengths) == max(lengths):
        return None
    columns = torch.arange(max(lengths), device=keys.device)
    is_padding = columns >= torch.tensor(lengths, device=keys.device).unsqueeze(1)
    mask = torch.zeros_like(is_padding, dtype=torch.float32).masked_fill(is_padding, -torch.inf)
    return mask.repeat_interleave(keys.shape[1], dim=0).unsqueeze(1)
