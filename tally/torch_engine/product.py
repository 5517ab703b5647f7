"""Products of a few rows with a large weight, which take as long as reading the weight does."""

import torch
from torch import Tensor
from torch.nn import functional

# MKL takes two thirds of the time for so many rows the other way round. Fewer, more, and small
# weights it multiplies faster as they lie.
_FEW_ROWS = range(4, 49)
_LEAST_WEIGHTS = 2**20


def multiply(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """As functional.linear: x [..., in], weight [out, in] → [..., out]."""
    rows = x.shape[:-1]
    if not _is_large_for_few(rows.numel(), weight):
        return functional.linear(x, weight, bias)
    product = torch.mm(weight, x.reshape(-1, x.shape[-1]).T).T.contiguous()
    if bias is not None:
        product.add_(bias)
    return product.view(*rows, -1)


def _is_large_for_few(rows: int, weight: Tensor) -> bool:
    is_plain = weight.device.type == "cpu" and weight.dtype == torch.float32
    return is_plain and rows in _FEW_ROWS and weight.numel() >= _LEAST_WEIGHTS
