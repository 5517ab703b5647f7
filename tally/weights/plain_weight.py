"""The numbers that a linear layer stands for, whichever way it holds them."""

from typing import Any

import torch
from torch import Tensor, nn


def plain_weight(layer: nn.Linear, dtype: torch.dtype) -> Tensor:
    """[out, in]; unpacked into `dtype` where it is held in 4 bits."""
    quant_state = getattr(layer.weight, "quant_state", None)
    if quant_state is None:
        return layer.weight
    # Who holds no weight in 4 bits needs no bitsandbytes.
    from bitsandbytes.functional import dequantize_4bit  # noqa: PLC0415

    packed: Any = layer.weight
    return dequantize_4bit(packed, quant_state).to(dtype)
