"""The language model's forward pass, for sampling: prompts once, then a token of every row.

The weights and norms are those of transformers' model. The pass is written out because it can then
do what a general one can't: several prompts in a row without padding, the rows of a group over
one copy of their prompt, the last layer only where a token is to be sampled.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tally.families.family import Family
from tally.families.rotation import Rotation
from tally.sampling.adapter_file import plain_layer
from tally.torch_engine.deepstack import Additions
from tally.torch_engine.kv_cache import GroupCache, PromptCache
from tally.torch_engine.projection import Projection, Unpacking

# Up to here a second copy of the weights, with the adapter in it, is cheap to hold and to make.
_MOST_MERGED_BYTES = 1024**3
# And weights in 4 bits are cheap to hold unpacked; they are then multiplied in one product and
# without the rounding of bitsandbytes' own on a CPU.
_MOST_UNPACKED_BYTES = 128 * 1024**2


class LanguageModel:
    """The language model of `model`; its layers keep the names that they have there.

    One that `is_shared` with a learner stays as it is held, without a second copy of anything, and
    what the learner computes with it outside of inference mode stays its own.
    """

    def __init__(self, model: nn.Module, family: Family, *, is_shared: bool = False) -> None:
        module = family.language_model(model)
        self._batch_positions = family.batch_positions
        self._heads = module.config.num_attention_heads
        self._key_heads = module.config.num_key_value_heads
        self._rotary = module.rotary_emb
        self._norm = module.norm
        unpacking = _choose_unpacking(module, is_shared=is_shared)
        merges = not is_shared and _merges(module, unpacks=unpacking is Unpacking.ONCE)
        self._layers = [
            _Layer(
                layer,
                family,
                f"{family.language_model_path}.layers.{number}",
                merges=merges,
                unpacking=unpacking,
            )
            for number, layer in enumerate(module.layers)
        ]

    @property
    def projections(self) -> list[Projection]:
        return [projection for layer in self._layers for projection in layer.projections]

    def rotation(self, positions: Tensor, like: Tensor) -> Rotation:
        """By `positions` [axes, rows, tokens] → [rows, tokens, head size], in `like`'s dtype."""
        return Rotation.of(*self._rotary(like, self._batch_positions(positions)))

    def prefill(
        self,
        embeds: Tensor,
        positions: Tensor,
        lengths: Sequence[int],
        additions: Additions | None = None,
    ) -> tuple[Tensor, list[PromptCache]]:
        """Prompts one after the other: `embeds` [N, H], `positions` [axes, N].

        → the last token's hidden state of each prompt, [P, H], and its keys and values.
        """
        rotation = self.rotation(positions.unsqueeze(1), embeds)[0, :, None]
        caches = [PromptCache() for _ in lengths]
        ends = torch.tensor(lengths, device=embeds.device).cumsum(0) - 1
        hidden = embeds
        for number, layer in enumerate(self._layers):
            is_last = layer is self._layers[-1]
            heads = (one.split(lengths) for one in self._heads_of(layer, hidden, rotation))
            attended = [
                self._over_itself(queries, keys, values, cache, last_only=is_last)
                for queries, keys, values, cache in zip(*heads, caches, strict=True)
            ]
            if is_last:
                hidden = hidden[ends]
            hidden = layer.after_attention(hidden, torch.cat(attended))
            if additions:
                additions.add(number, hidden)
        return self._norm(hidden), caches

    def decode(self, embeds: Tensor, rotation: Rotation, cache: GroupCache) -> Tensor:
        """One token of every row, [P * G, H] → its hidden states; `cache` takes it in."""
        hidden = embeds
        prompts, group = cache.prompts, cache.group
        for number, layer in enumerate(self._layers):
            queries, keys, values = self._heads_of(layer, hidden.view(prompts, group, -1), rotation)
            attended = cache.attend(number, queries, keys, values)
            hidden = layer.after_attention(hidden, attended.to(hidden.dtype))
        cache.length += 1
        normed: Tensor = self._norm(hidden)
        return normed

    def _heads_of(
        self, layer: "_Layer", hidden: Tensor, rotation: Rotation
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Rotated queries [..., heads, size] and keys, and values [..., key heads, size]."""
        joined = layer.qkv(layer.input_norm(hidden))
        joined = joined.unflatten(-1, (self._heads + 2 * self._key_heads, -1))
        rotated = rotation(layer.norm_heads(joined[..., : -self._key_heads, :], self._heads))
        return (
            rotated[..., : self._heads, :],
            rotated[..., self._heads :, :],
            joined[..., -self._key_heads :, :],
        )

    def _over_itself(
        self, queries: Tensor, keys: Tensor, values: Tensor, cache: PromptCache, *, last_only: bool
    ) -> Tensor:
        """Causal attention of one prompt, [tokens, heads, size] → [tokens, H]; fills `cache`."""
        cache.append(keys.transpose(0, 1).contiguous(), values.transpose(0, 1).contiguous())
        if last_only:
            queries = queries[-1:]
        attended = functional.scaled_dot_product_attention(
            queries.transpose(0, 1).unsqueeze(0),
            cache.keys[-1].unsqueeze(0),
            cache.values[-1].unsqueeze(0),
            is_causal=not last_only,
            enable_gqa=self._heads != self._key_heads,
        )
        return attended[0].transpose(0, 1).flatten(1)


class _Layer:
    """A decoder layer's parts; what reads the same input is one projection.

    Raises UnsupportedModel where the family doesn't describe the whole of the layer.
    """

    def __init__(
        self, layer: Any, family: Family, name: str, *, merges: bool, unpacking: Unpacking
    ) -> None:
        family.check_attention(layer)
        parts, norms = family.projections, family.head_norms

        def join(*paths: str) -> Projection:
            layers = {f"{name}.{path}": _linear(layer.get_submodule(path)) for path in paths}
            return Projection(layers, merges=merges, unpacking=unpacking)

        self.qkv = join(parts.query, parts.key, parts.value)
        self._output = join(parts.output)
        self._gate_up = join(parts.gate, parts.up)
        self._down = join(parts.down)
        gated = layer.get_submodule(parts.gate.rpartition(".")[0])
        self._activation = gated.act_fn
        self._feed_forward: Callable[[Tensor], Tensor] = self._run_gated
        if gated is not layer.mlp:  # but a part of it, which that one calls
            self._feed_forward = layer.mlp
            gated.forward = _in_inference_mode(self._run_gated, gated.forward)
        self._query_norm = layer.get_submodule(norms.query) if norms else None
        self._key_norm = layer.get_submodule(norms.key) if norms else None
        self.input_norm = layer.input_layernorm
        self._norm = layer.post_attention_layernorm

    @property
    def projections(self) -> tuple[Projection, ...]:
        return self.qkv, self._output, self._gate_up, self._down

    def norm_heads(self, heads: Tensor, queries: int) -> Tensor:
        """[..., heads, size], so many `queries` and then keys: each normalised, or as they are."""
        if self._query_norm is None or self._key_norm is None:
            return heads
        normed = self._query_norm(heads[..., :queries, :]), self._key_norm(heads[..., queries:, :])
        return torch.cat(normed, dim=-2)

    def after_attention(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """The layer's output; both are [N, H]."""
        hidden = hidden + self._output(attended)
        return hidden + self._feed_forward(self._norm(hidden))

    def _run_gated(self, hidden: Tensor) -> Tensor:
        gate, up = self._gate_up(hidden).chunk(2, dim=-1)
        return self._down(self._activation(gate) * up)


def _linear(module: nn.Module) -> nn.Linear:
    layer = plain_layer(module)
    if not isinstance(layer, nn.Linear):
        raise TypeError(f"expected a linear layer, got {type(layer).__name__}")
    return layer


def _in_inference_mode(
    sampled: Callable[[Tensor], Tensor], otherwise: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    """Which is a thread's own: a learner may be in the middle of a pass."""

    def forward(hidden: Tensor) -> Tensor:
        return (sampled if torch.is_inference_mode_enabled() else otherwise)(hidden)

    return forward


def _choose_unpacking(module: Any, *, is_shared: bool) -> Unpacking:
    if is_shared:
        return Unpacking.EACH_TIME
    fits = _unpacked_bytes(module) <= _MOST_UNPACKED_BYTES
    return Unpacking.ONCE if fits else Unpacking.BY_LAYER


def _merges(module: Any, *, unpacks: bool) -> bool:
    parameters = list(module.layers.parameters())
    is_exact = all(_held_dtype(parameter, unpacks) == torch.float32 for parameter in parameters)
    return is_exact and sum(p.nbytes for p in parameters) <= _MOST_MERGED_BYTES


def _held_dtype(parameter: Any, unpacks: bool) -> torch.dtype:
    packed = getattr(parameter, "quant_state", None)
    dtype: torch.dtype = packed.dtype if packed and unpacks else parameter.dtype
    return dtype


def _unpacked_bytes(module: Any) -> int:
    """Of what is held in 4 bits."""
    states = (getattr(one, "quant_state", None) for one in module.layers.parameters())
    return sum(state.shape.numel() * state.dtype.itemsize for state in states if state)
