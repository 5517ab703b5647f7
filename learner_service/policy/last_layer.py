"""The last decoder layer, computed only where its output is read.

Completion tokens and the last token of each prompt predict something; the rest of a prompt is
read by attention alone. So in the last layer a prompt needs keys and values, but no queries, no
output projection and no feed-forward network: for G short answers to a long prompt that leaves
an eighth of the layer.
"""

from functools import partial
from typing import Any

from torch import Tensor, nn
from transformers.models.qwen2_vl.modeling_qwen2_vl import rotate_half

from learner_service.policy.attention import PackedAttention


def shorten(language_model: nn.Module) -> None:
    """Makes packed passes through a Qwen language model end at the positions that predict."""
    layer = language_model.layers[-1]
    layer.forward = partial(_forward, layer, layer.forward)


def _forward(
    layer: nn.Module,
    whole_forward: Any,
    hidden_states: Tensor,
    *,
    position_embeddings: tuple[Tensor, Tensor],
    packed: PackedAttention | None = None,
    **options: Any,
) -> Tensor:
    """hidden_states: [1, S, H] → [1, K, H] at the K predicting positions, in their order."""
    if packed is None:
        return whole_forward(hidden_states, position_embeddings=position_embeddings, **options)
    attention = layer.self_attn
    rows = packed.predicting
    normed = layer.input_layernorm(hidden_states)
    cosines, sines = (part.unsqueeze(1) for part in position_embeddings)
    query = _heads(attention.q_proj(normed[:, rows]), attention.head_dim)
    key = _heads(attention.k_proj(normed), attention.head_dim)
    attended = packed.at_predicting(
        _rotated(query, cosines[:, :, rows], sines[:, :, rows]),
        _rotated(key, cosines, sines),
        _heads(attention.v_proj(normed), attention.head_dim),
        attention.scaling,
    )
    merged = attended.transpose(1, 2).flatten(2)
    hidden_states = hidden_states[:, rows] + attention.o_proj(merged)
    return hidden_states + layer.mlp(layer.post_attention_layernorm(hidden_states))


def _heads(projected: Tensor, head_size: int) -> Tensor:
    """[1, positions, heads · D] → [1, heads, positions, D]"""
    return projected.unflatten(-1, (-1, head_size)).transpose(1, 2)


def _rotated(states: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    return states * cosines + rotate_half(states) * sines
