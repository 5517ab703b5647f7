"""Linear layers that read the same input as one product, with a LoRA adapter on top or without."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tally.torch_engine.product import multiply
from tally.weights.plain_weight import plain_weight


@dataclass(frozen=True, kw_only=True)
class Lora:
    """What is added to a projection: x @ `a`.T @ `b`.T; a [ranks, in], b [out, ranks], scaled."""

    a: Tensor
    b: Tensor


class Unpacking(StrEnum):
    """When weights in 4 bits become plain ones. `BY_LAYER`: as bitsandbytes' own layers do, which
    on a CPU may lay them out anew for themselves."""

    ONCE = "once"
    EACH_TIME = "each time"
    BY_LAYER = "by layer"


class Projection:
    """`layers` by full name, side by side: their outputs are joined along the last axis.

    Layers of plain weights become views of one tensor, so that nothing is held twice; those in 4
    bits are multiplied in turn, unless they are unpacked once. Where `merges`, an adapter is
    multiplied out into a second weight once, which spares two thin products for every token; only
    float32 does that without loss.
    """

    def __init__(
        self, layers: Mapping[str, nn.Linear], *, merges: bool, unpacking: Unpacking
    ) -> None:
        self.names = tuple(layers)
        self.out_features = [layer.out_features for layer in layers.values()]
        self._layers = list(layers.values())
        self._lora: Lora | None = None
        self._unpacks_each_time = unpacking is Unpacking.EACH_TIME
        if unpacking is Unpacking.ONCE:
            for layer in self._layers:
                _unpack(layer)
        self._base = _join(self._layers)
        self._weight = self._base
        self._merged = torch.empty_like(self._base) if merges and self._base is not None else None
        biases: list[Tensor] = [layer.bias for layer in self._layers]
        self._bias = None if biases[0] is None else torch.cat(biases)

    def adapt(self, lora: Lora | None) -> None:
        """Every product from now on is the base's and `lora`'s."""
        self._lora = lora
        self._weight = self._base
        if lora is not None and self._base is not None and self._merged is not None:
            self._weight = torch.addmm(self._base, lora.b, lora.a, out=self._merged)
            self._lora = None

    def __call__(self, x: Tensor) -> Tensor:
        """[N, in] → [N, sum of out_features]."""
        if self._weight is None:
            y = torch.cat([self._multiply(layer, x) for layer in self._layers], dim=-1)
        else:
            y = multiply(x, self._weight, self._bias)
        if self._lora is None:
            return y
        low = functional.linear(x.to(self._lora.a.dtype), self._lora.a)
        return y.add_(functional.linear(low, self._lora.b))

    def _multiply(self, layer: nn.Linear, x: Tensor) -> Tensor:
        if self._unpacks_each_time:
            return functional.linear(x, plain_weight(layer, x.dtype), layer.bias)
        product: Tensor = layer(x)
        return product


def _unpack(layer: nn.Linear) -> None:
    """Gives a layer in 4 bits the weights that these stand for, as its learner computes with."""
    packed: Any = layer.weight
    if hasattr(packed, "quant_state"):
        unpacked = plain_weight(layer, packed.quant_state.dtype)
        layer.weight = nn.Parameter(unpacked, requires_grad=False)


def _join(layers: list[nn.Linear]) -> Tensor | None:
    """The layers' weights as one tensor, of which theirs become parts; None where quantised."""
    if any(hasattr(layer.weight, "quant_state") for layer in layers):
        return None
    weight = torch.cat([layer.weight for layer in layers])
    parts = weight.split([layer.out_features for layer in layers])
    for layer, part in zip(layers, parts, strict=True):
        layer.weight = nn.Parameter(part, requires_grad=False)
    return weight
