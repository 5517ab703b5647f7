"""Attention over packed groups, behind transformers' own attention interface.

A dense mask over the packed sequence would be mostly false. Instead each group is two calls of
`scaled_dot_product_attention`: its prompt, causal and without a mask, which every device has a
fast kernel for; and its completions' few queries against the prompt and themselves, under a small
mask. Nothing is computed across groups, and nothing is padded. Exact, and so is its gradient.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from learner_service.packing import GroupSpan

# Models loaded with this attn_implementation take `packed=PackedAttention(…)` in their forward
# pass; without it they attend as with sdpa.
PACKED_ATTENTION = "tally_packed"


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A group's place, and which keys (columns) its completions' queries (rows) see."""

    span: GroupSpan
    mask: Tensor | None  # [completions' tokens, group's tokens] bool; None where there are none


class PackedAttention:
    """How the groups of one packed sequence attend; made once for all layers of a pass."""

    def __init__(self, spans: Sequence[GroupSpan], device: torch.device) -> None:
        self._parts = [_Part(span=span, mask=_completion_mask(span, device)) for span in spans]

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """query: [1, heads, S, D]; key, value: [1, key-value heads, S, D] → [1, heads, S, D]."""
        return torch.cat(
            [
                output
                for part in self._parts
                for output in _attended(part, query, key, value, scaling)
            ],
            dim=2,
        )


def _attended(
    part: _Part, query: Tensor, key: Tensor, value: Tensor, scaling: float
) -> list[Tensor]:
    span = part.span
    prompt, completions = slice(span.start, span.prompt_end), slice(span.prompt_end, span.end)
    whole = slice(span.start, span.end)
    outputs = [
        scaled_dot_product_attention(
            query[:, :, prompt],
            key[:, :, prompt],
            value[:, :, prompt],
            is_causal=True,
            scale=scaling,
            enable_gqa=True,
        )
    ]
    if part.mask is not None:
        outputs.append(
            masked_attention(
                query[:, :, completions], key[:, :, whole], value[:, :, whole], part.mask, scaling
            )
        )
    return outputs


def masked_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float
) -> Tensor:
    """Attention under a boolean mask, [queries, keys], true where a query sees a key."""
    if query.device.type == "cuda":
        # The memory-efficient kernel takes a mask, but not fewer heads of keys than of queries;
        # with enable_gqa torch would fall back to the one that holds all scores in memory.
        heads_per_key = query.shape[1] // key.shape[1]
        key = key.repeat_interleave(heads_per_key, dim=1)
        value = value.repeat_interleave(heads_per_key, dim=1)
    return scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=scaling, enable_gqa=query.shape[1] != key.shape[1]
    )


def _completion_mask(span: GroupSpan, device: torch.device) -> Tensor | None:
    length, prompt_length = span.end - span.start, span.prompt_end - span.start
    if length == prompt_length:
        return None
    segments = torch.zeros(length, dtype=torch.long)  # 0 is the prompt, 1…G the completions
    starts = (span.prompt_end, *span.completion_ends)
    for number, (start, end) in enumerate(zip(starts, span.completion_ends, strict=False), 1):
        segments[start - span.start : end - span.start] = number
    own = segments.unsqueeze(1) == segments.unsqueeze(0)
    visible = (own | (segments == 0).unsqueeze(0)).tril()
    return visible[prompt_length:].to(device)


def _attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    packed: PackedAttention | None = None,
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
