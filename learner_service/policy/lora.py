"""PEFT's LoRA layers with fewer passes over memory; same parameters, same numbers, same files.

PEFT computes base(x) + B(A(x)) · scaling as five operations over full-size tensors, forward, and
as many backward, in the precision of A and B. Here the low-rank part is added by the matrix
product that makes it, in the precision of x, and 4-bit weights are unpacked again in backward
rather than kept. What is kept is x and its image under A.
"""

from functools import partial
from typing import Any, cast

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from tally.weights.plain_weight import plain_weight


def fuse(model: nn.Module) -> None:
    """Gives every LoRA layer of `model` the forward pass below; its adapter can still be off."""
    for module in model.modules():
        if isinstance(module, LoraLayer):
            module.forward = partial(_forward, module)


def _forward(layer: LoraLayer, x: Tensor) -> Tensor:
    if layer.disable_adapters or layer.merged:
        # Not by the base layer's own pass: on a CPU that of bitsandbytes may lay 4-bit weights out
        # anew for itself, and `plain_weight` would then unpack something else.
        base = cast(nn.Linear, layer.base_layer)
        return nn.functional.linear(x, plain_weight(base, x.dtype), base.bias)
    (name,) = layer.active_adapters
    rows = x.reshape(-1, x.shape[-1])
    output: Tensor = _LoraLinear.apply(  # type: ignore[no-untyped-call]  # torch's own
        rows,
        layer.lora_dropout[name](rows),
        layer.lora_A[name].weight,
        layer.lora_B[name].weight,
        layer.base_layer,
        layer.scaling[name],
    )
    return output.view(*x.shape[:-1], -1)


class _LoraLinear(torch.autograd.Function):
    """x, dropped: [N, in]; a: [r, in]; b: [out, r] → [N, out]. The base weights get no gradient."""

    @staticmethod
    def forward(  # noqa: PLR0917 - autograd passes no keywords
        ctx: Any, x: Tensor, dropped: Tensor, a: Tensor, b: Tensor, base: nn.Linear, scaling: float
    ) -> Tensor:
        low_rank = dropped @ a.to(x.dtype).T
        output = nn.functional.linear(x, plain_weight(base, x.dtype), base.bias)
        output.addmm_(low_rank, b.to(x.dtype).T, alpha=scaling)
        ctx.save_for_backward(dropped, low_rank, a, b)
        ctx.base, ctx.scaling, ctx.same_input = base, scaling, dropped is x
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        dropped, low_rank, a, b = ctx.saved_tensors
        x_gradient = dropped_gradient = None
        low_rank_gradient = (gradient @ b.to(gradient.dtype)).mul_(ctx.scaling)
        if ctx.needs_input_grad[0]:
            x_gradient = gradient @ plain_weight(ctx.base, gradient.dtype)
        if x_gradient is not None and ctx.same_input:
            x_gradient.addmm_(low_rank_gradient, a.to(gradient.dtype))
        elif ctx.needs_input_grad[1]:
            dropped_gradient = low_rank_gradient @ a.to(gradient.dtype)
        return (
            x_gradient,
            dropped_gradient,
            (low_rank_gradient.T @ dropped).to(a.dtype),
            (gradient.T @ low_rank).mul_(ctx.scaling).to(b.dtype),
            None,
            None,
        )
