"""The last decoder layer, computed only where its output is read.

Completion tokens and the last token of each prompt predict something; the rest of a prompt is
read by attention alone. So in the last layer a prompt needs keys and values, but no queries, no
output projection and no feed-forward network: for G short answers to a long prompt that leaves
an eighth of the layer.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor

from learner_service.policy.attention import Attention
from tally.families.family import Family
from tally.families.rotation import rotate


def shorten(language_model: Any, family: Family) -> None:
    """Makes packed passes through a language model end at the positions that predict.

    Raises UnsupportedModel where the family doesn't describe the whole of the layer.
    """
    layer = language_model.layers[-1]
    family.check_attention(layer)
    layer.forward = partial(_forward, layer, family, layer.forward)


def _forward(
    layer: Any,
    family: Family,
    whole_forward: Callable[..., Tensor],
    hidden_states: Tensor,
    *,
    position_embeddings: tuple[Tensor, Tensor],
    packed: Attention | None = None,
    **options: Any,
) -> Tensor:
    """hidden_states: [1, S, H] → [1, K, H] at the K predicting positions, in their order."""
    if packed is None:
        return whole_forward(hidden_states, position_embeddings=position_embeddings, **options)
    attention, rows = layer.self_attn, packed.predicting
    projections, norms = family.projections, family.head_norms
    query_norm, key_norm = (norms.query, norms.key) if norms else (None, None)
    normed = layer.input_layernorm(hidden_states)

    def project(path: str, states: Tensor, norm: str | None = None) -> Tensor:
        """[1, positions, H] → [1, heads, positions, D]"""
        heads: Tensor = layer.get_submodule(path)(states).unflatten(-1, (-1, attention.head_dim))
        if norm:
            heads = layer.get_submodule(norm)(heads)
        return heads.transpose(1, 2)

    cosines, sines = (part.unsqueeze(1) for part in position_embeddings)
    queries = project(projections.query, normed.index_select(1, rows), query_norm)
    attended = packed.at_predicting(
        rotate(queries, cosines[:, :, rows], sines[:, :, rows]),
        rotate(project(projections.key, normed, key_norm), cosines, sines),
        project(projections.value, normed),
        attention.scaling,
    )
    merged = attended.transpose(1, 2).flatten(2)
    after: Tensor = hidden_states.index_select(1, rows) + layer.get_submodule(projections.output)(
        merged
    )
    fed_forward: Tensor = layer.mlp(layer.post_attention_layernorm(after))
    return after + fed_forward
