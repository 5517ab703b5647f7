"""NF4 on a CPU in blocks that fit its cache: bitsandbytes' bits, in less time and memory.

bitsandbytes packs a matrix as a whole: beside it stand seven copies, most of them of 32 bits a
weight, and each weight's code is found by binary search. Blocks of 64 weights depend on nothing
but themselves, so a part of the matrix at a time gives the same bits, and 15 comparisons of many
weights at once are the quicker search.
"""

import functools

import torch
from bitsandbytes._ops import register_kernel
from bitsandbytes.functional import get_4bit_type
from torch import Tensor

BLOCK_WEIGHTS = 64
_WEIGHTS_AT_ONCE = 2**18
_LEAST_SCALE = 1e-38  # of a block of zeros: bitsandbytes' own


def pack(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Codes, two to a byte [N / 2, 1], and each block's scale [N / 64], of N weights."""
    flat = weights.reshape(-1)
    packed = torch.empty(len(flat) // 2, dtype=torch.uint8)
    scales = torch.empty(len(flat) // BLOCK_WEIGHTS)
    bounds = _bounds()
    for first in range(0, len(flat), _WEIGHTS_AT_ONCE):
        part = flat[first : first + _WEIGHTS_AT_ONCE].float().view(-1, BLOCK_WEIGHTS)
        end = first + part.numel()
        part_scales = torch.amax(part.abs(), -1, out=scales[first // 64 : end // 64])
        codes = _codes(part, part_scales, bounds)
        torch.add(codes[::2] << 4, codes[1::2], out=packed[first // 2 : end // 2])
    return packed.unsqueeze(1), scales


def _codes(blocks: Tensor, scales: Tensor, bounds: list[float]) -> Tensor:
    """Each weight's code: how many of the bounds lie below it."""
    inverse = 1.0 / scales.clamp(min=_LEAST_SCALE)
    scaled = (blocks * inverse.unsqueeze(1)).clamp_(-1, 1).view(-1)
    codes = torch.zeros(len(scaled), dtype=torch.uint8)
    for bound in bounds:
        codes += scaled > bound
    return codes


def _bounds() -> list[float]:
    """Halfway between neighbouring values of NF4."""
    values = get_4bit_type("nf4", device="cpu")
    middles: list[float] = ((values[1:] + values[:-1]) / 2).tolist()
    return middles


@functools.cache
def install() -> None:
    """From now on bitsandbytes packs with `pack` on a CPU; once in a process."""
    register_kernel("bitsandbytes::quantize_4bit", "cpu")(_quantize_4bit)


def _quantize_4bit(
    weights: Tensor, block_weights: int, kind: str, storage: torch.dtype
) -> tuple[Tensor, Tensor]:
    """The operator's signature; what `pack` isn't made for goes to bitsandbytes' own."""
    is_ours = (block_weights, kind, storage) == (BLOCK_WEIGHTS, "nf4", torch.uint8)
    if is_ours and weights.numel() % BLOCK_WEIGHTS == 0:
        return pack(weights)
    own = torch._C.DispatchKeySet(torch._C.DispatchKey.CompositeExplicitAutograd)
    found: tuple[Tensor, Tensor] = torch.ops.bitsandbytes.quantize_4bit.default.redispatch(
        own, weights, block_weights, kind, storage
    )
    return found
