"""Attention over packed groups, behind transformers' own attention interface.

A dense mask over the packed sequence would be mostly false. Instead each group is two calls of
`scaled_dot_product_attention`: its prompt, causal and without a mask, which every device has a
fast kernel for; and its completions' few queries against the prompt and what each goes on from,
under a small mask. Nothing is computed across groups, and nothing is padded. Exact, and so is its
gradient.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from learner_service.policy.packing import GroupSpan

# Models loaded with this attn_implementation take `packed=PackedAttention(…)`, or another
# Attention, in their forward pass; without it they attend as with sdpa.
PACKED_ATTENTION = "tally_packed"


class Attention(Protocol):
    """How the tokens of one pass attend; made for all layers of it, which call it in their order.

    `predicting` are the positions that predict a token, whose output the last layer computes alone.
    """

    predicting: Tensor

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """query: [1, heads, S, D]; key, value: [1, key-value heads, S, D] → [1, heads, S, D]."""

    def at_predicting(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """As above, with queries at the K `predicting` positions only → [1, heads, K, D]."""


class PackedAttention:
    """How the groups of one packed sequence attend; made once for all layers of a pass."""

    def __init__(self, spans: Sequence[GroupSpan], device: torch.device) -> None:
        self._spans = spans
        self._masks = [predicting_mask(span, device) for span in spans]
        # The positions that predict a token: each prompt's last, and all of the completions.
        self.predicting = torch.cat(
            [torch.arange(span.prompt_end - 1, span.end) for span in spans]
        ).to(device)

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """query: [1, heads, S, D]; key, value: [1, key-value heads, S, D] → [1, heads, S, D]."""
        groups = zip(*map(self._by_group, (query, key, value)), strict=True)
        spans = zip(self._spans, self._masks, groups, strict=True)
        outputs = [part for group in spans for part in _attend_group(*group, scaling)]
        return torch.cat(outputs, dim=2)

    def at_predicting(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """As above, with queries at the K `predicting` positions only → [1, heads, K, D]."""
        queries = query.split([len(mask) for mask in self._masks], dim=2)
        groups = zip(queries, self._by_group(key), self._by_group(value), self._masks, strict=True)
        outputs = [attend_under_mask(*group, scaling) for group in groups]
        return torch.cat(outputs, dim=2)

    def _by_group(self, states: Tensor) -> tuple[Tensor, ...]:
        """Not slices, each of which would have a gradient of the whole pass's size."""
        parts: tuple[Tensor, ...] = states.split([s.end - s.start for s in self._spans], dim=2)
        return parts


def _attend_group(
    span: GroupSpan, mask: Tensor, states: tuple[Tensor, Tensor, Tensor], scaling: float
) -> Iterator[Tensor]:
    """The prompt's output, then that of the completions; `states` are query, key and value."""
    query, key, value = states
    length, own = span.prompt_end - span.start, len(span.parents)
    prompt_query, own_query = query.split([length, own], dim=2)
    yield attend_causally(prompt_query, key[:, :, :length], value[:, :, :length], scaling)
    if own:
        yield attend_under_mask(own_query, key, value, mask[1:], scaling)


def attend_causally(query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
    """Of one prompt, [1, heads, tokens, D]."""
    return scaled_dot_product_attention(
        query, key, value, is_causal=True, scale=scaling, enable_gqa=True
    )


def attend_under_mask(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float
) -> Tensor:
    """`mask`: [queries, keys] bool, true where a query sees a key; None where each sees all."""
    if query.device.type == "cuda":
        # The memory-efficient kernel takes a mask, but not fewer heads of keys than of queries;
        # with enable_gqa torch would fall back to the one that holds all scores in memory.
        heads_per_key = query.shape[1] // key.shape[1]
        key = key.repeat_interleave(heads_per_key, dim=1)
        value = value.repeat_interleave(heads_per_key, dim=1)
    return scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=scaling, enable_gqa=query.shape[1] != key.shape[1]
    )


def predicting_mask(span: GroupSpan, device: torch.device) -> Tensor:
    """Which keys of the group (columns) its predicting positions (rows) see."""
    prompt_length = span.prompt_end - span.start
    visible = np.zeros((1 + len(span.parents), span.end - span.start), dtype=np.bool_)
    visible[:, :prompt_length] = True
    for row, parent in enumerate(span.parents, start=1):
        visible[row] = visible[parent + 1]
        visible[row, prompt_length + row - 1] = True
    return torch.from_numpy(visible).to(device)


def _attention(  # noqa: PLR0917 - transformers' own order
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    packed: Attention | None = None,
    scaling: float | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """One layer's attention, as transformers calls it → [batch, S, heads, D]."""
    if packed is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **options
        )
    output = packed(query, key, value, scaling or query.shape[-1] ** -0.5)
    return output.transpose(1, 2).contiguous(), None


AttentionInterface.register(PACKED_ATTENTION, _attention)
AttentionMaskInterface.register(PACKED_ATTENTION, sdpa_mask)
